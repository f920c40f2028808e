//! `irsa-emu render`: prints what `up` applies, for those who apply it by themselves.

use clap::Args;
use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_core::contract::{AWS_CREDENTIALS_SECRET, NAMESPACE};
use irsa_emu_core::emulator;
use irsa_emu_core::install::InstallSettings;
use irsa_emu_install::objects::auth_token::AUTH_TOKEN_SECRET;
use irsa_emu_install::objects::emulator_options::AUTH_TOKEN;
use irsa_emu_install::objects::install::{Emulator, Install};
use irsa_emu_install::objects::runs_native_sidecars;
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::console::output::OutputArgs;
use crate::documents;
use crate::error::{Attempt, CliError};
use crate::options::emulator::EmulatorArgs;
use crate::options::images::ImageArgs;
use crate::options::install::InstallArgs;
use crate::options::words;

/// Options of `irsa-emu render`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  irsa-emu render > irsa-emu.yaml
  irsa-emu render --roles strict | kubectl --context kind-irsa-emu apply --server-side -f -")]
pub struct RenderArgs {
    #[command(flatten)]
    install: InstallArgs,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    emulator: EmulatorArgs,
    /// Kubernetes version of the cluster, such as 1.31 [default: the newest]
    #[arg(long, value_name = "VERSION", value_parser = words::kubernetes_minor)]
    kube_version: Option<u32>,
    #[command(flatten)]
    output: OutputArgs,
}

/// The output for programs.
#[derive(Debug, Serialize)]
struct Rendered {
    objects: Vec<Value>,
}

/// Prints the objects. No cluster is asked.
pub async fn run(args: RenderArgs, app: &App) -> Result<ExitStatus, CliError> {
    let RenderArgs {
        install,
        images,
        emulator,
        kube_version,
        output: _,
    } = args;
    let attempted = "rendering the objects";
    if let Some(why) = install.contradiction() {
        return Err(CliError::because(ExitStatus::Usage, attempted, why).next("irsa-emu render --help"));
    }
    let emulator = emulator.options();
    if let Some(why) = emulator.refused() {
        return Err(CliError::because(ExitStatus::Usage, attempted, why).next("irsa-emu render --help"));
    }
    let sources = images.sources().await?;
    let install = install.install(
        &app.session.instance,
        images.references(&sources),
        &emulator,
        kube_version.is_none_or(runs_native_sidecars),
    );
    let manifests = install.manifests().attempting(|| attempted.to_owned())?;
    let objects: Vec<Value> = manifests.into_iter().map(|manifest| manifest.object).collect();
    let mut texts = Vec::with_capacity(objects.len());
    for object in &objects {
        texts.push(documents::to_yaml(object).attempting(|| attempted.to_owned())?);
    }
    app.answer(&Rendered { objects }, |printer| {
        printer.data(documents::join(&texts).trim_end());
    })?;
    app.printer.talk(&needed(&install, app));
    Ok(ExitStatus::Ok)
}

/// What the cluster needs beside the objects.
fn needed(install: &Install, app: &App) -> String {
    let Install {
        webhook_image,
        settings: InstallSettings { sidecar_image, .. },
        ..
    } = install;
    let emulator = install.emulator();
    let images = match emulator {
        Some(Emulator { image, .. }) => format!("{webhook_image}, {sidecar_image} and {image}"),
        None => format!("{webhook_image} and {sidecar_image}"),
    };
    let load = app.session.command("images load");
    let text = format!("the cluster must have, or be able to pull: {images}\n  next: {load}");
    match emulator {
        Some(Emulator { image, .. }) if emulator::DEFAULT.licence.is_needed_by(image) => {
            format!(
                "{text}\nand the Secret {NAMESPACE}/{AUTH_TOKEN_SECRET} with {AUTH_TOKEN}, the licence of the image"
            )
        }
        Some(_) => text,
        None => {
            format!("{text}\nand the Secret {NAMESPACE}/{AWS_CREDENTIALS_SECRET} with the base credentials")
        }
    }
}
