//! Images: our own, made here from static programs, and how any image gets onto the nodes without a registry.

mod archive;
mod bundle;
mod elf;
mod load;
pub mod program;
mod save;
pub mod source;
mod stream;

pub use crate::images::source::{References, Source, Sources, proxy};
pub use archive::OwnImage;
pub use bundle::{Bundle, BundleError, Bundled, Index};
pub use elf::ElfProblem;
pub use load::{Fetch, LoadError, Loaded, id_on, load_bundle, load_emulator, load_own};
pub use program::{ImageError, Program};
pub use save::save;

/// What an image is for: admission, STS front and keeper.
pub const WEBHOOK: &str = "webhook";
/// What an image is for: credentials beside an app.
pub const SIDECAR: &str = "sidecar";
/// What an image is for: AWS.
pub const EMULATOR: &str = "emulator";

/// What loading came to, for people.
#[must_use]
pub fn loaded_text(count: usize) -> String {
    if count == 0 {
        "unchanged".to_owned()
    } else {
        format!("{count} loaded")
    }
}
