//! Whether `up` made a cluster. Only such a cluster may be deleted without being named.

use std::time::Duration;

use irsa_emu_core::contract::INSTANCE_LABEL;
use k8s_openapi::api::core::v1::Node as ClusterNode;
use kube::Api;
use kube::api::ListParams;

use super::provider::emulator_port;
use crate::kubernetes::connect::Cluster;
use crate::kubernetes::kubeconfig::Kubeconfigs;
use crate::local::nodes::Node;

/// How long an API server that may be dead is asked.
const API_SERVER_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether `up` made the cluster: a label of its nodes shows it; if no API server responds, the port that only `up` publishes.
pub async fn made_by_up(kubeconfigs: &Kubeconfigs, context: &str, instance: &str, nodes: &[Node]) -> bool {
    if let Some(labelled) = nodes.iter().find_map(|node| node.instance.as_deref()) {
        return labelled == instance;
    }
    let answer = tokio::time::timeout(API_SERVER_TIMEOUT, labelled(kubeconfigs, context, instance)).await;
    match answer {
        Ok(Some(labelled)) => labelled,
        Ok(None) | Err(_) => emulator_port(nodes).is_some(),
    }
}

async fn labelled(kubeconfigs: &Kubeconfigs, context: &str, instance: &str) -> Option<bool> {
    let cluster = Cluster::connect(kubeconfigs, context).await.ok()?;
    let nodes = Api::<ClusterNode>::all(cluster.client)
        .list(&ListParams::default())
        .await
        .ok()?;
    // A cluster without any node is half made.
    if nodes.items.is_empty() {
        return None;
    }
    let ours = |node: &ClusterNode| {
        let labels = node.metadata.labels.as_ref();
        labels
            .and_then(|labels| labels.get(INSTANCE_LABEL))
            .map(String::as_str)
            == Some(instance)
    };
    Some(nodes.iter().any(ours))
}
