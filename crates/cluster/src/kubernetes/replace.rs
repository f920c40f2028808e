//! Replaces the Pods of a workload, and waits until the new ones are at work.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{EvictParams, ListParams};
use kube::core::Selector;
use kube::{Api, Client};
use serde_json::Value;
use tokio::time::Instant;

use crate::kubernetes::POLL;
use crate::kubernetes::kinds::SubjectKind;
use crate::kubernetes::pods::is_ready;
use crate::kubernetes::workload::{Workload, WorkloadKind};
use crate::kubernetes::{objects, rollout};
use crate::progress::Progress;

/// Why Pods were not replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The workload is not there any more.
    #[error("it does not exist")]
    Gone,
    /// The API server refused, or does not respond.
    #[error(transparent)]
    Kube(#[from] kube::Error),
    /// A `PodDisruptionBudget` forbids it now.
    #[error("{0}")]
    Budget(String),
    /// A Deployment that is paused does not replace its Pods.
    #[error("it is paused")]
    Paused,
    /// Not in time; what was waited for.
    #[error("not done in time: {0}")]
    Late(String),
}

impl ReplaceError {
    /// The command that helps, behind `kubectl` with the name of the cluster.
    #[must_use]
    pub fn next(&self, workload: &Workload, kubectl: &str) -> String {
        let words = match self {
            Self::Paused => "rollout resume",
            Self::Gone | Self::Kube(_) | Self::Budget(_) | Self::Late(_) => "describe",
        };
        let Workload {
            namespace,
            kind,
            name,
        } = workload;
        format!("{kubectl} -n {namespace} {words} {}/{name}", kind.word())
    }
}

/// How the Pods of a workload are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    /// Its controller replaces them when its template changes.
    Rollout,
    /// Its controller makes a new one for each that is deleted, and touches no other: update strategy `OnDelete`, which
    /// Vault's chart has by default.
    Delete,
}

impl Means {
    fn of(object: &Value) -> Self {
        let strategy = object.pointer("/spec/updateStrategy/type");
        if strategy.is_some_and(|strategy| strategy == "OnDelete") {
            Self::Delete
        } else {
            Self::Rollout
        }
    }
}

/// Begins to replace the Pods of a workload. Where its controller does not do it, each Pod is evicted, which minds
/// `PodDisruptionBudget`s; with a deadline, the next one only when the successor of this one is Ready, too.
pub async fn begin(
    client: &Client,
    workload: &Workload,
    deadline: Option<Instant>,
    progress: &dyn Progress,
) -> Result<(), ReplaceError> {
    let object = read(client, workload).await?;
    if object.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        return Err(ReplaceError::Paused);
    }
    let before = pods(client, workload, &object).await?;
    match Means::of(&object) {
        Means::Rollout => {
            restart(client, workload).await?;
            for name in stuck(workload.kind, &object, &before) {
                progress.detail(&format!("evicting Pod {}/{name}", workload.namespace));
                evict(client, workload, &name, deadline).await?;
            }
        }
        Means::Delete => {
            for pod in before {
                let (name, uid) = (
                    pod.metadata.name.unwrap_or_default(),
                    pod.metadata.uid.unwrap_or_default(),
                );
                let others = ready(&pods(client, workload, &object).await?, &uid);
                progress.detail(&format!("evicting Pod {}/{name}", workload.namespace));
                evict(client, workload, &name, deadline).await?;
                let Some(deadline) = deadline else { continue };
                // Those that are to be evicted yet may be ready only then.
                let enough = wanted(&object).min(others + 1);
                until(deadline, progress, async || {
                    let now = pods(client, workload, &object).await?;
                    Ok(not_replaced(&now, &uid, enough))
                })
                .await?;
            }
        }
    }
    Ok(())
}

/// Pods that a StatefulSet would wait for instead of replacing them: it does not go on past one that is not Ready, which one
/// without its identity may never be (Kubernetes on `StatefulSet`, "Forced rollback").
fn stuck(kind: WorkloadKind, object: &Value, pods: &[Pod]) -> Vec<String> {
    let parallel = object
        .pointer("/spec/podManagementPolicy")
        .and_then(Value::as_str)
        == Some("Parallel");
    let partition = object.pointer("/spec/updateStrategy/rollingUpdate/partition");
    let parted = partition.and_then(Value::as_i64).unwrap_or_default() > 0;
    if kind != WorkloadKind::StatefulSet || parallel || parted {
        return Vec::new();
    }
    let is_stuck = |pod: &&Pod| pod.metadata.deletion_timestamp.is_none() && !is_ready(pod);
    let stuck = pods.iter().filter(is_stuck);
    stuck.filter_map(|pod| pod.metadata.name.clone()).collect()
}

