//! The images that an install needs, and where each of them comes from.

use std::path::PathBuf;

use clap::Args;
use irsa_emu_core::contract::DEFAULT_EMULATOR_IMAGE;

use super::{ImageError, OwnImage, Program};
use crate::error::{Attempt, CliError};
use crate::manifests::References;

/// Options that say which images are meant.
#[derive(Debug, Clone, Args)]
pub struct ImageArgs {
    /// Image of the emulator
    #[arg(long, value_name = "IMAGE", default_value = DEFAULT_EMULATOR_IMAGE)]
    pub emulator_image: String,
    /// Static program of the webhook, instead of the one beside irsa-emu
    #[arg(long, value_name = "FILE", conflicts_with = "webhook_image")]
    pub webhook_binary: Option<PathBuf>,
    /// Static program of the sidecar, instead of the one beside irsa-emu
    #[arg(long, value_name = "FILE", conflicts_with = "sidecar_image")]
    pub sidecar_binary: Option<PathBuf>,
    /// Image of the webhook that the cluster has or can pull, instead of one made here
    #[arg(long, value_name = "IMAGE")]
    pub webhook_image: Option<String>,
    /// Image of the sidecar that the cluster has or can pull, instead of one made here
    #[arg(long, value_name = "IMAGE")]
    pub sidecar_image: Option<String>,
}

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

impl ImageArgs {
    /// Makes the images of ours that nobody named.
    pub async fn sources(&self) -> Result<Sources, CliError> {
        Ok(Sources {
            webhook: source(
                Program::Webhook,
                self.webhook_image.as_ref(),
                self.webhook_binary.clone(),
            )
            .await?,
            sidecar: Self::sidecar(self.sidecar_image.as_ref(), self.sidecar_binary.clone()).await?,
        })
    }

    /// Makes the sidecar's image, unless it is named.
    pub async fn sidecar(named: Option<&String>, binary: Option<PathBuf>) -> Result<Source, CliError> {
        source(Program::Sidecar, named, binary).await
    }

    /// The names of all images.
    #[must_use]
    pub fn references(&self, sources: &Sources) -> References {
        References {
            webhook: sources.webhook.reference().to_owned(),
            sidecar: sources.sidecar.reference().to_owned(),
            emulator: self.emulator_image.clone(),
        }
    }

    /// Every image, by what it is for.
    pub async fn all(&self) -> Result<[(&'static str, Source); 3], CliError> {
        let Sources { webhook, sidecar } = self.sources().await?;
        let emulator = Source::Named(self.emulator_image.clone());
        Ok([
            (super::WEBHOOK, webhook),
            (super::SIDECAR, sidecar),
            (super::EMULATOR, emulator),
        ])
    }
}

async fn source(
    program: Program,
    named: Option<&String>,
    binary: Option<PathBuf>,
) -> Result<Source, CliError> {
    match named {
        Some(reference) => Ok(Source::Named(reference.clone())),
        None => build(program, binary).await.map(Source::Made),
    }
}

async fn build(program: Program, named: Option<PathBuf>) -> Result<OwnImage, CliError> {
    let attempted = || format!("making the image of {}", program.file_name());
    let path = match named {
        Some(path) => path,
        None => own_program()
            .attempting(attempted)?
            .with_file_name(program.file_name()),
    };
    let built = tokio::task::spawn_blocking(move || super::build(program, &path))
        .await
        .attempting(attempted)?;
    built.map_err(|error| CliError::hinted(attempted(), error))
}

/// Makes the image of the proxy: of this very program, unless another file of it is named.
pub async fn proxy(named: Option<PathBuf>) -> Result<OwnImage, ImageError> {
    let path = match named {
        Some(path) => path,
        None => own_program()?,
    };
    let built = tokio::task::spawn_blocking(move || super::build(Program::Proxy, &path)).await;
    built.map_err(std::io::Error::other)?
}

fn own_program() -> std::io::Result<PathBuf> {
    std::env::current_exe().and_then(|path| path.canonicalize())
}
