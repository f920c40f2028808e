//! The real program, as the kubelet starts it: credentials that expire, and clients that mean harm.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod hostile;
mod refresh;
mod world;
