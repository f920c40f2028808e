//! Runs a program for the user, as a shell does: on our terminal, with the signals that come to us, and with its exit
//! code as ours.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{self, Pid};
use rustix::termios::tcgetpgrp;
use tokio::process::Child;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code for a program that is not there, as shells have it.
pub const NOT_FOUND: u8 = 127;
/// Exit code for a program that cannot be started, as shells have it.
pub const NOT_STARTED: u8 = 126;

/// Why a program was not run.
#[derive(Debug, thiserror::Error)]
pub enum ForegroundError {
    /// It is not there.
    #[error("there is no such program")]
    NotFound,
    /// It is there, but cannot be started.
    #[error("it cannot be started: {0}")]
    NotStarted(std::io::Error),
    /// Signals cannot be listened for.
    #[error("signals cannot be passed on to it: {0}")]
    Signals(std::io::Error),
    /// It runs, but its end cannot be waited for.
    #[error("waiting for its end failed: {0}")]
    NotWaited(std::io::Error),
}

impl ForegroundError {
    /// The exit code that a shell would have.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound => NOT_FOUND,
            Self::NotStarted(_) | Self::Signals(_) | Self::NotWaited(_) => NOT_STARTED,
        }
    }
}

/// Runs a program with variables beside ours, and without those that are removed, to its end. Returns its exit code: 128
/// and more where a signal ended it.
pub async fn run(
    program: &OsString,
    args: &[OsString],
    variables: &[(&str, &str)],
    removed: &[String],
) -> Result<u8, ForegroundError> {
    // Before it starts, so that no signal is missed.
    let mut signals = Passed::listen().map_err(ForegroundError::Signals)?;
    let mut child = spawn(program, args, variables, removed)?;
    loop {
        let received = tokio::select! {
            status = child.wait() => return status.map(exit_code).map_err(ForegroundError::NotWaited),
            received = signals.next() => received,
        };
        if let Some(id) = child.id()
            && !(received.typed && in_foreground())
        {
            send(received.signal, id);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program that the user names, and of which nothing is read"
)]
fn spawn(
    program: &OsString,
    args: &[OsString],
    variables: &[(&str, &str)],
    removed: &[String],
) -> Result<Child, ForegroundError> {
    let mut command = tokio::process::Command::new(program);
    for name in removed {
        command.env_remove(name);
    }
    command
        .args(args)
        .envs(variables.iter().copied())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => ForegroundError::NotFound,
            _ => ForegroundError::NotStarted(error),
        })
}

fn exit_code(status: ExitStatus) -> u8 {
    let by_signal = status.signal().map(|number| number.saturating_add(128));
    let code = status.code().or(by_signal).unwrap_or(1);
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// A signal that is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Received {
    signal: process::Signal,
    /// Whether a key of the terminal sends it: then every program in the foreground has it already.
    typed: bool,
}

/// The signals that are passed on.
struct Passed {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    quit: Signal,
    user_1: Signal,
    user_2: Signal,
}

impl Passed {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            user_1: signal(SignalKind::user_defined1())?,
            user_2: signal(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> Received {
        let (signal, typed) = tokio::select! {
            _ = self.interrupt.recv() => (process::Signal::INT, true),
            _ = self.terminate.recv() => (process::Signal::TERM, false),
            _ = self.hang_up.recv() => (process::Signal::HUP, false),
            _ = self.quit.recv() => (process::Signal::QUIT, true),
            _ = self.user_1.recv() => (process::Signal::USR1, false),
            _ = self.user_2.recv() => (process::Signal::USR2, false),
        };
        Received { signal, typed }
    }
}

/// Whether we, and with us the program, have the keys of a terminal.
fn in_foreground() -> bool {
    let group = std::fs::File::open("/dev/tty").and_then(|terminal| Ok(tcgetpgrp(terminal)?));
    group.is_ok_and(|group| group == process::getpgrp())
}

fn send(signal: process::Signal, id: u32) {
    let process = i32::try_from(id).ok().and_then(Pid::from_raw);
    let sent = process.map(|process| process::kill_process(process, signal));
    tracing::debug!(?signal, id, ?sent, "passed a signal on");
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sh(script: &str) -> Result<u8, ForegroundError> {
        let args = ["-c", script].map(OsString::from);
        run(
            &"sh".into(),
            &args,
            &[("IRSA_EMU_TEST", "seen")],
            &["HOME".to_owned()],
        )
        .await
    }

    #[tokio::test]
    async fn the_exit_code_is_that_of_the_program_or_of_its_signal() {
        assert_eq!(sh("exit 0").await.unwrap(), 0);
        assert_eq!(sh("exit 42").await.unwrap(), 42);
        assert_eq!(sh("kill -KILL $$").await.unwrap(), 137);
        assert_eq!(sh("kill -TERM $$").await.unwrap(), 143);
    }

    #[tokio::test]
    async fn the_program_has_the_variables_and_none_that_is_removed() {
        let script = "test \"$IRSA_EMU_TEST\" = seen && test -n \"$PATH\" && test -z \"$HOME\"";
        assert_eq!(sh(script).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_or_cannot_be_started_has_the_code_of_a_shell() {
        let code = async |program: &str| {
            let error = run(&program.into(), &[], &[], &[]).await.unwrap_err();
            error.exit_code()
        };
        assert_eq!(code("no-such-program").await, 127);
        assert_eq!(code("/no/such/program").await, 127);
        assert_eq!(code("/etc/passwd").await, 126);
    }
}
