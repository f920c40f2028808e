//! How a command fails: what was attempted, why it failed, the command to run next, and the exit code.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use irsa_emu_cluster::failure::{Code, ExitStatus, Hint, rendered};
use irsa_emu_cluster::kubernetes::connect::Unsafe;
use irsa_emu_install::recipe::request::RequestError;
use irsa_emu_install::session::SessionError;

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

    /// Sets the code for scripts.
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
        self.next = Some(command.into());
        self
    }

    /// Adds the next command where the error itself knows none.
    #[must_use]
    pub fn or_next(mut self, command: impl FnOnce() -> String) -> Self {
        self.next = self.next.or_else(|| Some(command()));
        self
    }

    /// The same, its next command written by this function.
    #[must_use]
    pub fn with_next(mut self, written: impl FnOnce(String) -> String) -> Self {
        self.next = self.next.map(written);
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
        let mut text = rendered(&self.attempted, self.why.as_ref());
        if let Some(next) = &self.next {
            let _ = write!(text, "\n  next: {next}");
        }
        text
    }
}

impl From<SessionError> for CliError {
    fn from(error: SessionError) -> Self {
        Self::hinted(error.attempted(), error)
    }
}
impl From<Unsafe> for CliError {
    fn from(error: Unsafe) -> Self {
        SessionError::from(error).into()
    }
}
impl From<RequestError> for CliError {
    fn from(error: RequestError) -> Self {
        let (attempted, missing) = (error.attempted().to_owned(), error.missing().to_vec());
        let error = Self::hinted(attempted, error);
        if missing.is_empty() {
            error
        } else {
            error.detail("parameters", missing)
        }
    }
}
/// Names what was attempted, if something fails.
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
    #[error("Docker does not respond")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("connection refused")]
    struct Inner;

    #[test]
    fn an_error_says_what_why_and_what_next() {
        let error = CliError::failed("finding Docker", Outer(Inner)).next("sudo systemctl start docker");
        let expected = "finding Docker: Docker does not respond\n  cause: connection refused\n  next: sudo systemctl start docker";
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
            "message": "finding Docker: Docker does not respond",
            "details": {"attempted": "finding Docker", "causes": ["connection refused"], "socket": "/x"},
            "actions": ["docker info"],
        });
        assert_eq!(error.to_json(), expected);
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let why = anyhow::Error::from(Inner).context("no answer: connection refused");
        assert_eq!(
            CliError::failed("asking", why).render(),
            "asking: no answer: connection refused"
        );
    }
}
