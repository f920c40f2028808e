//! How a command fails: what was attempted, why it failed, the one next command, and the exit code.

mod code;

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

pub use self::code::Code;
use crate::command_line::typed_here;
use crate::signals::Signal;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// All is as asked.
    Ok,
    /// It was tried and failed.
    Failed,
    /// The command line or a file it names is wrong.
    Usage,
    /// The context is not known to be local.
    Unsafe,
    /// Something that must be there before is missing.
    Prerequisite,
    /// It took longer than allowed.
    Timeout,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// Nothing failed, and there would be something to change.
    Pending,
    /// As a program ended that was run for the user.
    Passed(u8),
}

impl ExitStatus {
    /// The number that the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unsafe => 3,
            Self::Prerequisite => 4,
            Self::Timeout => 124,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Pending => 10,
            Self::Passed(code) => code,
        }
    }

    /// The kind of failure that the number stands for.
    #[must_use]
    pub fn category(self) -> &'static str {
        match self {
            Self::Ok | Self::Pending | Self::Passed(0) => "ok",
            Self::Failed | Self::Passed(_) => "failed",
            Self::Usage => "usage",
            Self::Unsafe => "unsafe",
            Self::Prerequisite => "prerequisite",
            Self::Timeout => "timeout",
            Self::Interrupted | Self::Terminated => "interrupted",
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// What an error knows beside its words.
pub trait Hint {
    /// The one next command.
    fn hint(&self) -> Option<String>;

    /// How the program should end for it.
    fn exit(&self) -> ExitStatus {
        ExitStatus::Failed
    }

    /// What scripts know it by.
    fn code(&self) -> Code {
        Code::of(self.exit())
    }
}

/// A failed command.
#[derive(Debug)]
pub struct CliError {
    exit: ExitStatus,
    code: Code,
    attempted: String,
    why: anyhow::Error,
    next: Option<String>,
    details: Map<String, Value>,
}

impl CliError {
    /// Something was attempted (`creating the cluster x`), and failed for this reason.
    pub fn new(exit: ExitStatus, attempted: impl Into<String>, why: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            code: Code::of(exit),
            attempted: attempted.into(),
            why: why.into(),
            next: None,
            details: Map::new(),
        }
    }

    /// An ordinary failure.
    pub fn failed(attempted: impl Into<String>, why: impl Into<anyhow::Error>) -> Self {
        Self::new(ExitStatus::Failed, attempted, why)
    }

    /// A failure whose reason is words.
    pub fn because(exit: ExitStatus, attempted: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(exit, attempted, anyhow::Error::msg(why.into()))
    }

    /// A failure that knows its hint and its exit code.
    pub fn hinted<E>(attempted: impl Into<String>, why: E) -> Self
    where
        E: Hint + std::error::Error + Send + Sync + 'static,
    {
        let (exit, code, next) = (why.exit(), why.code(), why.hint());
        let mut error = Self::new(exit, attempted, why).code(code);
        error.next = next;
        error
    }

    /// A signal came while something was under way.
    #[must_use]
    pub fn interrupted(attempted: &str, signal: Signal) -> Self {
        Self::because(signal.exit(), attempted, format!("interrupted by {signal}"))
    }

    /// Says what scripts know it by.
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// Adds something that scripts would have to read out of the message.
    #[must_use]
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Adds the next command.
    #[must_use]
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.next = Some(typed_here(command.into()));
        self
    }

    /// Adds the next command where the error itself knows none.
    #[must_use]
    pub fn or_next(mut self, command: impl FnOnce() -> String) -> Self {
        self.next = self.next.or_else(|| Some(command()));
        self
    }

    /// How the program ends for it.
    #[must_use]
    pub fn exit(&self) -> ExitStatus {
        self.exit
    }

    /// The next command, if one is known.
    #[must_use]
    pub fn next_command(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// What scripts know it by.
    #[must_use]
    pub fn known_as(&self) -> Code {
        self.code
    }

    /// The error as programs read it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut details = self.details.clone();
        details.insert("attempted".to_owned(), self.attempted.clone().into());
        let causes: Vec<String> = self.why.chain().skip(1).map(ToString::to_string).collect();
        if !causes.is_empty() {
            details.insert("causes".to_owned(), causes.into());
        }
        json!({
            "code": self.code,
            "category": self.exit.category(),
            "message": format!("{}: {}", self.attempted, self.why),
            "retryable": self.code.is_retryable(),
            "details": details,
            "actions": self.next.iter().collect::<Vec<_>>(),
        })
    }

    /// The message, as lines without colour.
    #[must_use]
    pub fn render(&self) -> String {
        let mut last = self.why.to_string();
        let mut text = format!("{}: {last}", self.attempted);
        for cause in self.why.chain().skip(1) {
            let cause = cause.to_string();
            // Many libraries repeat the source in their own words.
            if !last.contains(&cause) {
                let _ = write!(text, "\n  cause: {}", cause.replace('\n', "\n    "));
            }
            last = cause;
        }
        if let Some(next) = &self.next {
            let _ = write!(text, "\n  next: {next}");
        }
        text
    }
}

/// An error with its causes, in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}

/// Says what was attempted where something can fail.
pub trait Attempt<T> {
    /// Turns an error into a failed command.
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T, CliError>;
}

impl<T, E: Into<anyhow::Error>> Attempt<T> for Result<T, E> {
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T, CliError> {
        self.map_err(|error| CliError::failed(what(), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("Docker does not answer")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("connection refused")]
    struct Inner;

    #[test]
    fn an_error_says_what_why_and_what_next() {
        let error = CliError::failed("finding Docker", Outer(Inner)).next("sudo systemctl start docker");
        let expected = "finding Docker: Docker does not answer\n  cause: connection refused\n  next: sudo systemctl start docker";
        assert_eq!(error.render(), expected);
    }

    #[test]
    fn an_error_for_programs_has_a_code_a_category_and_its_causes() {
        let error = CliError::failed("finding Docker", Outer(Inner))
            .code(Code::DockerFailed)
            .next("docker info")
            .detail("socket", "/x");
        let expected = json!({
            "code": "docker-failed", "category": "failed", "retryable": true,
            "message": "finding Docker: Docker does not answer",
            "details": {"attempted": "finding Docker", "causes": ["connection refused"], "socket": "/x"},
            "actions": ["docker info"],
        });
        assert_eq!(error.to_json(), expected);
        let signal = CliError::interrupted("waiting", Signal::Terminate).to_json();
        assert_eq!(
            (&signal["code"], &signal["category"]),
            (&json!("interrupted"), &json!("interrupted"))
        );
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let why = anyhow::Error::from(Inner).context("no answer: connection refused");
        assert_eq!(
            CliError::failed("asking", why).render(),
            "asking: no answer: connection refused"
        );
    }

    #[test]
    fn exit_codes_are_the_contract() {
        use ExitStatus as E;
        let all = [
            E::Ok,
            E::Failed,
            E::Usage,
            E::Unsafe,
            E::Prerequisite,
            E::Timeout,
            E::Interrupted,
            E::Terminated,
            E::Pending,
            E::Passed(42),
        ];
        assert_eq!(all.map(E::code), [0, 1, 2, 3, 4, 124, 130, 143, 10, 42]);
    }
}
