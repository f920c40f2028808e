//! Whether what was applied works, and what stands in its way if not.

use std::time::Duration;

use irsa_emu_core::contract::{EMULATOR, EMULATOR_PORT, NAMESPACE, WEBHOOK, WEBHOOK_CONFIGURATION};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, ContainerState, ContainerStatus, Event, Pod, PodSpec};
use kube::api::{ListParams, LogParams};
use kube::{Api, Client};
use tokio::time::Instant;

use super::PART_LABEL;
use crate::cluster::ready::POLL;
use crate::progress::Progress;

/// How long one look at the cluster may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long one answer of the emulator may take.
const EMULATOR_PATIENCE: Duration = Duration::from_secs(3);
/// How LocalStack exits when its image needs a licence.
const LICENCE_EXIT: i32 = 55;

/// Something that does not work yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// What.
    pub what: String,
    /// Why, as far as the cluster tells.
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

/// Waits until everything works. Answers, at the deadline or when there is no hope, what does not.
pub async fn wait(
    client: &Client,
    parts: Parts,
    deadline: Instant,
    progress: &dyn Progress,
) -> Result<(), Vec<Pending>> {
    loop {
        let pending = match tokio::time::timeout(PATIENCE, pending(client, parts)).await {
            Ok(Ok(pending)) if pending.is_empty() => return Ok(()),
            Ok(Ok(pending)) => pending,
            Err(_) => {
                let why = format!("no answer within {} s", PATIENCE.as_secs());
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

/// The webhook, and none of its earlier Pods: one that ends still answers for some seconds, with the settings that it had.
async fn webhook(client: &Client) -> Result<Option<Pending>, kube::Error> {
    if let Some(pending) = deployment(client, WEBHOOK).await? {
        return Ok(Some(pending));
    }
    let params = ListParams::default().labels(&format!("{PART_LABEL}={WEBHOOK}"));
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE)
        .list_metadata(&params)
        .await?;
    let ending = pods
        .items
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_some())
        .count();
    Ok((ending > 0).then(|| Pending {
        what: WEBHOOK.to_owned(),
        why: format!("{ending} earlier Pod(s) still answer"),
        hopeless: false,
    }))
}

async fn emulator(client: &Client) -> Result<Option<Pending>, kube::Error> {
    let (deployed, ready) = tokio::try_join!(deployment(client, EMULATOR), emulator_ready(client))?;
    if deployed.is_some() || ready {
        return Ok(deployed);
    }
    Ok(Some(Pending {
        what: EMULATOR.to_owned(),
        why: "it answers, but its READY stage is not completed".to_owned(),
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
        Some(deployment) => pod_trouble(client, name, deployment).await?,
        None => None,
    };
    let (why, hopeless) = trouble.unwrap_or((incomplete, false));
    Ok(Some(Pending {
        what: name.to_owned(),
        why,
        hopeless,
    }))
}

/// Why a Deployment is not rolled out; `None` when it is.
#[must_use]
pub fn incomplete(deployment: &Deployment) -> Option<String> {
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    if status.observed_generation.unwrap_or_default() < deployment.metadata.generation.unwrap_or_default() {
        return Some("its newest version has not been seen by the cluster".to_owned());
    }
    let count = |number: Option<i32>| number.unwrap_or_default();
    if count(status.updated_replicas) < wanted {
        return Some(format!(
            "{} of {wanted} Pods are made",
            count(status.updated_replicas)
        ));
    }
    if count(status.replicas) > count(status.updated_replicas) {
        return Some("a Pod of the version before is still there".to_owned());
    }
    if count(status.available_replicas) < wanted {
        return Some(format!(
            "{} of {wanted} Pods are ready",
            count(status.available_replicas)
        ));
    }
    None
}

/// What keeps the Pods of a part from running, and whether that is hopeless.
async fn pod_trouble(
    client: &Client,
    part: &str,
    deployment: &Deployment,
) -> Result<Option<(String, bool)>, kube::Error> {
    let params = ListParams::default().labels(&format!("{PART_LABEL}={part}"));
    let mut pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE)
        .list(&params)
        .await?
        .items;
    pods.retain(|pod| pod.metadata.deletion_timestamp.is_none() && is_of(pod, deployment));
    pods.sort_by(|a, b| a.metadata.creation_timestamp.cmp(&b.metadata.creation_timestamp));
    let Some(newest) = pods.last() else {
        return last_event(client, part)
            .await
            .map(|why| why.map(|why| (why, false)));
    };
    let name = newest.metadata.name.as_deref().unwrap_or_default();
    if let Some((why, hopeless)) = trouble_of(newest, part == EMULATOR) {
        let log = match log_of_the_end(newest) {
            Some(log) => last_words(client, name, log).await,
            None => None,
        };
        return Ok(Some((
            log.map_or(why.clone(), |log| format!("{why}; its log ends: {log}")),
            hopeless,
        )));
    }
    Ok(last_event(client, name).await?.map(|why| (why, false)))
}

/// Whether a Pod runs the programs that a Deployment wants now. What keeps an earlier one from running is told no more.
fn is_of(pod: &Pod, deployment: &Deployment) -> bool {
    let programs = |spec: Option<&PodSpec>| {
        let containers = spec.map(|spec| spec.containers.as_slice()).unwrap_or_default();
        let program = |container: &Container| (container.image.clone(), container.args.clone());
        containers.iter().map(program).collect::<Vec<_>>()
    };
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    programs(pod.spec.as_ref()) == programs(wanted)
}

/// Where the container of a Pod wrote what it said last before it ended: as the one that is there now, or the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogOf {
    This,
    Previous,
}

/// Where the last words of a container are that has ended.
fn log_of_the_end(pod: &Pod) -> Option<LogOf> {
    let status = pod.status.as_ref()?;
    status.container_statuses.iter().flatten().find_map(|container| {
        let state = container.state.as_ref();
        if state.is_some_and(|state| state.terminated.is_some()) {
            return Some(LogOf::This);
        }
        (container.restart_count > 0).then_some(LogOf::Previous)
    })
}

/// The last line that the container of a Pod wrote before it ended.
async fn last_words(client: &Client, pod: &str, log: LogOf) -> Option<String> {
    let params = LogParams {
        previous: log == LogOf::Previous,
        tail_lines: Some(1),
        limit_bytes: Some(1000),
        ..LogParams::default()
    };
    let log = Api::<Pod>::namespaced(client.clone(), NAMESPACE)
        .logs(pod, &params)
        .await
        .ok()?;
    Some(log.trim().to_owned()).filter(|log| !log.is_empty())
}

/// What a Pod itself tells of its trouble.
fn trouble_of(pod: &Pod, is_emulator: bool) -> Option<(String, bool)> {
    let status = pod.status.as_ref()?;
    for container in status.container_statuses.iter().flatten() {
        let ended = [&container.state, &container.last_state]
            .into_iter()
            .flatten()
            .find_map(|state| state.terminated.as_ref());
        if is_emulator && ended.is_some_and(|ended| ended.exit_code == LICENCE_EXIT) {
            let why = format!(
                "the image {} needs a licence (LocalStack's exit code 55)",
                container.image
            );
            return Some((why, true));
        }
        let now = container
            .state
            .as_ref()
            .and_then(|state| state.terminated.as_ref());
        if let Some(now) = now.filter(|now| now.exit_code != 0) {
            return Some((format!("it ended with exit code {}", now.exit_code), false));
        }
        if let Some(why) = waiting(container) {
            let ended = ended
                .map(|ended| format!(", last exit code {}", ended.exit_code))
                .unwrap_or_default();
            return Some((format!("{why}{ended}"), false));
        }
    }
    let conditions = status.conditions.iter().flatten();
    let unscheduled =
        conditions.filter(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    unscheduled
        .filter_map(|condition| condition.message.clone())
        .map(|why| (why, false))
        .next()
}

fn waiting(container: &ContainerStatus) -> Option<String> {
    let ContainerState {
        waiting: Some(waiting),
        ..
    } = container.state.as_ref()?
    else {
        return None;
    };
    let reason = waiting
        .reason
        .as_deref()
        .filter(|reason| *reason != "ContainerCreating")?;
    let image = if reason.contains("Image") {
        format!(" ({})", container.image)
    } else {
        String::new()
    };
    // The message of a crash loop names only the Pod and its uid.
    let message = waiting
        .message
        .as_deref()
        .filter(|_| reason != "CrashLoopBackOff")
        .map(|message| format!(": {message}"))
        .unwrap_or_default();
    Some(format!("{reason}{image}{message}"))
}

/// The newest warning about an object, or about a `ReplicaSet` of it.
async fn last_event(client: &Client, name: &str) -> Result<Option<String>, kube::Error> {
    let params = ListParams::default().fields("type=Warning");
    let events = Api::<Event>::namespaced(client.clone(), NAMESPACE)
        .list(&params)
        .await?
        .items;
    let about = |event: &&Event| {
        event
            .involved_object
            .name
            .as_deref()
            .is_some_and(|object| object.starts_with(name))
    };
    let time = |event: &&Event| {
        (
            event.last_timestamp.clone(),
            event.metadata.creation_timestamp.clone(),
        )
    };
    let newest = events.iter().filter(about).max_by_key(time);
    Ok(newest.and_then(|event| {
        Some(format!(
            "{}: {}",
            event.reason.as_deref().unwrap_or("Warning"),
            event.message.as_deref()?.trim()
        ))
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

/// Whether the emulator says that it is ready, asked through the API server.
pub async fn emulator_ready(client: &Client) -> Result<bool, kube::Error> {
    let path =
        format!("/api/v1/namespaces/{NAMESPACE}/services/{EMULATOR}:{EMULATOR_PORT}/proxy/_localstack/init");
    let request = hyper::http::Request::get(path)
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    // Not reachable, not found, not JSON, too slow: all of these mean not ready.
    let answer = tokio::time::timeout(EMULATOR_PATIENCE, client.request::<serde_json::Value>(request)).await;
    let answer = answer.ok().and_then(Result::ok);
    let completed = answer
        .as_ref()
        .and_then(|answer| answer.pointer("/completed/READY"));
    Ok(completed.and_then(serde_json::Value::as_bool).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn deployment(generation: i64, status: &Value) -> Deployment {
        let object = json!({
            "metadata": { "generation": generation },
            "spec": { "replicas": 1, "selector": {}, "template": {} },
            "status": status,
        });
        serde_json::from_value(object).unwrap()
    }

    fn pod(status: &Value) -> Pod {
        serde_json::from_value(json!({ "status": status })).unwrap()
    }

    fn container(state: &Value, last: &Value) -> Value {
        json!({ "containerStatuses": [{
            "name": "c", "image": "img:1", "imageID": "", "ready": false, "restartCount": 1,
            "state": state, "lastState": last,
        }] })
    }

    #[test]
    fn a_rollout_is_complete_only_when_the_newest_pod_alone_is_available() {
        let done = json!({
            "observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1,
        });
        assert_eq!(incomplete(&deployment(2, &done)), None);
        assert!(
            incomplete(&deployment(3, &done))
                .unwrap()
                .contains("newest version")
        );
        let with = |key: &str, value: i32| {
            let mut status = done.clone();
            status[key] = value.into();
            incomplete(&deployment(2, &status)).unwrap()
        };
        assert_eq!(with("updatedReplicas", 0), "0 of 1 Pods are made");
        assert_eq!(with("replicas", 2), "a Pod of the version before is still there");
        assert_eq!(with("availableReplicas", 0), "0 of 1 Pods are ready");
    }

    #[test]
    fn a_pod_of_an_earlier_template_is_told_apart() {
        let spec =
            |image: &str, args: &[&str]| json!({"containers": [{"name": "c", "image": image, "args": args}]});
        let pod: Pod = serde_json::from_value(json!({"spec": spec("img:1", &["--a"])})).unwrap();
        let deployment = |spec: Value| -> Deployment {
            serde_json::from_value(json!({"spec": {"selector": {}, "template": {"spec": spec}}})).unwrap()
        };
        assert!(is_of(&pod, &deployment(spec("img:1", &["--a"]))));
        assert!(!is_of(&pod, &deployment(spec("img:2", &["--a"]))));
        assert!(!is_of(&pod, &deployment(spec("img:1", &["--b"]))));
    }

    #[test]
    fn a_missing_licence_is_hopeless_whatever_the_state_is_called() {
        let ended = json!({ "terminated": { "exitCode": 55 } });
        let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 10s" } });
        for status in [container(&ended, &json!({})), container(&waiting, &ended)] {
            let (why, hopeless) = trouble_of(&pod(&status), true).unwrap();
            assert_eq!(why, "the image img:1 needs a licence (LocalStack's exit code 55)");
            assert!(hopeless);
            let (why, hopeless) = trouble_of(&pod(&status), false).unwrap();
            assert!(why.contains("exit code 55") && !hopeless, "{why}");
        }
    }

    #[test]
    fn the_last_words_are_in_the_log_of_the_container_that_ended() {
        let log = |state: &Value, restarts: i32| {
            let mut status = container(state, &json!({}));
            status["containerStatuses"][0]["restartCount"] = restarts.into();
            log_of_the_end(&pod(&status))
        };
        let ended = json!({ "terminated": { "exitCode": 1 } });
        assert_eq!(log(&ended, 0), Some(LogOf::This));
        assert_eq!(log(&ended, 3), Some(LogOf::This));
        assert_eq!(log(&json!({ "waiting": {} }), 3), Some(LogOf::Previous));
        assert_eq!(log(&json!({ "running": {} }), 0), None);
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_named() {
        let waiting = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "no such host" } });
        let trouble = trouble_of(&pod(&container(&waiting, &json!({}))), true);
        assert_eq!(
            trouble,
            Some(("ImagePullBackOff (img:1): no such host".to_owned(), false))
        );
    }

    #[test]
    fn a_container_that_ends_again_and_again_tells_its_exit_code() {
        let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 10s" } });
        let trouble = trouble_of(
            &pod(&container(&waiting, &json!({ "terminated": { "exitCode": 2 } }))),
            true,
        );
        assert_eq!(
            trouble,
            Some(("CrashLoopBackOff, last exit code 2".to_owned(), false))
        );
    }

    #[test]
    fn a_pod_that_just_begins_has_no_trouble() {
        let waiting = json!({ "waiting": { "reason": "ContainerCreating" } });
        assert_eq!(trouble_of(&pod(&container(&waiting, &json!({}))), true), None);
        assert_eq!(trouble_of(&pod(&json!({})), true), None);
    }

    #[test]
    fn a_pod_that_fits_nowhere_says_why() {
        let status = json!({ "conditions": [
            { "type": "PodScheduled", "status": "False", "message": "0/1 nodes are available" },
        ] });
        assert_eq!(
            trouble_of(&pod(&status), true),
            Some(("0/1 nodes are available".to_owned(), false))
        );
    }
}
