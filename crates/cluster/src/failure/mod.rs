//! How anything fails: the exit status, the code that scripts know it by, and the next command.

pub mod code;
pub mod exit;

use std::fmt::Write as _;

pub use self::code::Code;
pub use self::exit::ExitStatus;

/// What an error knows beside its words.
pub trait Hint {
    /// The command to run next.
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

/// What was attempted, why it failed, and each cause in a line of its own.
#[must_use]
pub fn rendered(attempted: &str, why: &dyn std::error::Error) -> String {
    let mut last = why.to_string();
    let mut text = format!("{attempted}: {last}");
    let mut cause = why.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Many libraries repeat the source in their own words.
        if !last.contains(&said) {
            let _ = write!(text, "\n  cause: {}", said.replace('\n', "\n    "));
        }
        last = said;
        cause = error.source();
    }
    text
}
