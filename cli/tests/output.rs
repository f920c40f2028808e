//! The output for programs: one envelope, whatever the result of the command.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod common;

use common::{Context, ProgramOutput, kubeconfig};
use serde_json::{Value, json};

const VALUES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/vault/values.yaml");

fn envelope(outcome: &ProgramOutput) -> Value {
    let value: Value = serde_json::from_str(&outcome.stdout).expect("one JSON object");
    let keys: Vec<&String> = value.as_object().expect("an object").keys().collect();
    let expected = ["command", "data", "error", "schemaVersion", "status", "warnings"];
    assert_eq!(keys, expected, "{value}");
    assert_eq!(value["schemaVersion"], 1);
    assert_eq!(value["status"] == "ok", outcome.code == Some(0), "{value}");
    assert_eq!(value["error"].is_null(), outcome.code == Some(0), "{value}");
    value
}

#[test]
fn an_answer_is_an_envelope_and_talk_stays_on_stderr() {
    let context = Context::new();
    let version = envelope(&context.run(&["version", "-o", "json"]));
    assert_eq!(
        (&version["command"], &version["status"]),
        (&json!("version"), &json!("ok"))
    );
    let list = envelope(&context.run(&["recipe", "list", "-o", "json"]));
    assert_eq!(list["command"], "recipe list");
    assert_eq!(list["data"][0]["name"], "vault-awskms");
    let dry = envelope(&context.run(&[
        "recipe",
        "vault-awskms",
        "--values",
        VALUES,
        "--dry-run",
        "-o",
        "json",
    ]));
    assert_eq!(dry["data"]["state"], "dry-run");
    assert_eq!(dry["data"]["resources"].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_error_is_on_both_streams_with_the_same_exit_code_in_every_format() {
    let context = Context::new();
    context.write("kubeconfig", &kubeconfig("prod", 1));
    for (args, exit, code, category) in [
        (&["up"][..], 4, "docker-unavailable", "prerequisite"),
        (&["down"], 4, "docker-unavailable", "prerequisite"),
        (&["up", "--context", "prod"], 3, "unsafe-context", "unsafe"),
        (&["status", "--context", "none"], 2, "context-unknown", "usage"),
        (&["status"], 1, "no-cluster", "failed"),
        (&["env"], 1, "no-cluster", "failed"),
        (&["recipe", "valt"], 2, "recipe-unknown", "usage"),
        (
            &["recipe", "vault-awskms", "--dry-run"],
            2,
            "parameters-missing",
            "usage",
        ),
        (&["doctor", "--only", "nonsense"], 2, "usage", "usage"),
        (&["up", "--host-port", "70000"], 2, "usage", "usage"),
        (&["frobnicate"], 2, "usage", "usage"),
    ] {
        let text = context.run(args);
        assert_eq!(
            (text.code, text.stdout.as_str()),
            (Some(exit), ""),
            "{args:?}: {}",
            text.stderr
        );
        let outcome = context.run(&[args, &["-o", "json"]].concat());
        assert_eq!(outcome.code, Some(exit), "{args:?}");
        let error = &envelope(&outcome)["error"];
        assert_eq!(
            (&error["code"], &error["category"]),
            (&json!(code), &json!(category)),
            "{args:?}"
        );
        assert!(outcome.stderr.contains("error: "), "{args:?}: {}", outcome.stderr);
    }
}

#[test]
fn yaml_and_the_variable_ask_for_the_same_envelope() {
    let context = Context::new();
    let yaml = context.run(&["status", "-o", "yaml"]);
    assert!(yaml.stdout.contains("code: no-cluster"), "{}", yaml.stdout);
    let variable = [("IRSA_EMU_OUTPUT", "json")];
    assert_eq!(
        envelope(&context.run_with(&variable, &["status"]))["error"]["code"],
        "no-cluster"
    );
    assert_eq!(
        envelope(&context.run_with(&variable, &["status", "--x"]))["error"]["code"],
        "usage"
    );
}

#[test]
fn what_is_missing_is_a_list_for_programs() {
    let outcome = Context::new().run(&["recipe", "vault-awskms", "--dry-run", "-o", "json"]);
    let details = &envelope(&outcome)["error"]["details"];
    assert_eq!(details["parameters"], json!(["account", "keyId", "role"]));
}
