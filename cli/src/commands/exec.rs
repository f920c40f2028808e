//! `irsa-emu exec --as NAMESPACE/SERVICEACCOUNT -- COMMAND`: a command of this machine with the identity of a Pod.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::Args;
use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_cluster::kubernetes::connect::Cluster;
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_install::sts::Session;
use time::OffsetDateTime;
use tokio::net::TcpListener;

use super::port_forward::once;
use super::{env, identity};
use crate::app::App;
use crate::error::{Attempt, CliError};
use crate::foreground;
use crate::identity::account::AccountName;
use crate::identity::child::{self, Environment, Source};
use crate::identity::endpoint::Endpoint;
use crate::identity::renewal::Fresh;
use crate::identity::{Identity, IdentityError};

/// Options of `irsa-emu exec`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  irsa-emu exec --as shop/app -- aws sts get-caller-identity
  irsa-emu exec --as shop/app -- ./gradlew bootRun")]
pub struct ExecArgs {
    /// ServiceAccount whose Pods have the identity
    #[arg(long = "as", value_name = "NAMESPACE/SERVICEACCOUNT", value_parser = AccountName::parse)]
    account: AccountName,
    /// Role to assume instead of the one that Pods get
    #[arg(long, value_name = "ARN", value_parser = identity::role)]
    role: Option<RoleArn>,
    /// The command
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What the command needs while it runs.
struct Prepared {
    cluster: Cluster,
    identity: Identity,
    session: Session,
    endpoint: Endpoint,
    /// A port to carry connections to the emulator from, where none is published.
    listener: Option<TcpListener>,
    environment: Environment,
}

/// Runs the command. Without credentials it is not started.
pub async fn run(args: ExecArgs, app: &App) -> Result<ExitStatus, CliError> {
    let ExecArgs {
        account,
        role,
        command,
    } = args;
    let Some((program, arguments)) = command.split_first() else {
        return Err(CliError::because(
            ExitStatus::Usage,
            "running a command",
            "none is named",
        ));
    };
    let prepared = tokio::select! {
        prepared = prepare(&account, role.as_ref(), app) => prepared?,
        signal = app.signals.received() => return Err(signal.interrupted("waiting")),
    };
    let Prepared {
        cluster,
        identity,
        session,
        endpoint,
        listener,
        environment,
    } = prepared;
    let session_name = identity::session_name();
    let fresh = Fresh::new(session, OffsetDateTime::now_utc(), async || {
        identity.session(&session_name).await
    });
    let warn = once(&app.printer);
    let on_trouble = |error: &IdentityError| warn(&format!("credentials of {account}: {error}"));
    let set: Vec<(&str, &str)> = environment
        .set
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    // It has the terminal and the signals, and its end is ours.
    app.signals.pass_on();
    let ended = tokio::select! {
        ended = foreground::run(program, arguments, &set, &environment.removed) => ended,
        never = endpoint.serve(&fresh, &on_trouble) => match never {},
        never = env::exec::carry(listener, &cluster.client, app) => match never {},
    };
    ended
        .map(ExitStatus::Passed)
        .map_err(|error| env::exec::not_run(&program.to_string_lossy(), error))
}

async fn prepare(account: &AccountName, role: Option<&RoleArn>, app: &App) -> Result<Prepared, CliError> {
    let (cluster, recorded) = env::known::installed(app).await?;
    let identity = identity::find(account, role, &cluster, app).await?;
    let session = identity.session(&identity::session_name()).await;
    let session = session.map_err(|error| identity::failed(account, error, &cluster, app))?;
    let (emulator, listener) = if recorded.real_aws {
        (None, None)
    } else {
        let known = env::known::endpoint_of(&recorded, &cluster, app).await;
        let (url, listener) = env::exec::endpoint(known.as_deref()).await?;
        (Some(url), listener)
    };
    let attempted = || "opening a port of 127.0.0.1 for credentials".to_owned();
    let endpoint = Endpoint::open().await.attempting(attempted)?;
    let url = endpoint.url().attempting(attempted)?;
    let source = Source {
        url: &url,
        authorization: endpoint.authorization(),
    };
    let environment = child::environment(&identity, source, emulator.as_deref(), &own_variables());
    Ok(Prepared {
        cluster,
        identity,
        session,
        endpoint,
        listener,
        environment,
    })
}

/// Our own variables. What is not text is none of AWS's.
fn own_variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .collect()
}
