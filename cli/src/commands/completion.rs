//! `irsa-emu completion` and `irsa-emu man`: what shells and readers need to know of the command line.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;
use irsa_emu_cluster::failure::ExitStatus;

use crate::app::App;
use crate::error::{Attempt, CliError};

/// Options of `irsa-emu completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell
    shell: Shell,
}

/// Prints the completion of a shell.
#[must_use]
pub fn run(args: &CompletionArgs, app: &App) -> ExitStatus {
    let CompletionArgs { shell } = args;
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut app.parser.clone(), "irsa-emu", &mut script);
    app.printer.data(String::from_utf8_lossy(&script).trim_end());
    ExitStatus::Ok
}

/// Options of `irsa-emu man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for each command into this folder, instead of one to stdout
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Writes the manual pages.
pub fn man(args: ManArgs, app: &App) -> Result<ExitStatus, CliError> {
    let ManArgs { folder } = args;
    // The pages that are made in between would be the same as `--help`.
    let command = app.parser.clone().disable_help_subcommand(true);
    if let Some(folder) = folder {
        let attempted = || format!("writing manual pages into {}", folder.display());
        std::fs::create_dir_all(&folder).attempting(attempted)?;
        clap_mangen::generate_to(command, &folder).attempting(attempted)?;
    } else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(command).render(&mut page);
        rendered.attempting(|| "writing the manual page".to_owned())?;
        app.printer.data(String::from_utf8_lossy(&page).trim_end());
    }
    Ok(ExitStatus::Ok)
}
