//! The terminal: what is printed, how it looks, and what is asked.

mod color;
pub mod github;
mod layout;
pub mod output;
pub mod printer;
pub mod progress;
pub mod prompt;
mod show;
