//! What irsa-emu is in a cluster: its objects, how their settings are read back, whether they work, and its recipes.

pub mod objects;
pub mod recipe;
pub mod recorded;
pub mod removal;
pub mod rollout;
pub mod session;
pub mod settings;
pub mod sts;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
