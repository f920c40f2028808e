//! Why a Pod has its AWS identity or has none, what the webhook would give it, and what is wrong with an install.

pub mod checks;
pub mod emulator;
pub mod explain;
pub mod inject;
pub mod injected;
pub mod remedy;
