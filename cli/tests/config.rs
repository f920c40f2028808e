//! Settings from files and variables, as the program reads them.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod common;

use common::Context;
use serde_json::{Value, json};

/// What a setting comes to, and where it comes from.
fn shown(context: &Context, variables: &[(&str, &str)], key: &str) -> (Value, String) {
    let outcome = context.run_with(variables, &["config", "view", "--show-origin", "-o", "json"]);
    assert_eq!(outcome.code, Some(0), "{key}: {}", outcome.stderr);
    let envelope: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    let settings = envelope["data"].as_array().expect("a list");
    let setting = settings
        .iter()
        .find(|setting| setting["key"] == key)
        .expect("the key");
    let origin = setting["origin"].as_str().expect("an origin").to_owned();
    (setting["value"].clone(), origin)
}

/// Every key, its variable, and a value for the variable, the project's file and the user's file.
const KEYS: &[(&str, &str, [&str; 3])] = &[
    ("name", "IRSA_EMU_NAME", ["a", "b", "c"]),
    (
        "cluster.provider",
        "IRSA_EMU_CLUSTER",
        ["kind", "existing", "kind"],
    ),
    (
        "cluster.context",
        "IRSA_EMU_CONTEXT",
        ["kind-a", "kind-b", "kind-c"],
    ),
    ("cluster.nodeImage", "IRSA_EMU_NODE_IMAGE", ["n:1", "n:2", "n:3"]),
    (
        "cluster.switchContext",
        "IRSA_EMU_SWITCH_CONTEXT",
        ["true", "true", "true"],
    ),
    ("backend", "IRSA_EMU_BACKEND", ["aws", "emulator", "aws"]),
    (
        "aws.baseCredentials",
        "IRSA_EMU_BASE_CREDENTIALS",
        ["env", "secret", "env"],
    ),
    (
        "aws.stsEndpoint",
        "IRSA_EMU_STS_ENDPOINT",
        ["http://a", "http://b", "http://c"],
    ),
    (
        "aws.sessionTags",
        "IRSA_EMU_SESSION_TAGS",
        ["true", "true", "true"],
    ),
    ("emulator.image", "IRSA_EMU_EMULATOR_IMAGE", ["e:1", "e:2", "e:3"]),
    ("emulator.env", "IRSA_EMU_EMULATOR_ENV", ["A=1", "A=2", "A=3"]),
    (
        "emulator.resources.memory",
        "IRSA_EMU_EMULATOR_MEMORY",
        ["1Gi", "2Gi", "3Gi"],
    ),
    ("emulator.resources.cpu", "IRSA_EMU_EMULATOR_CPU", ["1", "2", "3"]),
    ("emulator.hostPort", "IRSA_EMU_HOST_PORT", ["1", "2", "3"]),
    (
        "emulator.region",
        "IRSA_EMU_REGION",
        ["eu-west-1", "eu-west-2", "eu-west-3"],
    ),
    (
        "emulator.accountId",
        "IRSA_EMU_ENV_ACCOUNT",
        ["000000000001", "000000000002", "000000000003"],
    ),
    ("webhook.image", "IRSA_EMU_WEBHOOK_IMAGE", ["w:1", "w:2", "w:3"]),
    (
        "webhook.sidecarImage",
        "IRSA_EMU_SIDECAR_IMAGE",
        ["s:1", "s:2", "s:3"],
    ),
    (
        "webhook.defaultDelivery",
        "IRSA_EMU_DEFAULT_DELIVERY",
        ["sidecar", "web-identity", "sidecar"],
    ),
    (
        "webhook.profile",
        "IRSA_EMU_PROFILE",
        ["strict-eks", "default", "strict-eks"],
    ),
    ("webhook.roles", "IRSA_EMU_ROLES", ["strict", "auto", "strict"]),
    ("webhook.issuerAliases", "IRSA_EMU_ISSUER_ALIAS", ["a", "b", "c"]),
    (
        "webhook.composeRoleArn",
        "IRSA_EMU_COMPOSE_ROLE_ARN",
        ["000000000001", "000000000002", "000000000003"],
    ),
    ("timeout", "IRSA_EMU_TIMEOUT", ["1m", "2m", "3m"]),
    ("progress", "IRSA_EMU_PROGRESS", ["plain", "quiet", "tty"]),
    ("color", "IRSA_EMU_COLOR", ["never", "always", "never"]),
];

