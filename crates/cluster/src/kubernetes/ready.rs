//! Whether a cluster is ready to be used: its nodes, its DNS, and the ServiceAccount that every Pod needs.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::time::Instant;

use crate::kubernetes::{POLL, rollout};
use crate::progress::Progress;

/// How long one look at the cluster may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(8);

/// What a cluster still lacks, in words; empty when it is ready.
pub async fn lacking(client: &Client) -> Result<Vec<String>, kube::Error> {
    let nodes = Api::<Node>::all(client.clone())
        .list(&ListParams::default())
        .await?;
    let mut lacking: Vec<String> = nodes
        .iter()
        .filter(|node| !is_ready(node))
        .map(|node| format!("node {} is not Ready", name(node)))
        .collect();
    if nodes.items.is_empty() {
        lacking.push("there is no node".to_owned());
    }
    // Clusters that are not kind's may run their DNS as something else: only one that is there must be complete.
    let dns = ListParams::default().labels("k8s-app=kube-dns");
    let deployments = Api::<Deployment>::namespaced(client.clone(), "kube-system")
        .list(&dns)
        .await?;
    lacking.extend(
        deployments
            .iter()
            .filter_map(rollout::incomplete)
            .map(|why| format!("cluster DNS: {why}")),
    );
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "default");
    if accounts.get_opt("default").await?.is_none() {
        lacking.push("the ServiceAccount default/default does not exist".to_owned());
    }
    Ok(lacking)
}

/// Waits until a cluster lacks nothing. Returns, at the deadline, what it still lacks.
pub async fn wait(client: &Client, deadline: Instant, progress: &dyn Progress) -> Result<(), Vec<String>> {
    loop {
        let lacking = match tokio::time::timeout(LOOK_TIMEOUT, lacking(client)).await {
            Ok(Ok(lacking)) if lacking.is_empty() => return Ok(()),
            Ok(Ok(lacking)) => lacking,
            Err(_) => vec![format!(
                "the API server does not respond within {} s",
                LOOK_TIMEOUT.as_secs()
            )],
            // An API server that just starts refuses connections for a while.
            Ok(Err(error)) => vec![format!("the API server does not respond: {error}")],
        };
        if Instant::now() >= deadline {
            return Err(lacking);
        }
        if let Some(first) = lacking.first() {
            progress.detail(first);
        }
        tokio::time::sleep(POLL).await;
    }
}

fn name(node: &Node) -> &str {
    node.metadata.name.as_deref().unwrap_or("?")
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
