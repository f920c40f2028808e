//! What `irsa-emu recipe` knows about recipe files and apps' own values.

pub mod catalog;
mod hcl;
pub mod installed;
pub mod request;
pub mod values;
pub mod wiring;
