//! Clusters: which one is meant, whether it is safe to touch, and how one is made.

pub mod kind;
pub mod kubeconfig;
pub mod port;
pub mod ready;
pub mod target;
