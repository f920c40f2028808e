//! The options of `irsa-emu up`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::args;
use crate::cluster::Family;
use crate::cluster::choice::Asked;
use crate::images::ImageArgs;
use crate::manifests::{EmulatorArgs, InstallArgs};
use crate::output::OutputArgs;

/// Options of `irsa-emu up`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct UpArgs {
    /// Where the cluster comes from
    #[arg(long, value_name = "FROM", default_value = "auto")]
    pub(super) cluster: ClusterFrom,
    /// Make the cluster anew where it is not what is asked; only one that `up` made
    #[arg(long)]
    pub(super) recreate: bool,
    /// Only say what would be made or changed
    #[arg(long)]
    pub(super) dry_run: bool,
    /// With --dry-run, exit with 10 if something would be made or changed
    #[arg(long, requires = "dry_run")]
    pub(super) detailed_exitcode: bool,
    /// Leave what a failed or interrupted run made, to look at it
    #[arg(long)]
    pub(super) keep_on_failure: bool,
    /// Image of the nodes of a new cluster
    #[arg(long, value_name = "IMAGE")]
    pub(super) node_image: Option<String>,
    /// A kind or k3d configuration of your own for a new cluster; name, label and the emulator's port are laid over it
    #[arg(long, value_name = "FILE")]
    pub(super) cluster_config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) install: InstallArgs,
    /// Where backend `aws` has its base credentials from
    #[arg(long, value_name = "FROM", default_value = "secret")]
    pub(super) base_credentials: BaseCredentialsFrom,
    /// Take all images from this file, which `images save` wrote, and none from Docker or a registry
    #[arg(long = "images", value_name = "FILE")]
    #[arg(conflicts_with_all = ["webhook_binary", "sidecar_binary", "webhook_image", "sidecar_image"])]
    pub(super) bundle: Option<PathBuf>,
    #[command(flatten)]
    pub(super) images: ImageArgs,
    #[command(flatten)]
    pub(super) emulator: EmulatorArgs,
    /// File with the token of LocalStack, in place of the variable `LOCALSTACK_AUTH_TOKEN`; a Secret keeps it
    #[arg(long, value_name = "FILE")]
    pub(super) emulator_auth_token_file: Option<PathBuf>,
    /// Port of 127.0.0.1 that leads to the emulator; 0 takes any that is free [default: 4566]
    #[arg(long, value_name = "PORT")]
    pub(super) host_port: Option<u16>,
    /// Static program of irsa-emu itself, for the container that leads a port to a cluster which publishes none
    #[arg(long, value_name = "FILE")]
    pub(super) proxy_binary: Option<PathBuf>,
    /// How long it may take, such as 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = args::duration)]
    pub(super) timeout: Duration,
    /// Make the cluster's context the current one
    #[arg(long)]
    pub(super) switch_context: bool,
    /// Apply a recipe when all is ready; may be given several times, and takes the place of `recipes` in the file
    #[arg(long = "recipe", value_name = "NAME|FILE")]
    pub(super) recipes: Vec<String>,
    /// The app's own Helm values, to read parameters of the recipe from; may be given several times, as to helm
    #[arg(long, value_name = "FILE", value_delimiter = ',', requires = "recipes")]
    pub(super) values: Vec<PathBuf>,
    /// Set a parameter of the recipe; beats --values
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = args::assignment, requires = "recipes")]
    pub(super) set: Vec<(String, String)>,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClusterFrom {
    /// The install's own cluster; else the current context, if the install is there; else a new one
    Auto,
    /// An own cluster that kind makes
    Kind,
    /// An own cluster that k3d makes
    K3d,
    /// The cluster of --context, or of the current context
    Existing,
}

impl ClusterFrom {
    pub(super) fn asked(self) -> Asked {
        match self {
            Self::Auto => Asked::Auto,
            Self::Kind => Asked::Own(Family::Kind),
            Self::K3d => Asked::Own(Family::K3d),
            Self::Existing => Asked::Existing,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BaseCredentialsFrom {
    /// The Secret `irsa-emu-aws-credentials` that is in the Namespace `irsa-emu`
    Secret,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, written into that Secret
    Env,
}
