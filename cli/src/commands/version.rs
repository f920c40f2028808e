//! `irsa-emu version`: of the program, and of what it finds in the cluster.

use std::time::Duration;

use clap::Args;
use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_cluster::kubernetes::deployment::image;
use irsa_emu_core::contract::{NAMESPACE, WEBHOOK};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use serde::Serialize;

use crate::app::App;
use crate::console::output::OutputArgs;
use crate::console::printer::Printer;
use crate::error::CliError;

/// How long the cluster may take to respond; without a response the program's own version must do.
const CLUSTER_TIMEOUT: Duration = Duration::from_secs(3);

/// Options of `irsa-emu version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Print only the version of irsa-emu; needs no cluster
    #[arg(long)]
    client: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct Versions {
    version: &'static str,
    /// `None` where no cluster of the install responds.
    cluster: Option<InCluster>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InCluster {
    context: String,
    kubernetes: String,
    /// `None` where irsa-emu is not installed.
    webhook_image: Option<String>,
}

/// Prints the versions.
pub async fn run(args: VersionArgs, app: &App) -> Result<ExitStatus, CliError> {
    let VersionArgs { client, output: _ } = args;
    let cluster = if client {
        None
    } else {
        tokio::time::timeout(CLUSTER_TIMEOUT, in_cluster(app))
            .await
            .ok()
            .flatten()
    };
    let versions = Versions {
        version: env!("CARGO_PKG_VERSION"),
        cluster,
    };
    app.answer(&versions, |printer| print_text(&versions, printer))?;
    Ok(ExitStatus::Ok)
}

async fn in_cluster(app: &App) -> Option<InCluster> {
    let connected = app.session.connect().await;
    let cluster = connected
        .inspect_err(|error| tracing::debug!(why = %error, "no cluster is used"))
        .ok()?;
    let deployments = Api::<Deployment>::namespaced(cluster.client, NAMESPACE);
    let webhook = deployments.get_opt(WEBHOOK).await.ok().flatten();
    Some(InCluster {
        context: cluster.context,
        kubernetes: cluster.version,
        webhook_image: webhook.as_ref().and_then(image),
    })
}

fn print_text(versions: &Versions, printer: &Printer) {
    printer.data(versions.version);
    if let Some(cluster) = &versions.cluster {
        printer.row(&format!(
            "cluster:  {} (Kubernetes {})",
            cluster.context, cluster.kubernetes
        ));
        let webhook = cluster.webhook_image.as_deref().unwrap_or("not installed");
        printer.row(&format!("webhook:  {webhook}"));
    }
}