#[test]
fn every_key_follows_variable_then_project_then_user_then_default() {
    for (key, variable, [first, second, third]) in KEYS {
        let (key, variable) = (*key, *variable);
        let typed = |value: &str| match key {
            "emulator.hostPort" => json!(value.parse::<u16>().expect("a number")),
            "cluster.switchContext" | "aws.sessionTags" => json!(value == "true"),
            "webhook.issuerAliases" => json!([value]),
            "emulator.env" => json!({"A": value.trim_start_matches("A=")}),
            _ => json!(value),
        };
        let yaml = |value: &str| {
            let value = typed(value);
            let path: Vec<&str> = key.split('.').collect();
            // Always three lines: of those above it, those further up share one.
            let inner = path[1..].iter().rev();
            let value = inner.fold(value.to_string(), |value, key| format!("{{{key}: {value}}}"));
            format!("# here\n\n{}: {value}\n", path[0])
        };
        let context = Context::new();
        let (_, origin) = shown(&context, &[], key);
        assert!(["default", "unset"].contains(&origin.as_str()), "{key}: {origin}");
        context.write(".config/irsa-emu/config.yaml", &yaml(third));
        let users = (typed(third), "[HOME]/.config/irsa-emu/config.yaml:3".to_owned());
        assert_eq!(shown(&context, &[], key), users, "{key}");
        context.write("irsa-emu.yaml", &yaml(second));
        let projects = (typed(second), "[HOME]/irsa-emu.yaml:3".to_owned());
        assert_eq!(shown(&context, &[], key), projects, "{key}");
        assert_eq!(
            shown(&context, &[(variable, "")], key),
            projects,
            "{key}: empty is not there"
        );
        assert_eq!(
            shown(&context, &[(variable, first)], key),
            (typed(first), variable.to_owned()),
            "{key}"
        );
        assert_eq!(
            shown(&context, &[("IRSA_EMU_NO_CONFIG", "1")], key).1,
            origin,
            "{key}"
        );
    }
}

#[test]
fn flags_that_every_verb_has_beat_the_file() {
    let context = Context::new();
    context.write("irsa-emu.yaml", "name: a\n");
    let outcome = context.run(&["--name", "b", "config", "view"]);
    assert!(outcome.stdout.contains("name: b\n"), "{}", outcome.stdout);
    let outcome = context.run(&["config", "view", "--name", "b", "--show-origin"]);
    assert!(outcome.stdout.contains("b  (flag)\n"), "{}", outcome.stdout);
}

#[test]
fn what_is_shown_is_a_file_again() {
    let context = Context::new();
    let file = "cluster: {nodeImage: x}\nemulator: {hostPort: 0, accountId: '012345678901', env: {DEBUG: '1', X: 'a=b'}, \
                resources: {memory: 3Gi, cpu: '2'}}\nwebhook: {issuerAliases: [eks, a]}\n\
                recipes:\n- ./r.yaml\n- {recipe: vault-awskms, set: {account: '012345678901'}}\n";
    context.write("irsa-emu.yaml", file);
    let first = context.run(&["config", "view"]);
    insta::assert_snapshot!(first.stdout);
    context.write("irsa-emu.yaml", &first.stdout.replace("[HOME]/", ""));
    assert_eq!(context.run(&["config", "view"]).stdout, first.stdout);
}

#[test]
fn a_file_that_is_wrong_is_exit_2_with_its_place() {
    let context = Context::new();
    context.write("irsa-emu.yaml", "emulator:\n  hostport: 1\n");
    let outcome = context.run(&["status"]);
    insta::assert_snapshot!(outcome.fails_with(2));
    let outcome = context.run(&["status", "-o", "json"]);
    let envelope: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(envelope["error"]["code"], "config-invalid");
    assert_eq!(context.run(&["version", "--no-config"]).code, Some(0));
    assert_eq!(context.run(&["completion", "bash"]).code, Some(0));
    context.write("other.yaml", "");
    assert_eq!(context.run(&["version", "--config", "other.yaml"]).code, Some(0));
    let missing = context.run(&["version", "--config", "none.yaml"]).fails_with(2);
    assert!(missing.contains("none.yaml cannot be read"), "{missing}");
}

#[test]
fn recipes_of_the_file_lack_parameters_before_anything_is_made() {
    let context = Context::new();
    context.write("irsa-emu.yaml", "recipes: [vault-awskms]\n");
    let stderr = context.run(&["up"]).fails_with(2);
    assert!(stderr.contains("missing parameters:"), "{stderr}");
    assert!(
        stderr.contains("next: irsa-emu recipe vault-awskms --set account=ACCOUNT"),
        "{stderr}"
    );
    let named = context.run(&["up", "--recipe", "valt"]).fails_with(2);
    assert!(named.contains("there is no recipe `valt`"), "{named}");
    let two = context
        .run(&["up", "--recipe", "a", "--recipe", "b", "--set", "x=y"])
        .fails_with(2);
    assert!(two.contains("are for one --recipe"), "{two}");
}

#[test]
fn the_schema_in_the_docs_is_current() {
    let printed = Context::new().run(&["config", "schema"]).stdout;
    let kept = include_str!("../../docs/irsa-emu.schema.json");
    assert!(
        printed == kept,
        "run: irsa-emu config schema > docs/irsa-emu.schema.json"
    );
}
