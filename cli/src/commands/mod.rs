//! One verb, one file.

pub mod completion;
pub mod config;
pub mod credentials;
pub mod doctor;
pub mod down;
pub mod env;
pub mod exec;
pub mod explain;
mod identity;
pub mod images;
pub mod inject;
pub mod logs;
pub mod port_forward;
pub mod proxy;
pub mod recipe;
pub mod render;
pub mod restart_injected;
pub mod status;
pub mod support_bundle;
pub mod trust_policy;
pub mod up;
pub mod version;
