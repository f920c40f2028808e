//! The developer's command: makes a local cluster ready for manifests written for EKS, and takes it away again.
//!
//! Nothing below [`commands`] prints or prompts: it reports through [`progress::Progress`].

pub mod app;
pub mod args;
pub mod checks;
pub mod cluster;
pub mod commands;
pub mod docker;
pub mod env_vars;
pub mod error;
pub mod exec;
pub mod images;
pub mod manifests;
pub mod printer;
pub mod progress;
pub mod recipe;
pub mod signals;

use clap::Parser;

use crate::app::App;
use crate::args::{Cli, Verb};
use crate::error::{CliError, ExitStatus};
use crate::printer::Printer;

/// Parses the arguments, runs the command, renders its error, and says how to exit.
#[must_use]
pub fn main() -> ExitStatus {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Clap prints help and version to stdout, and mistakes to stderr.
            let _ = error.print();
            return if error.use_stderr() {
                ExitStatus::Usage
            } else {
                ExitStatus::Ok
            };
        }
    };
    let printer = Printer::new(cli.global.color, cli.global.progress);
    let result = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let result = runtime.block_on(run(cli, &printer));
            // A read of stdin that was left behind must not hold the exit back.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(CliError::failed("starting", error)),
    };
    result.unwrap_or_else(|error| {
        printer.error(&error);
        error.exit()
    })
}

async fn run(cli: Cli, printer: &Printer) -> Result<ExitStatus, CliError> {
    let Cli { global, verb } = cli;
    start_log(global.verbose);
    let app = App::new(global, printer.clone())?;
    match verb {
        // These two undo, or finish, what they began when a signal comes.
        Verb::Up(args) => commands::up::run(args, &app).await,
        Verb::Down(args) => commands::down::run(args, &app).await,
        verb => {
            tokio::select! {
                result = other(verb, &app) => result,
                signal = app.signals.received() => Err(CliError::interrupted("waiting", signal)),
            }
        }
    }
}

async fn other(verb: Verb, app: &App) -> Result<ExitStatus, CliError> {
    match verb {
        Verb::Up(args) => commands::up::run(args, app).await,
        Verb::Down(args) => commands::down::run(args, app).await,
        Verb::Status(args) => commands::status::run(args, app).await,
        Verb::Doctor(args) => commands::doctor::run(args, app).await,
        Verb::Recipe(args) => commands::recipe::run(args, app).await,
        Verb::Env(args) => commands::env::run(args, app).await,
        Verb::Version(args) => Ok(commands::version::run(&args, app)),
    }
}

fn start_log(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "irsa_emu=debug",
        2 => "irsa_emu=trace,kube=debug,bollard=debug",
        _ => "trace",
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(level)
        .finish();
    // Fails only where a subscriber is set already.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
