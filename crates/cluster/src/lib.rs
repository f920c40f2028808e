//! This machine and its clusters: Docker, images, the programs that make clusters, and the API server of one.
//!
//! Knows neither what irsa-emu installs nor how anything is shown: it reports through [`progress::Progress`], and an error
//! of it has a [`failure::Hint`].

pub mod docker;
pub mod exec;
pub mod failure;
pub mod images;
pub mod kubernetes;
pub mod local;
pub mod progress;
