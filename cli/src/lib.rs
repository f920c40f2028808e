//! The developer's command: makes a local cluster ready for manifests written for EKS, and takes it away again.
//!
//! Nothing below [`commands`] prints or prompts: it reports through [`irsa_emu_cluster::progress::Progress`].

pub mod app;
pub mod args;
pub mod command_line;
pub mod commands;
pub mod config;
pub mod console;
pub mod documents;
pub mod error;
pub mod foreground;
pub mod identity;
pub mod options;
pub mod program;
pub mod signals;
pub mod state;
pub mod variables;

use std::ffi::OsString;
use std::sync::Arc;

use irsa_emu_cluster::failure::ExitStatus;

use crate::app::App;
use crate::args::Verb;
use crate::command_line::{CommandLine, Refusal, Why};
use crate::console::output::Output;
use crate::console::printer::Printer;
use crate::error::CliError;
use crate::options::words::ProgressMode;

/// Reads the command line, runs the command, renders its error, and reports how to exit.
#[must_use]
pub fn main() -> ExitStatus {
    let words: Vec<OsString> = std::env::args_os().collect();
    let line = match command_line::read(&words) {
        Ok(line) => line,
        Err(refusal) => return refuse(*refusal),
    };
    let CommandLine {
        cli,
        output,
        config,
        matches,
    } = line;
    let printer = Printer::new(cli.global.color, cli.global.progress);
    let output = Arc::new(output);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => {
            start_log(cli.global.verbose, printer.mode());
            let result = runtime.block_on(async {
                let app = App::new(
                    cli.global,
                    printer.clone(),
                    Arc::clone(&output),
                    config,
                    command_line::command(),
                    matches,
                )?;
                Box::pin(run(cli.verb, &app)).await
            });
            // A read of stdin that was left behind must not hold the exit back.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(CliError::failed("starting", error)),
    };
    end(result, &printer, &output)
}

/// Writes what is left to write, and reports how to exit.
fn end(result: Result<ExitStatus, CliError>, printer: &Printer, output: &Output) -> ExitStatus {
    // Below this line nobody knows under which name the program was called.
    let result = result.map_err(|error| error.with_next(program::typed_here));
    if let Some(envelope) = output.envelope(result.as_ref().err(), &printer.warnings()) {
        printer.data(&envelope);
    }
    result.unwrap_or_else(|error| {
        printer.error(&error);
        error.exit()
    })
}

fn refuse(refusal: Refusal) -> ExitStatus {
    let Refusal { why, output, printer } = refusal;
    let error = match why {
        Why::Config(error) => error,
        // Clap prints help and version to stdout, and mistakes to stderr.
        Why::Words(words) if !words.use_stderr() => {
            let _ = words.print();
            return ExitStatus::Ok;
        }
        Why::Words(words) => {
            let message = words.to_string();
            let message = message.strip_prefix("error: ").unwrap_or(&message);
            let first = message.lines().next().unwrap_or_default();
            let error = CliError::because(ExitStatus::Usage, "reading the command line", first);
            // Clap knows better than we how to show what was meant.
            if printer.mode() != ProgressMode::Json {
                let _ = words.print();
                if let Some(envelope) = output.envelope(Some(&error), &[]) {
                    printer.data(&envelope);
                }
                return ExitStatus::Usage;
            }
            error
        }
    };
    end(Err(error), &printer, &output)
}

async fn run(verb: Verb, app: &App) -> Result<ExitStatus, CliError> {
    match verb {
        // These two undo, or finish, what they began when a signal comes.
        Verb::Up(args) => commands::up::run(args, app).await,
        Verb::Down(args) => commands::down::run(args, app).await,
        // A signal is how these end.
        Verb::PortForward(args) => commands::port_forward::run(args, app).await,
        Verb::Proxy(args) => commands::proxy::run(args, app).await,
        // These pass signals on to the command that they run.
        Verb::Env(args) => commands::env::run(args, app).await,
        Verb::Exec(args) => commands::exec::run(args, app).await,
        verb => {
            tokio::select! {
                result = other(verb, app) => result,
                signal = app.signals.received() => Err(signal.interrupted("waiting")),
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
        Verb::Config(args) => commands::config::run(&args, app),
        Verb::Explain(args) => commands::explain::run(args, app).await,
        Verb::Render(args) => commands::render::run(*args, app).await,
        Verb::Inject(args) => Box::pin(commands::inject::run(*args, app)).await,
        Verb::TrustPolicy(args) => commands::trust_policy::run(args, app).await,
        Verb::RestartInjected(args) => commands::restart_injected::run(args, app).await,
        Verb::Recipe(args) => commands::recipe::run(args, app).await,
        Verb::Env(args) => commands::env::run(args, app).await,
        Verb::Exec(args) => commands::exec::run(args, app).await,
        Verb::Credentials(args) => commands::credentials::run(args, app).await,
        Verb::Completion(args) => Ok(commands::completion::run(&args, app)),
        Verb::Man(args) => commands::completion::man(args, app),
        Verb::Version(args) => commands::version::run(args, app).await,
        Verb::PortForward(args) => commands::port_forward::run(args, app).await,
        Verb::Proxy(args) => commands::proxy::run(args, app).await,
        Verb::Images(args) => commands::images::run(*args, app).await,
        Verb::Logs(args) => commands::logs::run(args, app).await,
        Verb::SupportBundle(args) => Box::pin(commands::support_bundle::run(args, app)).await,
    }
}

fn start_log(verbose: u8, progress: ProgressMode) {
    let level = match verbose {
        0 => return,
        1 => "irsa_emu=debug",
        2 => "irsa_emu=trace,kube=debug,bollard=debug",
        _ => "trace",
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(level);
    // Fails only where a subscriber is set already.
    let _ = if progress == ProgressMode::Json {
        tracing::subscriber::set_global_default(subscriber.json().finish())
    } else {
        tracing::subscriber::set_global_default(subscriber.finish())
    };
}
