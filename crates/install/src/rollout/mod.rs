//! Whether what was applied works, and if not, why.

mod trouble;

use std::time::Duration;

use irsa_emu_core::contract::{EMULATOR, NAMESPACE, WEBHOOK, WEBHOOK_CONFIGURATION, emulator_by_api_server};
use irsa_emu_core::emulator::{self, Ready};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, ObjectMeta};
use kube::{Api, Client};
use time::OffsetDateTime;
use tokio::time::Instant;

use irsa_emu_cluster::kubernetes::POLL;
use irsa_emu_cluster::kubernetes::rollout::incomplete;
use irsa_emu_cluster::progress::Progress;
use irsa_emu_core::contract::PART_LABEL;

/// How long one look at the cluster may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a response of the emulator may take.
const EMULATOR_TIMEOUT: Duration = Duration::from_secs(3);
/// How long after its grace period a Pod that ends may still respond.
const OVER: Duration = Duration::from_secs(5);

/// Something that does not work yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// What.
    pub what: String,
    /// Why, as far as the cluster reports it.
    pub why: String,
    /// Whether waiting cannot help.
    pub hopeless: bool,
}

impl std::fmt::Display for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// The parts that must work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// All that an install with an emulator has.
    WebhookAndEmulator,
    /// What an install for real AWS has.
    Webhook,
}

/// Waits until everything works. Returns, at the deadline or when there is no hope, what does not.
pub async fn wait(
    client: &Client,
    parts: Parts,
    deadline: Instant,
    progress: &dyn Progress,
) -> Result<(), Vec<Pending>> {
    loop {
        let pending = match tokio::time::timeout(LOOK_TIMEOUT, pending(client, parts)).await {
            Ok(Ok(pending)) if pending.is_empty() => return Ok(()),
            Ok(Ok(pending)) => pending,
            Err(_) => {
                let why = format!("no response within {} s", LOOK_TIMEOUT.as_secs());
                vec![Pending {
                    what: "API server".to_owned(),
                    why,
                    hopeless: false,
                }]
            }
            Ok(Err(error)) => {
                vec![Pending {
                    what: "API server".to_owned(),
                    why: error.to_string(),
                    hopeless: false,
                }]
            }
        };
        if Instant::now() >= deadline || pending.iter().any(|pending| pending.hopeless) {
            return Err(pending);
        }
        let text: Vec<String> = pending.iter().map(ToString::to_string).collect();
        progress.detail(&text.join("; "));
        tokio::time::sleep(POLL).await;
    }
}

/// What does not work yet.
pub async fn pending(client: &Client, parts: Parts) -> Result<Vec<Pending>, kube::Error> {
    let (webhook, registered, emulator) = tokio::try_join!(webhook(client), registration(client), async {
        match parts {
            Parts::WebhookAndEmulator => emulator(client).await,
            Parts::Webhook => Ok(None),
        }
    },)?;
    Ok([webhook, emulator, registered].into_iter().flatten().collect())
}

/// The webhook, and none of its earlier Pods: one that ends still serves for some seconds, with the settings that it had.
async fn webhook(client: &Client) -> Result<Option<Pending>, kube::Error> {
    if let Some(pending) = deployment(client, WEBHOOK).await? {
        return Ok(Some(pending));
    }
    let params = ListParams::default().labels(&format!("{PART_LABEL}={WEBHOOK}"));
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE)
        .list_metadata(&params)
        .await?;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let ending = pods
        .items
        .iter()
        .filter(|pod| still_ends(&pod.metadata, now))
        .count();
    Ok((ending > 0).then(|| Pending {
        what: WEBHOOK.to_owned(),
        why: format!("{ending} earlier Pod(s) still serve"),
        hopeless: false,
    }))
}

/// Whether a Pod ends, and may still serve. One whose node is gone stays in that state, and serves nobody.
fn still_ends(pod: &ObjectMeta, now: i64) -> bool {
    // The time of the deletion is that of the end of the grace period.
    let until = pod.deletion_timestamp.as_ref().map(|time| time.0.as_second());
    until.is_some_and(|until| now <= until + OVER.as_secs().cast_signed())
}

async fn emulator(client: &Client) -> Result<Option<Pending>, kube::Error> {
    let (deployed, ready) = tokio::try_join!(deployment(client, EMULATOR), emulator_ready(client))?;
    if deployed.is_some() || ready {
        return Ok(deployed);
    }
    Ok(Some(Pending {
        what: EMULATOR.to_owned(),
        why: "it responds, but its READY stage is not completed".to_owned(),
        hopeless: false,
    }))
}

async fn deployment(client: &Client, name: &str) -> Result<Option<Pending>, kube::Error> {
    let found = Api::<Deployment>::namespaced(client.clone(), NAMESPACE)
        .get_opt(name)
        .await?;
    let Some(incomplete) = found
        .as_ref()
        .map_or(Some("it does not exist".to_owned()), incomplete)
    else {
        return Ok(None);
    };
    let trouble = match &found {
        Some(deployment) => trouble::of_pods(client, name, deployment).await?,
        None => None,
    };
    let (why, hopeless) = trouble.unwrap_or((incomplete, false));
    Ok(Some(Pending {
        what: name.to_owned(),
        why,
        hopeless,
    }))
}

async fn registration(client: &Client) -> Result<Option<Pending>, kube::Error> {
    let found = Api::<MutatingWebhookConfiguration>::all(client.clone())
        .get_opt(WEBHOOK_CONFIGURATION)
        .await?;
    let why = match found.map(|found| found.webhooks.unwrap_or_default()) {
        None => "the webhook has not registered itself",
        Some(webhooks) if webhooks.is_empty() => "it names no webhook",
        Some(webhooks) if webhooks.iter().any(|hook| hook.client_config.ca_bundle.is_none()) => {
            "it has no CA"
        }
        Some(_) => return Ok(None),
    };
    let what = format!("MutatingWebhookConfiguration {WEBHOOK_CONFIGURATION}");
    Ok(Some(Pending {
        what,
        why: why.to_owned(),
        hopeless: false,
    }))
}

/// Whether the emulator reports that it is ready, through the API server.
pub async fn emulator_ready(client: &Client) -> Result<bool, kube::Error> {
    let Ready { path, pointer } = emulator::DEFAULT.ready;
    let request = hyper::http::Request::get(emulator_by_api_server(path))
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    // Not reachable, not found, not JSON, too slow: all of these mean not ready.
    let answer = tokio::time::timeout(EMULATOR_TIMEOUT, client.request::<serde_json::Value>(request)).await;
    let answer = answer.ok().and_then(Result::ok);
    let ready = answer.as_ref().and_then(|answer| answer.pointer(pointer));
    Ok(ready.and_then(serde_json::Value::as_bool).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_pod_that_never_gets_to_its_end_is_not_waited_for() {
        let pod = |meta: Value| serde_json::from_value::<ObjectMeta>(meta).unwrap();
        let ending = pod(json!({ "deletionTimestamp": "1970-01-01T00:01:40Z" }));
        assert!(still_ends(&ending, 90) && still_ends(&ending, 105));
        assert!(!still_ends(&ending, 106));
        assert!(!still_ends(&pod(json!({})), 90));
    }
}
