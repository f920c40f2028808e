//! An API server: how it is found and connected to, and objects in it.

pub mod apply;
pub mod connect;
pub mod deployment;
pub mod forward;
pub mod kinds;
pub mod kubeconfig;
pub mod looked_at;
pub mod objects;
pub mod pods;
pub mod ready;
pub mod replace;
pub mod rollout;
pub mod workload;

use std::time::Duration;

/// How often a state is asked for again.
pub const POLL: Duration = Duration::from_millis(500);
