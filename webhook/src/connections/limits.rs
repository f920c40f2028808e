//! How much a port bears.

use std::time::Duration;

/// What a port bears.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections that are open at once.
    pub(crate) connections: usize,
    /// A connection that has not sent the head of a request ends after this, and one whose TLS handshake is not done.
    pub(crate) first_request: Duration,
    /// A connection that is kept ends this long after its last response.
    pub(crate) idle: Duration,
    /// Bytes of a request's head.
    pub(crate) head: usize,
}
