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
pub mod output;
pub mod printer;
pub mod progress;
pub mod recipe;
pub mod signals;

use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches};

use crate::app::App;
use crate::args::{Cli, ColorMode, ProgressMode, Verb};
use crate::error::{CliError, ExitStatus};
use crate::output::Output;
use crate::printer::Printer;

/// Parses the arguments, runs the command, renders its error, and says how to exit.
#[must_use]
pub fn main() -> ExitStatus {
    let parsed = Cli::command()
        .try_get_matches()
        .and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, Output::of(&matches))));
    let (cli, output) = match parsed {
        Ok((cli, output)) => (cli, Arc::new(output)),
        Err(error) => return not_understood(&error),
    };
    let printer = Printer::new(cli.global.color, cli.global.progress);
    let result = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let result = runtime.block_on(run(cli, &printer, &output));
            // A read of stdin that was left behind must not hold the exit back.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(CliError::failed("starting", error)),
    };
    if let Some(envelope) = output.envelope(result.as_ref().err(), &printer.warnings()) {
        printer.data(&envelope);
    }
    result.unwrap_or_else(|error| {
        printer.error(&error);
        error.exit()
    })
}

/// Clap prints help and version to stdout, and mistakes to stderr.
fn not_understood(error: &clap::Error) -> ExitStatus {
    let _ = error.print();
    if !error.use_stderr() {
        return ExitStatus::Ok;
    }
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let output = Output::of_words(&words, std::env::var(env_vars::OUTPUT).ok().as_deref());
    let message = error.to_string();
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    if let Some(envelope) = output.refusal(message.lines().next().unwrap_or_default()) {
        Printer::new(ColorMode::Auto, ProgressMode::Auto).data(&envelope);
    }
    ExitStatus::Usage
}

async fn run(cli: Cli, printer: &Printer, output: &Arc<Output>) -> Result<ExitStatus, CliError> {
    let Cli { global, verb } = cli;
    start_log(global.verbose);
    let app = App::new(global, printer.clone(), Arc::clone(output))?;
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
        Verb::Version(args) => commands::version::run(&args, app),
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
