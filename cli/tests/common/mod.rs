//! The built program in surroundings of its own.

#![allow(
    dead_code,
    clippy::expect_used,
    reason = "each test program uses a part, and a test fails by panicking, in its helpers, too"
)]

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use tempfile::TempDir;

/// A home folder of its own, an empty PATH, and no variable that could lead to the machine's own cluster.
pub(crate) struct Context {
    pub(crate) home: TempDir,
}

impl Context {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        self.run_with(&[], args)
    }

    /// Runs the program with variables, in the home folder.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Outcome {
        let mut command = Command::cargo_bin("irsa-emu").expect("the program is built");
        command.env_clear();
        command
            .env("HOME", self.home.path())
            .env("PATH", self.path("bin"));
        command.env("KUBECONFIG", self.path("kubeconfig"));
        command.env(
            "DOCKER_HOST",
            format!("unix://{}", self.path("no-docker.sock").display()),
        );
        command
            .envs(variables.iter().copied())
            .current_dir(self.home.path());
        let output = command.args(args).output().expect("the program runs");
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .expect("text")
                .replace(&self.home.path().display().to_string(), "[HOME]")
        };
        Outcome {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("a folder is made");
        }
        fs::write(path, text).expect("a file is written");
    }
}

pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Asserts the exit code and that nothing was written to stdout; answers stderr.
    pub(crate) fn fails_with(self, code: i32) -> String {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (Some(code), ""),
            "{}",
            self.stderr
        );
        self.stderr
    }
}

/// A kubeconfig with one context.
pub(crate) fn kubeconfig(context: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: \"{context}\"\n\
         clusters: [{{name: c, cluster: {{server: \"http://127.0.0.1:{port}\"}}}}]\n\
         users: [{{name: u, user: {{}}}}]\n\
         contexts: [{{name: \"{context}\", context: {{cluster: c, user: u}}}}]\n"
    )
}

/// Talk without what differs from run to run: durations and ports.
pub(crate) fn steady(text: &str) -> String {
    let mut steady = String::new();
    for line in text.lines() {
        let line = match line.rfind(" (") {
            Some(at) if line.ends_with(" s)") => &line[..at],
            _ => line,
        };
        steady.push_str(line);
        steady.push('\n');
    }
    steady
}
