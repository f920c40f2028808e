//! The options that choose images.

use std::path::PathBuf;

use clap::Args;
use irsa_emu_cluster::images::source::{References, Source, Sources, source};
use irsa_emu_cluster::images::{EMULATOR, Program, SIDECAR, WEBHOOK};
use irsa_emu_core::emulator;

use crate::error::CliError;

/// Options that choose images.
#[derive(Debug, Clone, Args)]
pub struct ImageArgs {
    /// Image of the emulator
    #[arg(long, value_name = "IMAGE", default_value = emulator::DEFAULT.image)]
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

impl ImageArgs {
    /// Makes the images of ours that nobody named.
    pub async fn sources(&self) -> Result<Sources, CliError> {
        Ok(Sources {
            webhook: made(
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
        made(Program::Sidecar, named, binary).await
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
        Ok([(WEBHOOK, webhook), (SIDECAR, sidecar), (EMULATOR, emulator)])
    }
}

async fn made(program: Program, named: Option<&String>, binary: Option<PathBuf>) -> Result<Source, CliError> {
    let made = source(program, named, binary).await;
    made.map_err(|error| CliError::hinted(format!("making the image of {}", program.file_name()), error))
}
