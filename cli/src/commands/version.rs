//! `irsa-emu version`.

use clap::{Args, ValueEnum};

use crate::app::App;
use crate::error::ExitStatus;

/// Options of `irsa-emu version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// How it is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Prints the version.
#[must_use]
pub fn run(args: &VersionArgs, app: &App) -> ExitStatus {
    let version = env!("CARGO_PKG_VERSION");
    match args.output {
        Format::Text => app.printer.data(version),
        Format::Json => app
            .printer
            .data(&serde_json::json!({ "version": version }).to_string()),
    }
    ExitStatus::Ok
}
