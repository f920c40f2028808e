//! What a piece of text means, so that a terminal can show it in colour.

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Something is as it should be.
    Good,
    /// Something deserves a look.
    Warn,
    /// Something is wrong.
    Bad,
    /// Stands out.
    Strong,
    /// Stands back.
    Dim,
}
