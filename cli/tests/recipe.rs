//! `irsa-emu recipe` and `irsa-emu doctor` as programs, where they need no cluster.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod common;

use std::path::Path;
use std::sync::{Arc, Mutex};

use assert_cmd::Command;
use common::Context;
use irsa_emu_test_support::api_server::ApiServer;
use irsa_emu_test_support::http::StatusCode;

const VALUES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/vault/values.yaml");

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

fn irsa_emu(args: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::cargo_bin("irsa-emu")
        .unwrap()
        .args(args)
        .env_clear()
        .env("HOME", folder.path())
        .write_stdin("")
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn recipe(args: &[&str]) -> Ran {
    irsa_emu(&[&["recipe", "vault-awskms"], args].concat())
}

fn with_values(text: &str, args: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.yaml");
    std::fs::write(&path, text).unwrap();
    let mut ran = recipe(&[&["--dry-run", "--values", path.to_str().unwrap()], args].concat());
    ran.stderr = ran.stderr.replace(folder.path().to_str().unwrap(), "[folder]");
    ran
}

#[test]
fn the_values_of_the_demo_make_the_recipe() {
    let ran = recipe(&["--values", VALUES, "--dry-run", "-o", "manifest"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(ran.stdout);
}

#[test]
fn every_format_is_data_and_nothing_else() {
    for format in ["text", "json", "env", "helm-values"] {
        let ran = recipe(&["--values", VALUES, "--dry-run", "-o", format]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{format}");
        insta::assert_snapshot!(format, ran.stdout);
    }
}

#[test]
fn flags_beat_values() {
    let flags = ["--set", "region=eu-west-1", "--set", "role=Other", "-n", "vault"];
    let ran = recipe(&[&["--values", VALUES, "--dry-run"], &flags[..]].concat());
    for part in [
        "arn:aws:kms:eu-west-1:123456789012:",
        "role/Other",
        "ServiceAccount vault/vault",
    ] {
        assert!(ran.stdout.contains(part), "{part} in {}", ran.stdout);
    }
}

#[test]
fn missing_parameters_are_listed_with_a_command_to_complete() {
    let ran = recipe(&["--dry-run", "--set", "account=123456789012"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    insta::assert_snapshot!(ran.stderr);
}

#[test]
fn values_that_cannot_be_used_are_usage_errors_that_say_why() {
    let missing = recipe(&["--dry-run", "--values", "/no/such/file.yaml"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("/no/such/file.yaml") && missing.stderr.contains("No such file"));
    for (name, text) in [
        ("no_yaml", "server:\n  a: [\n"),
        ("no_seal", "server: {standalone: {config: 'ui = true'}}"),
        (
            "broken_hcl",
            "server: {standalone: {config: \"seal \\\"awskms\\\" {\\n region = \\n}\"}}",
        ),
        (
            "bad_role",
            "server: {serviceAccount: {annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::12:role/x'}}}",
        ),
    ] {
        let ran = with_values(text, &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{name}: {}", ran.stderr);
        insta::assert_snapshot!(name, ran.stderr);
    }
}

#[test]
fn a_key_that_is_given_makes_up_for_a_seal_that_is_not_there() {
    let text = format!(
        "server: {{serviceAccount: {{annotations: {{eks.amazonaws.com/role-arn: '{}'}}}}}}",
        "arn:aws:iam::123456789012:role/team/Vault"
    );
    let ran = with_values(&text, &["--set", "keyId=f4f7a2e2-c5c6-ea6d-dc42-526ef280e794"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("role/team/Vault"));
    let alias = "server: {standalone: {config: 'seal \"awskms\" { kms_key_id = \"alias/x\" }'}}";
    let refused = with_values(alias, &["--set", "account=123456789012"]);
    assert_eq!(refused.code, 2);
    assert!(
        refused.stderr.contains("--set keyId=KEY_ID"),
        "{}",
        refused.stderr
    );
    let key = ["--set", "keyId=f4f7a2e2-c5c6-ea6d-dc42-526ef280e794"];
    let ran = with_values(
        alias,
        &[&["--set", "account=123456789012", "--set", "role=x"], &key[..]].concat(),
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

/// Values with a role and a configuration of raft.
fn raft(config: &str) -> String {
    let role = "arn:aws:iam::111122223333:role/vault-unseal";
    serde_json::json!({"server": {
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": role}},
        "ha": {"enabled": true, "raft": {"enabled": true, "config": config}},
    }})
    .to_string()
}

const OLD: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const NEW: &str = "bbbbbbbb-0000-4000-8000-000000000002";

#[test]
fn every_key_of_a_migration_or_a_high_availability_setup_is_made() {
    let seal = |key: &str, region: &str, more: &str| {
        format!("seal \"awskms\" {{\n  {more}\n  region = \"{region}\"\n  kms_key_id = \"{key}\"\n}}\n")
    };
    let migration = seal(OLD, "eu-west-1", "disabled = \"true\"") + &seal(NEW, "eu-west-1", "");
    let ran = with_values(&raft(&migration), &["-o", "manifest"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    insta::assert_snapshot!("seal_migration", ran.stdout);
    let ha = seal(OLD, "us-east-1", "priority = \"1\"") + &seal(NEW, "us-west-2", "priority = \"2\"");
    let ran = with_values(&raft(&ha), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for arn in [
        format!("arn:aws:kms:us-east-1:111122223333:key/{OLD}"),
        format!("arn:aws:kms:us-west-2:111122223333:key/{NEW}"),
    ] {
        assert!(ran.stdout.contains(&arn), "{arn} in {}", ran.stdout);
    }
}

#[test]
fn set_beats_values_that_cannot_be_read() {
    let templated =
        raft("seal \"awskms\" {\n  region = \"{{ .Values.r }}\"\n  kms_key_id = \"{{ .Values.k }}\"\n}");
    let key = format!("keyId={OLD}");
    let refused = with_values(&templated, &["--set", &key]);
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
    assert!(
        refused.stderr.contains("Helm template `{{ .Values.r }}`"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("--set region=REGION"),
        "{}",
        refused.stderr
    );
    let arn = format!("keyId=arn:aws:kms:eu-north-1:111122223333:key/{OLD}");
    let all = [
        "--set",
        "account=111122223333",
        "--set",
        "role=r",
        "--set",
        "region=eu-north-1",
    ];
    for (name, values) in [
        ("a template", templated.as_str()),
        ("no HCL", &raft("seal \"awskms\" {")),
        ("no JSON", &raft("{\"seal\": ")),
        ("no YAML", "server: [\n"),
        ("an alias", &raft("seal \"awskms\" { kms_key_id = \"alias/x\" }")),
        (
            "no role",
            "server: {serviceAccount: {annotations: {eks.amazonaws.com/role-arn: nonsense}}}",
        ),
    ] {
        let ran = with_values(values, &[&["--set", &key][..], &all].concat());
        assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
        assert!(
            ran.stdout
                .contains(&format!(":kms:eu-north-1:111122223333:key/{OLD}")),
            "{name}: {}",
            ran.stdout
        );
        // The ARN says region and account.
        let ran = with_values(
            values,
            &["--set", &arn, "--set", "role=r", "--set", "account=111122223333"],
        );
        assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
    }
    // A file that is not text, too; one that is not there is a mistake whatever is set.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("utf16.yaml");
    std::fs::write(&path, b"\xff\xfes\0e\0").unwrap();
    let file = ["--dry-run", "--values", path.to_str().unwrap()];
    let ran = recipe(&file);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("not readable as text"), "{}", ran.stderr);
    let given = [&["--set", &key][..], &all].concat();
    assert_eq!(recipe(&[&file[..], &given].concat()).code, 0);
    assert_eq!(
        recipe(&[&["--dry-run", "--values", "/no/such.yaml"][..], &given].concat()).code,
        2
    );
}

#[test]
fn keys_are_set_as_aws_names_them() {
    let mrk = "mrk-1234abcd12ab34cd56ef1234567890ab";
    let role = ["--dry-run", "--set", "role=r"];
    let set = |value: &str| recipe(&[&role[..], &["--set", &format!("keyId={value}")]].concat());
    let ran = set(&format!("arn:aws-cn:kms:cn-north-1:111122223333:key/{mrk}"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for arn in [
        format!("arn:aws-cn:kms:cn-north-1:111122223333:key/{mrk}"),
        "arn:aws-cn:iam::111122223333:role/r".to_owned(),
    ] {
        assert!(ran.stdout.contains(&arn), "{arn} in {}", ran.stdout);
    }
    let two =
        format!("arn:aws:kms:eu-west-1:111122223333:key/{OLD},arn:aws:kms:eu-west-2:111122223333:key/{NEW}");
    let ran = set(&two);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.contains(&format!("eu-west-2:111122223333:key/{NEW}")),
        "{}",
        ran.stdout
    );
    let ran = set(&two.replace("eu-west-2:111122223333", "eu-west-2:444455556666"));
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("444455556666"), "{}", ran.stderr);
    let ran = recipe(
        &[
            &role[..],
            &["--set", "account=111122223333", "--set", "keyId=mrk-1"],
        ]
        .concat(),
    );
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("`mrk-1` is not a KMS key id"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_release_names_the_recipe_and_the_service_account() {
    let made = |args: &[&str]| {
        let ran = recipe(&[&["--values", VALUES, "--dry-run", "-o", "manifest"], args].concat());
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        ran.stdout
    };
    let usual = made(&[]);
    assert!(
        usual.contains("name: vault-awskms-kube-system-vault\n"),
        "{usual}"
    );
    assert_eq!(made(&["--release", "vault"]), usual);
    assert_eq!(made(&["--set", "release=prod"]), made(&["--release", "prod"]));
    let other = made(&["--release", "prod", "-n", "team"]);
    for part in [
        "name: vault-awskms-team-prod\n",
        "team/prod-vault",
        "namespace: team\n",
    ] {
        assert!(other.contains(part), "{part} in {other}");
    }
    let without = recipe(&[
        "--dry-run",
        "--release",
        "prod",
        "--set",
        "role=r",
        "--set",
        &format!("keyId=arn:aws:kms:us-east-1:111122223333:key/{OLD}"),
    ]);
    assert!(
        without.stdout.contains("ServiceAccount kube-system/prod-vault"),
        "{}",
        without.stdout
    );
}

#[test]
fn values_may_be_several_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("over.yaml");
    std::fs::write(&path, "server: {extraEnvironmentVars: {AWS_REGION: eu-west-1}}\n").unwrap();
    let over = path.to_str().unwrap();
    let several = recipe(&["--dry-run", "--values", VALUES, "--values", over]);
    assert!(
        several.stdout.contains(":kms:eu-west-1:"),
        "{}{}",
        several.stdout,
        several.stderr
    );
    let listed = recipe(&["--dry-run", "--values", &format!("{VALUES},{over}")]);
    assert_eq!(listed.stdout, several.stdout);
}

#[test]
fn a_recipe_or_parameter_that_is_not_there_is_a_usage_error() {
    let ran = irsa_emu(&["recipe", "valt", "--dry-run"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("the recipes are: vault-awskms"),
        "{}",
        ran.stderr
    );
    let ran = recipe(&["--values", VALUES, "--dry-run", "--set", "acount=1"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("unknown parameter `acount`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn recipes_are_listed_and_shown() {
    let listed = irsa_emu(&["recipe"]);
    assert_eq!(listed.stdout, irsa_emu(&["recipe", "list"]).stdout);
    assert!(listed.stdout.starts_with("vault-awskms  "));
    let shown = irsa_emu(&["recipe", "show", "vault-awskms"]).stdout;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes/vault-awskms/recipe.yaml");
    assert_eq!(shown, std::fs::read_to_string(file).unwrap());
}

/// The role of the example, in the Recipe of another app.
const OTHER: &str = r#"{"apiVersion":"irsa-emu.dev/v1alpha1","kind":"Recipe","metadata":{"name":"payroll"},"spec":{
    "account":"123456789012","region":"us-east-1",
    "iam":{"roles":[{"name":"Vault-AWSKMS","serviceAccounts":["payroll/app"]}]}}}"#;

#[test]
fn what_another_app_has_is_taken_only_with_replace() {
    let context = Context::new();
    let written = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&written);
    let server = ApiServer::installed(None).replying(move |request| {
        let path = request.path.strip_prefix("/apis/irsa-emu.dev/v1alpha1/recipes")?;
        if request.method == "GET" {
            let list = format!(
                r#"{{"apiVersion":"irsa-emu.dev/v1alpha1","kind":"RecipeList","metadata":{{}},"items":[{OTHER}]}}"#
            );
            return path.is_empty().then_some((StatusCode::OK, list));
        }
        seen.lock().unwrap().push(format!("{} {path}", request.method));
        let body = if request.method == "DELETE" { OTHER } else { request.body };
        Some((StatusCode::OK, body.to_owned()))
    });
    context.serve(server, "kind-irsa-emu");
    let args = ["recipe", "vault-awskms", "--values", VALUES, "--no-wait"];
    let refused = context.run(&args);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    for said in [
        "Recipe payroll: arn:aws:iam::123456789012:role/Vault-AWSKMS (differs: the trust policy)",
        "--replace\n",
    ] {
        assert!(refused.stderr.contains(said), "{said}: {}", refused.stderr);
    }
    assert_eq!(*written.lock().unwrap(), [""; 0]);
    let taken = context.run(&[&args[..], &["--replace"]].concat());
    assert_eq!(taken.code, Some(0), "{}", taken.stderr);
    let written = written.lock().unwrap();
    assert!(written.contains(&"DELETE /payroll".to_owned()), "{written:?}");
    assert!(
        written
            .iter()
            .any(|call| call.starts_with("PATCH /vault-awskms-")),
        "{written:?}"
    );
}

#[test]
fn without_a_cluster_the_next_command_is_up() {
    for verb in [
        &["status"][..],
        &["env"],
        &["recipe", "vault-awskms", "--values", VALUES],
    ] {
        let ran = irsa_emu(verb);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{verb:?}");
        assert!(
            ran.stderr.contains("next: irsa-emu up"),
            "{verb:?}: {}",
            ran.stderr
        );
    }
}

#[test]
fn the_doctor_skips_what_makes_no_sense_and_fails() {
    let ran = irsa_emu(&["doctor", "--phase", "cluster,webhook", "-o", "json"]);
    assert_eq!(ran.code, 1);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["ok"], false);
    for check in report["checks"].as_array().unwrap() {
        let expected = if check["id"] == "k8s-context-safe" {
            "error"
        } else {
            "skipped"
        };
        assert_eq!(check["result"], expected, "{check}");
    }
    assert_eq!(report["checks"][0]["hint"], "irsa-emu up");
}

#[test]
fn the_doctor_lists_its_checks_and_knows_its_patterns() {
    let all = irsa_emu(&["doctor", "--list"]).stdout;
    assert_eq!(all.lines().count(), 40, "{all}");
    let some = irsa_emu(&["doctor", "--list", "--only", "wh-*", "--skip", "*-dryrun"]).stdout;
    assert_eq!(some.lines().count(), 5, "{some}");
    let ran = irsa_emu(&["doctor", "--only", "nonsense"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("nonsense") && ran.stderr.contains("doctor --list"));
}
