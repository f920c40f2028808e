//! `irsa-emu env --exec -- COMMAND`: a command that reaches the emulator, whatever the cluster publishes.

use std::convert::Infallible;
use std::ffi::OsString;
use std::net::Ipv4Addr;

use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_cluster::kubernetes::forward;
use irsa_emu_cluster::local::port;
use kube::Client;
use tokio::net::TcpListener;

use super::known::Known;
use crate::app::App;
use crate::commands::port_forward::once;
use crate::error::{Attempt, CliError};
use crate::foreground::{self, ForegroundError};

/// Runs a command with the variables; where nobody listens at the emulator's port of this machine, carries connections
/// through the API server for as long as it runs.
pub(super) async fn run(command: &[OsString], known: Known, app: &App) -> Result<ExitStatus, CliError> {
    let client = known.cluster.client.clone();
    let (endpoint, listener) = self::endpoint(known.endpoint.as_deref()).await?;
    let facts = known.facts(endpoint);
    let variables = facts.variables();
    let (program, args) = command.split_first().ok_or_else(|| {
        CliError::because(ExitStatus::Usage, "running a command", "none is named")
            .next(format!("{} --exec -- COMMAND", app.session.command("env")))
    })?;
    // It has the terminal and the signals, and its end is ours.
    app.signals.pass_on();
    let ended = tokio::select! {
        ended = foreground::run(program, args, &variables, &[]) => ended,
        never = carry(listener, &client, app) => match never {},
    };
    ended
        .map(ExitStatus::Passed)
        .map_err(|error| not_run(&program.to_string_lossy(), error))
}

/// The emulator's URL, and a port to carry connections from where that which is known does not serve.
pub(in crate::commands) async fn endpoint(
    known: Option<&str>,
) -> Result<(String, Option<TcpListener>), CliError> {
    if let Some(url) = known
        && port::answers(url).await
    {
        return Ok((url.to_owned(), None));
    }
    let attempted = || "opening a port of 127.0.0.1 for the command".to_owned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .attempting(attempted)?;
    let address = listener.local_addr().attempting(attempted)?;
    Ok((format!("http://{address}"), Some(listener)))
}

/// Carries connections until it is dropped, if there is a port to carry them from.
pub(in crate::commands) async fn carry(
    listener: Option<TcpListener>,
    client: &Client,
    app: &App,
) -> Infallible {
    match listener {
        Some(listener) => forward::serve(&listener, client, &once(&app.printer)).await,
        None => std::future::pending().await,
    }
}

/// The error for a command that was not run.
pub(in crate::commands) fn not_run(program: &str, error: ForegroundError) -> CliError {
    let exit = ExitStatus::Passed(error.exit_code());
    let code = match error {
        ForegroundError::NotFound => Code::ToolMissing,
        _ => Code::ToolFailed,
    };
    CliError::new(exit, format!("running `{program}`"), error)
        .code(code)
        .next(format!("command -v {program}"))
}
