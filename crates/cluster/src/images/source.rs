//! The images that an install needs, and where each of them comes from.

use std::path::{Path, PathBuf};

use super::archive::{self, OwnImage};
use super::elf;
use super::program::{ImageError, Program};

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// It was named: the local Docker has it, or a registry.
    Named(String),
    /// It was made here.
    Made(OwnImage),
}

impl Source {
    /// Its name and tag.
    #[must_use]
    pub fn reference(&self) -> &str {
        match self {
            Self::Named(reference) => reference,
            Self::Made(image) => &image.reference,
        }
    }
}

/// The images of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The webhook's.
    pub webhook: Source,
    /// The sidecar's.
    pub sidecar: Source,
}

/// The images that an install is made of, by name and tag.
#[derive(Debug, Clone, Default)]
pub struct References {
    /// The webhook's.
    pub webhook: String,
    /// The sidecar's.
    pub sidecar: String,
    /// The emulator's, which backend `aws` has no use for.
    pub emulator: String,
}

/// An image of ours: the one that is named, else one that is made of the program beside this one, or of another file of
/// it.
pub async fn source(
    program: Program,
    named: Option<&String>,
    binary: Option<PathBuf>,
) -> Result<Source, ImageError> {
    if let Some(reference) = named {
        return Ok(Source::Named(reference.clone()));
    }
    let path = match binary {
        Some(path) => path,
        None => own_program()?.with_file_name(program.file_name()),
    };
    built(program, path).await.map(Source::Made)
}

/// Makes the image of the proxy: of this very program, unless another file of it is named.
pub async fn proxy(named: Option<PathBuf>) -> Result<OwnImage, ImageError> {
    let path = match named {
        Some(path) => path,
        None => own_program()?,
    };
    built(Program::Proxy, path).await
}

async fn built(program: Program, path: PathBuf) -> Result<OwnImage, ImageError> {
    let built = tokio::task::spawn_blocking(move || build(program, &path)).await;
    built.map_err(std::io::Error::other)?
}

fn own_program() -> std::io::Result<PathBuf> {
    std::env::current_exe().and_then(|path| path.canonicalize())
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
