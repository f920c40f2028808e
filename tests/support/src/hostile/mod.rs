//! Clients that mean harm. What they send follows from a seed alone, so that what breaks once breaks again.

mod attack;
mod front;
mod shot;
mod sidecar;
mod tokens;

pub use attack::{Held, Report, Target};
pub use front::{Role, on_the_front};
pub use sidecar::on_the_sidecar;
