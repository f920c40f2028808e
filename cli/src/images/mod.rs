//! Images: our own, made here from static programs, and how any image gets onto the nodes without a registry.

mod archive;
mod bundle;
mod elf;
mod load;
mod save;
mod sources;
mod stream;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

pub use archive::OwnImage;
pub use bundle::{Bundle, BundleError, Bundled, Index};
pub use elf::ElfProblem;
pub use load::{Fetch, LoadError, Loaded, id_on, load_bundle, load_emulator, load_own};
pub use save::save;
pub use sources::{ImageArgs, Source, Sources, proxy};

use crate::error::{Code, Hint};

/// What an image is for: admission, STS front and keeper.
pub const WEBHOOK: &str = "webhook";
/// What an image is for: credentials beside an app.
pub const SIDECAR: &str = "sidecar";
/// What an image is for: AWS.
pub const EMULATOR: &str = "emulator";

/// A program of ours that runs in an image of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Admission, STS front and keeper.
    Webhook,
    /// The credentials sidecar.
    Sidecar,
    /// This program, which beside a cluster carries connections.
    Proxy,
}

impl Program {
    /// File name of the program, on this machine and in its image.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Webhook => "irsa-emu-webhook",
            Self::Sidecar => "irsa-emu-sidecar",
            Self::Proxy => "irsa-emu",
        }
    }

    /// Name of its image, without a tag. No registry serves this domain: what is not there cannot be pulled.
    #[must_use]
    pub fn image_name(self) -> &'static str {
        match self {
            Self::Webhook => "irsa-emu.dev/webhook",
            Self::Sidecar => "irsa-emu.dev/irsa-emu-creds-injector",
            Self::Proxy => "irsa-emu.dev/proxy",
        }
    }

    fn flag(self) -> &'static str {
        match self {
            Self::Webhook => "--webhook-binary",
            Self::Sidecar => "--sidecar-binary",
            Self::Proxy => "--proxy-binary",
        }
    }
}

/// Why an image cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The program is not where it is looked for.
    #[error("the program {} cannot be read", .path.display())]
    Missing {
        /// The program.
        program: Program,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The program cannot run in an image that has nothing else.
    #[error("the program {} cannot run in an image of its own: {problem}", .path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: ElfProblem,
    },
    /// The archive could not be written.
    #[error("the image archive could not be written")]
    Archive(#[from] std::io::Error),
}

impl Hint for ImageError {
    fn hint(&self) -> Option<String> {
        const BUILD: &str = "RUSTFLAGS='-C target-feature=+crt-static' cargo build --release --target \"$(uname -m)-unknown-linux-gnu\"";
        match self {
            Self::Missing { program, .. } => Some(format!(
                "{BUILD}, and start irsa-emu from there; or add {} FILE",
                program.flag()
            )),
            Self::Unfit { .. } => Some(BUILD.to_owned()),
            Self::Archive(_) => None,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Missing { .. } | Self::Unfit { .. } => Code::ImageUnusable,
            Self::Archive(_) => Code::Failed,
        }
    }
}

/// Makes the image of a program.
pub fn build(program: Program, path: &Path) -> Result<OwnImage, ImageError> {
    let binary = std::fs::read(path).map_err(|source| ImageError::Missing {
        program,
        path: path.to_owned(),
        source,
    })?;
    let architecture = elf::static_architecture(&binary).map_err(|problem| ImageError::Unfit {
        path: path.to_owned(),
        problem,
    })?;
    Ok(archive::build(program, &binary, architecture)?)
}

/// What loading came to, for people.
#[must_use]
pub fn loaded_text(count: usize) -> String {
    if count == 0 {
        "unchanged".to_owned()
    } else {
        format!("{count} loaded")
    }
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
