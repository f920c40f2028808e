//! `irsa-emu explain` without a cluster: what it cannot know by itself it says with the right exit code.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

use assert_cmd::Command;

/// Runs it with an empty home and this input; returns exit code, stdout and stderr.
fn explain(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::cargo_bin("irsa-emu").expect("the program is built");
    let output = command
        .env_clear()
        .env("HOME", home.path())
        .current_dir(home.path())
        .arg("explain")
        .args(args)
        .write_stdin(input)
        .output()
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_is_not_named_rightly_is_exit_2() {
    for (args, input, said) in [
        (&[][..], "", "required arguments were not provided"),
        (&["pod"], "", "`pod` needs a name"),
        (&["pod/"], "", "`pod` needs a name"),
        (&["secret", "x"], "", "`secret` is not a kind that runs Pods"),
        (&["pod/a", "b"], "", "`b` is not of the form KIND/NAME"),
        (&["pod", "a", "-f", "x.yaml"], "", "cannot be used with"),
        (&["-f", "missing.yaml"], "", "missing.yaml cannot be read"),
        (
            &["-f", "-"],
            "kind: A\n---\nkind: [",
            "document 2 of stdin is not readable",
        ),
    ] {
        let (code, out, err) = explain(args, input);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}: {err}");
        assert!(err.contains(said), "{args:?}: {err}");
    }
}

#[test]
fn without_a_cluster_the_next_command_is_told() {
    let (code, out, err) = explain(&["pod", "app"], "");
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("next: irsa-emu up"), "{err}");
}
