//! The programs of ours that run in images of their own.

use std::path::PathBuf;

use super::elf::ElfProblem;
use crate::failure::{Code, Hint};

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
