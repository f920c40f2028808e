//! Progress, colour and width of the program's own talk.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod common;

use common::{Context, kubeconfig, steady};
use serde_json::Value;

const LONG: &str = "arn:aws:eks:eu-west-1:123456789012:cluster/a-name-of-a-production-cluster";

fn unsafe_context() -> Context {
    let context = Context::new();
    context.write("kubeconfig", &kubeconfig(LONG, 1));
    context
}

#[test]
fn json_progress_is_events_and_nothing_else() {
    let context = Context::new();
    for args in [
        &["up"][..],
        &["down"],
        &["recipe", "list"],
        &["frobnicate"],
        &["up", "--host-port", "70000"],
        &["recipe", "vault-awskms", "--dry-run"],
        &["-v", "status"],
    ] {
        let outcome = context.run(&[args, &["--progress", "json"]].concat());
        let events: Vec<Value> = outcome
            .stderr
            .lines()
            .map(|line| serde_json::from_str(line).expect("an object on each line"))
            .collect();
        let failed = outcome.code != Some(0);
        let last = events.last().expect("an event");
        assert_eq!(failed, last["event"] == "error", "{args:?}: {last}");
        assert_eq!(failed, last["code"].is_string(), "{args:?}: {last}");
    }
    let outcome = failing_kind().up(&["--progress", "json"]);
    let events: Vec<Value> = outcome
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect();
    let names: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().expect("a name"))
        .collect();
    let expected = [
        "note", "begin", "done", "begin", "detail", "failed", "begin", "done", "error",
    ];
    assert_eq!(names, expected, "{}", outcome.stderr);
    assert_eq!(events[4]["detail"], "Preparing nodes");
    assert!(events[5]["seconds"].is_number() && events[5]["step"].is_string());
}

/// A kind that begins to make a cluster, and fails.
fn failing_kind() -> Context {
    let context = Context::new();
    context.fake_docker();
    let script = "case \"$*\" in create*) cat > /dev/null; echo ' • Preparing nodes' >&2; exit 1;; esac";
    context.program("kind", script);
    context
}

#[test]
fn colour_is_where_it_is_wanted() {
    let context = unsafe_context();
    let args = ["status", "--context", LONG];
    let colored = |variables: &[(&str, &str)], more: &[&str]| {
        let outcome = context.run_with(variables, &[&args, more].concat());
        assert_eq!(outcome.code, Some(3));
        outcome.stderr.contains('\u{1b}')
    };
    assert!(!colored(&[], &[]));
    assert!(colored(&[], &["--color", "always"]));
    assert!(colored(&[("CLICOLOR_FORCE", "1")], &[]));
    assert!(!colored(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], &[]));
    assert!(!colored(&[("CLICOLOR_FORCE", "1")], &["--color", "never"]));
}

#[test]
fn sixty_and_two_hundred_columns_look_right() {
    let context = unsafe_context();
    for columns in ["60", "200"] {
        let variables = [("COLUMNS", columns)];
        let error = context
            .run_with(&variables, &["status", "--context", LONG])
            .fails_with(3);
        insta::assert_snapshot!(format!("error_{columns}"), error);
        let values = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/vault/values.yaml");
        let args = ["recipe", "vault-awskms", "--values", values, "--dry-run"];
        insta::assert_snapshot!(
            format!("table_{columns}"),
            context.run_with(&variables, &args).stdout
        );
        let help = context.run_with(&variables, &["up", "--help"]).stdout;
        let widest = help.lines().map(|line| line.chars().count()).max();
        let limit = if columns == "60" { 60 } else { 110 };
        assert!(
            widest.is_some_and(|widest| widest <= limit && widest > limit - 20),
            "{widest:?} {columns}"
        );
    }
}

#[test]
fn in_github_actions_steps_are_folded_and_errors_are_annotations() {
    let context = failing_kind();
    let args = context.up_args(&[]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = context.run_with(&[("GITHUB_ACTIONS", "true"), ("CI", "true")], &args);
    insta::assert_snapshot!(steady(&outcome.fails_with(1)));
}
