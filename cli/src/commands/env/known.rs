//! What is known of an install on this machine.

use irsa_emu_cluster::docker::Docker;
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_cluster::kubernetes::connect::Cluster;
use irsa_emu_cluster::local::family::Family;
use irsa_emu_cluster::local::host_port::HostAccess;
use irsa_emu_core::contract::{DEFAULT_ACCOUNT, DEFAULT_REGION, EMULATOR_PORT};
use irsa_emu_install::recipe::installed;
use irsa_emu_install::recorded::{self, Recorded};

use super::formats::Facts;
use crate::app::App;
use crate::error::{Attempt, CliError};

/// What is known of an install.
pub(super) struct Known {
    pub(super) cluster: Cluster,
    /// The emulator's URL on this machine, where there is one.
    pub(super) endpoint: Option<String>,
    pub(super) region: String,
    pub(super) account: String,
}

impl Known {
    pub(super) fn facts(self, host_endpoint: String) -> Facts {
        Facts {
            context: self.cluster.context,
            host_endpoint,
            region: self.region,
            account: self.account,
        }
    }
}

/// The URL of a port that is not open yet.
pub(super) fn no_port_yet(app: &App) -> String {
    app.printer.warn(&format!(
        "this machine has no port for the emulator yet\n  next: {}",
        app.session.command("port-forward")
    ));
    format!("http://127.0.0.1:{EMULATOR_PORT}")
}

/// The cluster of the install, and what `up` recorded there.
pub(in crate::commands) async fn installed(app: &App) -> Result<(Cluster, Recorded), CliError> {
    let cluster = app.session.connect().await?;
    let attempted = || attempted(&cluster);
    let recorded = recorded::read(&cluster.client).await.attempting(attempted)?;
    let Some(recorded) = recorded else {
        let why = "irsa-emu is not installed there";
        return Err(CliError::because(ExitStatus::Prerequisite, attempted(), why)
            .code(Code::NotInstalled)
            .next(app.session.command("up")));
    };
    Ok((cluster, recorded))
}

fn attempted(cluster: &Cluster) -> String {
    format!("asking the cluster of context `{}`", cluster.context)
}

/// The emulator's URL on this machine, where there is one.
pub(in crate::commands) async fn endpoint_of(
    recorded: &Recorded,
    cluster: &Cluster,
    app: &App,
) -> Option<String> {
    match &recorded.host_endpoint {
        Some(endpoint) => Some(endpoint.clone()),
        None => in_docker(app, cluster).await,
    }
}

/// Asks the cluster of the install.
pub(super) async fn ask(account: Option<String>, app: &App) -> Result<Known, CliError> {
    let (cluster, recorded) = installed(app).await?;
    if recorded.real_aws {
        let why = "the backend is real AWS: tools on this machine use an AWS configuration of their own";
        return Err(CliError::because(ExitStatus::Failed, attempted(&cluster), why)
            .code(Code::RealAws)
            .next("aws configure list"));
    }
    let endpoint = endpoint_of(&recorded, &cluster, app).await;
    // A tool that cannot ask for Recipes still gets to the emulator.
    let recipes = installed::list(&cluster.client).await.unwrap_or_default();
    let account = account
        .or_else(|| Some(recipes.into_iter().next()?.spec.account))
        .unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned());
    Ok(Known {
        endpoint,
        region: recorded.region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
        account,
        cluster,
    })
}

/// The emulator's URL where `up` recorded none, as Docker reports it.
async fn in_docker(app: &App, cluster: &Cluster) -> Option<String> {
    let (family, name) = Family::of_context(&cluster.context)?;
    let docker = Docker::connect(app.session.runner.as_ref()).await.ok()?;
    let nodes = docker.nodes(family, name).await.ok()?;
    let way = HostAccess::look(&docker, &app.session.instance, &cluster.context, &nodes).await;
    way.ok()
        .flatten()
        .map(|access| format!("http://127.0.0.1:{}", access.port()))
}
