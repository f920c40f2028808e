//! What `irsa-emu recipe` knows about recipe files and apps' own values.

pub mod catalog;
pub mod installed;
pub mod placed;
pub mod request;
pub mod vault;
pub mod wiring;
