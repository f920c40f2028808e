//! The options of `irsa-emu up`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::console::output::OutputArgs;
use crate::options::emulator::EmulatorArgs;
use crate::options::images::ImageArgs;
use crate::options::install::InstallArgs;
use crate::options::words::{self, BaseCredentialsFrom, ClusterFrom};

/// Options of `irsa-emu up`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct UpArgs {
    /// Where the cluster comes from
    #[arg(long, value_name = "FROM", default_value = "auto")]
    pub(super) cluster: ClusterFrom,
    /// Delete and recreate the cluster if it differs from what you ask for (only clusters made by `up`)
    #[arg(long)]
    pub(super) recreate: bool,
    /// Only print what would be created or changed
    #[arg(long)]
    pub(super) dry_run: bool,
    /// With --dry-run, exit with 10 if something would be created or changed
    #[arg(long, requires = "dry_run")]
    pub(super) detailed_exitcode: bool,
    /// Keep what a failed or interrupted run created, so that you can look at it
    #[arg(long)]
    pub(super) keep_on_failure: bool,
    /// Image of the nodes of a new cluster
    #[arg(long, value_name = "IMAGE")]
    pub(super) node_image: Option<String>,
    /// A kind or k3d configuration of your own for a new cluster; name, label and the emulator's port are added to it
    #[arg(long, value_name = "FILE")]
    pub(super) cluster_config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) install: InstallArgs,
    /// Where backend `aws` gets its base credentials from
    #[arg(long, value_name = "FROM", default_value = "secret")]
    pub(super) base_credentials: BaseCredentialsFrom,
    /// Take all images from this file of `images save`, and none from Docker or a registry
    #[arg(long = "images", value_name = "FILE")]
    #[arg(conflicts_with_all = ["webhook_binary", "sidecar_binary", "webhook_image", "sidecar_image"])]
    pub(super) bundle: Option<PathBuf>,
    #[command(flatten)]
    pub(super) images: ImageArgs,
    #[command(flatten)]
    pub(super) emulator: EmulatorArgs,
    /// File with the token of LocalStack, instead of the variable `LOCALSTACK_AUTH_TOKEN`; kept in a Secret
    #[arg(long, value_name = "FILE")]
    pub(super) emulator_auth_token_file: Option<PathBuf>,
    /// Port of 127.0.0.1 for the emulator; 0 takes any that is free [default: 4566]
    #[arg(long, value_name = "PORT")]
    pub(super) host_port: Option<u16>,
    /// Linux build of irsa-emu for the port-forwarding container (needed if this one cannot run in a container)
    #[arg(long, value_name = "FILE")]
    pub(super) proxy_binary: Option<PathBuf>,
    /// How long it may take, such as 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = words::duration)]
    pub(super) timeout: Duration,
    /// Make the cluster's context the current one
    #[arg(long)]
    pub(super) switch_context: bool,
    /// Apply a recipe when all is ready; may be given several times, and replaces `recipes` of the file
    #[arg(long = "recipe", value_name = "NAME|FILE")]
    pub(super) recipes: Vec<String>,
    /// The app's own Helm values, to read parameters of the recipe from; may be given several times, as with helm
    #[arg(long, value_name = "FILE", value_delimiter = ',', requires = "recipes")]
    pub(super) values: Vec<PathBuf>,
    /// Set a parameter of the recipe; precedes --values
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = words::assignment, requires = "recipes")]
    pub(super) set: Vec<(String, String)>,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}
