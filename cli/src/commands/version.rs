//! `irsa-emu version`.

use clap::Args;
use serde_json::json;

use crate::app::App;
use crate::error::{CliError, ExitStatus};
use crate::output::OutputArgs;

/// Options of `irsa-emu version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    #[command(flatten)]
    output: OutputArgs,
}

/// Prints the version.
pub fn run(args: &VersionArgs, app: &App) -> Result<ExitStatus, CliError> {
    let VersionArgs { output: _ } = args;
    let version = env!("CARGO_PKG_VERSION");
    app.answer(&json!({ "version": version }), |printer| printer.data(version))?;
    Ok(ExitStatus::Ok)
}
