//! Options that several commands share.

pub mod emulator;
pub mod global;
pub mod images;
pub mod install;
pub mod words;
