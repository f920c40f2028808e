//! The versions of what the doctor asked.

/// What the results are about, for a ticket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// Of the cluster, if it responded.
    pub kubernetes: Option<String>,
    /// Of Docker, where it was asked.
    pub docker: Option<String>,
}
