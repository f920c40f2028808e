//! `irsa-emu recipe` and `irsa-emu doctor` as programs, where they need no cluster.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

use std::path::Path;

use assert_cmd::Command;

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
