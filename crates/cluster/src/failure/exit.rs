//! How the program ends.

use std::process::ExitCode;

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

#[cfg(test)]
mod tests {
    use super::*;

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
