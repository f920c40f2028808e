//! The real program beside stand-ins for the Kubernetes API and the emulator.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hostile;
mod targets;
mod world;