/// Waits until the Pods of a workload are those of its newest template, and at work.
pub async fn wait(
    client: &Client,
    workload: &Workload,
    deadline: Instant,
    progress: &dyn Progress,
) -> Result<(), ReplaceError> {
    until(deadline, progress, async || {
        let object = read(client, workload).await?;
        Ok(match Means::of(&object) {
            Means::Rollout => incomplete(workload.kind, &object),
            Means::Delete => None,
        })
    })
    .await
}

/// Asks until nothing is lacking.
async fn until(
    deadline: Instant,
    progress: &dyn Progress,
    ask: impl AsyncFn() -> Result<Option<String>, ReplaceError>,
) -> Result<(), ReplaceError> {
    while let Some(lacking) = ask().await? {
        if Instant::now() >= deadline {
            return Err(ReplaceError::Late(lacking));
        }
        progress.detail(&lacking);
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

async fn read(client: &Client, workload: &Workload) -> Result<Value, ReplaceError> {
    let kind = SubjectKind::typed(workload.kind.name()).ok_or(ReplaceError::Gone)?;
    let found = objects::workload(client, kind, &workload.namespace, &workload.name).await?;
    found.ok_or(ReplaceError::Gone)
}

async fn restart(client: &Client, workload: &Workload) -> Result<(), kube::Error> {
    let (
        client,
        Workload {
            kind,
            namespace,
            name,
        },
    ) = (client.clone(), workload);
    match kind {
        WorkloadKind::Deployment => Api::<Deployment>::namespaced(client, namespace)
            .restart(name)
            .await
            .map(drop),
        WorkloadKind::StatefulSet => Api::<StatefulSet>::namespaced(client, namespace)
            .restart(name)
            .await
            .map(drop),
        WorkloadKind::DaemonSet => Api::<DaemonSet>::namespaced(client, namespace)
            .restart(name)
            .await
            .map(drop),
    }
}

/// The Pods that a workload controls.
async fn pods(client: &Client, workload: &Workload, object: &Value) -> Result<Vec<Pod>, ReplaceError> {
    let selector: LabelSelector =
        serde_json::from_value(object["spec"]["selector"].clone()).unwrap_or_default();
    // The API server has checked it when the workload was made.
    let selector = Selector::try_from(selector).map_err(|_| ReplaceError::Gone)?;
    let params = ListParams::default().labels_from(&selector);
    let mut pods = Api::<Pod>::namespaced(client.clone(), &workload.namespace)
        .list(&params)
        .await?
        .items;
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    pods.retain(|pod| {
        let owners = pod.metadata.owner_references.as_deref().unwrap_or_default();
        owners.iter().any(|owner| owner.uid == uid)
    });
    Ok(pods)
}

/// Evicts a Pod; where a budget forbids it now, tries again.
async fn evict(
    client: &Client,
    workload: &Workload,
    name: &str,
    deadline: Option<Instant>,
) -> Result<(), ReplaceError> {
    let api = Api::<Pod>::namespaced(client.clone(), &workload.namespace);
    let may_wait = || deadline.is_some_and(|deadline| Instant::now() < deadline);
    loop {
        match api.evict(name, &EvictParams::default()).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(refused)) if refused.code == 404 => return Ok(()),
            Err(kube::Error::Api(refused)) if refused.code == 429 && may_wait() => {
                tokio::time::sleep(POLL).await;
            }
            Err(kube::Error::Api(refused)) if refused.code == 429 => {
                return Err(ReplaceError::Budget(format!("Pod {name}: {}", refused.message)));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// How many Pods a workload wants.
fn wanted(object: &Value) -> usize {
    let count = object
        .pointer("/status/desiredNumberScheduled")
        .or_else(|| object.pointer("/spec/replicas"));
    count
        .and_then(Value::as_u64)
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(1)
}

/// What is lacking until an evicted Pod has a successor that is at work.
fn not_replaced(pods: &[Pod], evicted: &str, wanted: usize) -> Option<String> {
    if pods
        .iter()
        .any(|pod| pod.metadata.uid.as_deref() == Some(evicted))
    {
        return Some("the Pod before is still there".to_owned());
    }
    let ready = ready(pods, evicted);
    (ready < wanted).then(|| format!("{ready} of {wanted} Pods are ready"))
}

/// How many Pods are ready, one of them left out.
fn ready(pods: &[Pod], but: &str) -> usize {
    let counts = |pod: &&Pod| {
        pod.metadata.deletion_timestamp.is_none() && pod.metadata.uid.as_deref() != Some(but) && is_ready(pod)
    };
    pods.iter().filter(counts).count()
}

/// What is lacking until a rollout is complete.
fn incomplete(kind: WorkloadKind, object: &Value) -> Option<String> {
    if kind == WorkloadKind::Deployment {
        let deployment: Deployment = serde_json::from_value(object.clone()).unwrap_or_default();
        return rollout::incomplete(&deployment);
    }
    let number = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_i64)
            .unwrap_or_default()
    };
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return Some("its newest version has not been seen by the cluster".to_owned());
    }
    let (wanted, updated, ready) = if kind == WorkloadKind::DaemonSet {
        (
            number("/status/desiredNumberScheduled"),
            number("/status/updatedNumberScheduled"),
            number("/status/numberAvailable"),
        )
    } else {
        let replicas = object
            .pointer("/spec/replicas")
            .and_then(Value::as_i64)
            .unwrap_or(1);
        // What is below the partition stays as it is, by the user's wish.
        let kept = number("/spec/updateStrategy/rollingUpdate/partition").min(replicas);
        (
            replicas,
            number("/status/updatedReplicas") + kept,
            number("/status/readyReplicas"),
        )
    };
    if updated < wanted {
        return Some(format!("{updated} of {wanted} Pods are made"));
    }
    (ready < wanted).then(|| format!("{ready} of {wanted} Pods are ready"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_are_deleted_only_where_their_controller_waits_for_that() {
        for (strategy, means) in [
            (json!({"type": "OnDelete"}), Means::Delete),
            (json!({"type": "RollingUpdate"}), Means::Rollout),
            (Value::Null, Means::Rollout),
        ] {
            let object = json!({"spec": {"updateStrategy": strategy}});
            assert_eq!(Means::of(&object), means, "{object}");
        }
    }

    #[test]
    fn a_rollout_is_complete_when_all_pods_are_new_and_ready() {
        use WorkloadKind::{DaemonSet, StatefulSet};
        let stateful = |updated: i64, ready: i64| {
            json!({"metadata": {"generation": 2}, "spec": {"replicas": 3},
                "status": {"observedGeneration": 2, "updatedReplicas": updated, "readyReplicas": ready}})
        };
        let daemon = |updated: i64, ready: i64| {
            json!({"metadata": {"generation": 2}, "spec": {}, "status": {"observedGeneration": 2,
                "desiredNumberScheduled": 3, "updatedNumberScheduled": updated, "numberAvailable": ready}})
        };
        for (kind, object) in [
            (StatefulSet, stateful as fn(i64, i64) -> Value),
            (DaemonSet, daemon),
        ] {
            assert_eq!(incomplete(kind, &object(3, 3)), None);
            let lacking = |updated, ready| incomplete(kind, &object(updated, ready)).unwrap();
            assert_eq!(lacking(1, 3), "1 of 3 Pods are made");
            assert_eq!(lacking(3, 2), "2 of 3 Pods are ready");
            let mut unseen = object(3, 3);
            unseen["metadata"]["generation"] = json!(3);
            assert!(incomplete(kind, &unseen).unwrap().contains("not been seen"));
        }
        let mut parted = stateful(1, 3);
        parted["spec"]["updateStrategy"] = json!({"rollingUpdate": {"partition": 2}});
        assert_eq!(incomplete(StatefulSet, &parted), None);
    }

    fn pod(name: &str, uid: &str, ready: &str) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": name, "uid": uid},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}}))
        .unwrap()
    }

    #[test]
    fn a_stateful_set_is_helped_past_pods_that_are_not_ready() {
        let pods = [pod("a-0", "0", "True"), pod("a-1", "1", "False")];
        let stuck = |kind, spec: Value| stuck(kind, &json!({ "spec": spec }), &pods);
        assert_eq!(stuck(WorkloadKind::StatefulSet, json!({})), ["a-1"]);
        assert!(
            stuck(
                WorkloadKind::StatefulSet,
                json!({"podManagementPolicy": "Parallel"})
            )
            .is_empty()
        );
        let parted = json!({"updateStrategy": {"rollingUpdate": {"partition": 1}}});
        assert!(stuck(WorkloadKind::StatefulSet, parted).is_empty());
        assert!(stuck(WorkloadKind::Deployment, json!({})).is_empty());
    }

    #[test]
    fn an_evicted_pod_is_replaced_when_as_many_are_ready_as_are_wanted() {
        let lacking = |pods: &[Pod]| not_replaced(pods, "old", 1);
        assert!(lacking(&[pod("a-0", "old", "True")]).is_some(), "it still ends");
        assert!(lacking(&[]).is_some());
        assert!(lacking(&[pod("a-0", "new", "False")]).is_some());
        assert_eq!(lacking(&[pod("a-0", "new", "True")]), None);
    }
}
