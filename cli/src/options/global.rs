//! Options of every command.

use std::path::PathBuf;

use clap::Args;
use irsa_emu_core::contract::DEFAULT_INSTANCE;

use super::words::{ColorMode, ProgressMode, instance_name};

/// Options of every command.
#[derive(Debug, Args)]
pub struct GlobalArgs {
    /// Use this context of the kubeconfig instead of the cluster that `up` creates
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub context: Option<String>,
    /// Read this kubeconfig instead of $KUBECONFIG or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub kubeconfig: Option<PathBuf>,
    /// Accept this context even if it is not known to be local
    #[arg(long, global = true, value_name = "NAME", value_delimiter = ',')]
    #[arg(help_heading = "Global options")]
    pub allow_context: Vec<String>,
    /// Name of the install, and of the cluster that `up` creates for it
    #[arg(long, global = true, value_name = "NAME", default_value = DEFAULT_INSTANCE)]
    #[arg(value_parser = instance_name, help_heading = "Global options")]
    pub name: String,
    /// Read this file instead of the `irsa-emu.yaml` of the project
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        conflicts_with = "no_config",
        help_heading = "Global options"
    )]
    pub config: Option<PathBuf>,
    /// Read neither the `irsa-emu.yaml` of the project nor the user's configuration
    #[arg(long, global = true, help_heading = "Global options")]
    pub no_config: bool,
    /// How progress is shown
    #[arg(long, global = true, value_name = "HOW", default_value = "auto")]
    #[arg(help_heading = "Global options")]
    pub progress: ProgressMode,
    /// When to use colour
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Global options"
    )]
    pub color: ColorMode,
    /// Log what is done, in more detail the more often it is given
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
}
