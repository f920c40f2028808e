//! What every step needs: the binary under test, the testbed's programs and images, and the cluster.

mod install;
mod irsa_emu;
mod kubectl;
mod machine;
mod program;
mod setup;
mod wait;

pub(crate) use install::PART_LABEL;
pub(crate) use kubectl::CONTEXT;
pub(crate) use machine::{INSTANCE, World, node_name};
pub(crate) use program::{Said, run};
pub(crate) use wait::{eventually, text_at};
