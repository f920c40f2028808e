//! What the program says about itself: help, reference page, completions, manual pages.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod common;

use assert_cmd::Command;
use std::fs;
use std::os::unix::fs::symlink;

use common::Context;

/// Every verb with what it is for, those below others included.
fn verbs() -> Vec<(String, String)> {
    fn below(command: &clap::Command, path: &str, found: &mut Vec<(String, String)>) {
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let path = format!("{path} {}", verb.get_name()).trim_start().to_owned();
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            found.push((path.clone(), about));
            below(verb, &path, found);
        }
    }
    let mut found = Vec::new();
    below(&irsa_emu::command_line::command(), "", &mut found);
    found
}

#[test]
fn help_of_every_verb_is_in_the_snapshot() {
    let context = Context::new();
    let all = verbs().into_iter().map(|(verb, _)| verb);
    for verb in std::iter::once(String::new()).chain(all) {
        let mut args: Vec<&str> = verb.split_whitespace().collect();
        args.push("--help");
        let outcome = context.run(&args);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
        let name = format!("help {verb}").trim_end().replace(' ', "_");
        insta::assert_snapshot!(name, outcome.stdout);
    }
}

#[test]
fn the_reference_lists_exactly_these_verbs() {
    let page = include_str!("../../docs/cli.md");
    let section = page.split("\n## ").find(|section| section.starts_with("Verbs"));
    let rows: Vec<&str> = section
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let expected: Vec<String> = verbs()
        .iter()
        .map(|(verb, about)| format!("| `{verb}` | {about} |"))
        .collect();
    assert_eq!(rows, expected, "\n{}", expected.join("\n"));
}

#[test]
fn every_shell_gets_its_completion() {
    let context = Context::new();
    for (shell, sign) in [
        ("bash", "complete -F _irsa__emu"),
        ("zsh", "#compdef irsa-emu"),
        ("fish", "complete -c irsa-emu"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion:arg-completer[irsa-emu]"),
    ] {
        let outcome = context.run(&["completion", shell]);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{shell}");
        assert!(outcome.stdout.contains(sign), "{shell}: {}", outcome.stdout);
        assert!(outcome.stdout.contains("doctor"), "{shell}");
    }
    context.run(&["completion", "tcsh"]).fails_with(2);
}

#[test]
fn there_is_a_manual_page_for_every_verb() {
    let context = Context::new();
    assert!(context.run(&["man"]).stdout.contains(".TH irsa-emu 1"));
    assert_eq!(context.run(&["man", "pages/man1"]).code, Some(0));
    for (verb, _) in verbs() {
        let name = format!("irsa-emu-{}.1", verb.replace(' ', "-"));
        let page = fs::read_to_string(context.path("pages/man1").join(&name)).expect(&name);
        assert!(page.contains(".SH NAME"), "{name}");
    }
}

#[test]
fn as_a_plugin_of_kubectl_it_is_called_so() {
    let context = Context::new();
    let plugin = context.path("kubectl-irsa_emu");
    symlink(env!("CARGO_BIN_EXE_irsa-emu"), &plugin).expect("a link");
    let output = Command::new(&plugin)
        .args(["recipe", "check", "--help"])
        .output()
        .expect("the program runs");
    let help = String::from_utf8(output.stdout).expect("text");
    assert!(
        help.contains("Usage: kubectl irsa_emu recipe check [OPTIONS]"),
        "{help}"
    );
    let output = Command::new(&plugin)
        .env_clear()
        .env("HOME", context.home.path())
        .arg("status")
        .output()
        .expect("the program runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains("next: kubectl irsa_emu up"), "{said}");
}
