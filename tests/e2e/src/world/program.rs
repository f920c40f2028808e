//! Programs of this machine, and what they said.

use std::fmt::Write as _;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};

/// What a program said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    command: String,
}

impl Said {
    /// The same, if it ended with this exit code.
    pub(crate) fn code(self, wanted: i32) -> Result<Self> {
        ensure!(
            self.code == Some(wanted),
            "{}\nexit code {:?} instead of {wanted}\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.code,
            self.out,
            self.err
        );
        Ok(self)
    }

    /// The same, if it said this somewhere.
    pub(crate) fn says(self, wanted: &str) -> Result<Self> {
        let said = self.out.contains(wanted) || self.err.contains(wanted);
        ensure!(
            said,
            "{}\nsays nothing of `{wanted}`\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.out,
            self.err
        );
        Ok(self)
    }
}

pub(crate) fn run(command: &mut Command, input: Option<&str>) -> Result<Said> {
    let text = describe(command);
    command.stdin(if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {text}"))?;
    let stdin = child.stdin.take();
    // Written beside the reading: with a long input and a long output each would wait for the other.
    let output = std::thread::scope(|scope| {
        let writing = scope.spawn(move || match (input, stdin) {
            (Some(input), Some(mut stdin)) => {
                use std::io::Write as _;
                stdin.write_all(input.as_bytes())
            }
            _ => Ok(()),
        });
        let output = child.wait_with_output();
        // A program that ends before it has read all says why by itself.
        let _ = writing.join();
        output
    });
    let Output {
        status,
        stdout,
        stderr,
    } = output.with_context(|| text.clone())?;
    let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Said {
        code: status.code(),
        out: lossy(stdout),
        err: lossy(stderr),
        command: text,
    })
}

fn describe(command: &Command) -> String {
    let mut text = format!("$ {}", command.get_program().to_string_lossy());
    for arg in command.get_args() {
        let _ = write!(text, " {}", arg.to_string_lossy());
    }
    text
}
