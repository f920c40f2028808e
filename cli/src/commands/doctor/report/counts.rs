//! How many checks ended how.

use irsa_emu_doctor::checks::engine::{CheckResult, Mark};

/// The page that explains every check.
pub const PAGE: &str = "docs/checks.md";

/// How many checks ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// As it should be.
    pub ok: usize,
    /// Worth a look.
    pub warning: usize,
    /// Wrong.
    pub error: usize,
    /// Not asked.
    pub skipped: usize,
}

/// The number of each result.
#[must_use]
pub fn count(outcomes: &[CheckResult]) -> Counts {
    let of = |mark: Mark| outcomes.iter().filter(|outcome| outcome.mark == mark).count();
    Counts {
        ok: of(Mark::Ok),
        warning: of(Mark::Warning),
        error: of(Mark::Error),
        skipped: of(Mark::Skipped),
    }
}
