//! What keeps the Pods of a part from running: their status, the end of their logs, and the last Event.

use irsa_emu_core::contract::PART_LABEL;
use irsa_emu_core::contract::{EMULATOR, NAMESPACE};
use irsa_emu_core::emulator::{self, EmulatorFacts};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, ContainerState, ContainerStatus, EnvVar, Event, Pod, PodSpec};
use kube::api::{ListParams, LogParams, ObjectMeta};
use kube::{Api, Client};

use crate::objects::emulator::TOKEN_MARK;

/// What keeps the Pods of a part from running, and whether that is hopeless.
pub(super) async fn of_pods(
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

/// Whether a Pod runs the programs that a Deployment wants now. What keeps an earlier one from running is no longer reported.
fn is_of(pod: &Pod, deployment: &Deployment) -> bool {
    let programs = |spec: Option<&PodSpec>| {
        let containers = spec.map(|spec| spec.containers.as_slice()).unwrap_or_default();
        let program = |container: &Container| (container.image.clone(), container.args.clone());
        containers.iter().map(program).collect::<Vec<_>>()
    };
    let marks = |metadata: Option<&ObjectMeta>| {
        let annotations = metadata.and_then(|metadata| metadata.annotations.as_ref());
        annotations.and_then(|annotations| annotations.get(TOKEN_MARK).cloned())
    };
    // Of variables, others may have added some.
    let has_variables = |wanted: Option<&PodSpec>| {
        let has: Vec<&EnvVar> = variables(pod.spec.as_ref()).collect();
        variables(wanted).all(|variable| has.contains(&variable))
    };
    let Some(template) = deployment.spec.as_ref().map(|spec| &spec.template) else {
        return false;
    };
    let wanted = template.spec.as_ref();
    programs(pod.spec.as_ref()) == programs(wanted)
        && has_variables(wanted)
        && marks(Some(&pod.metadata)) == marks(template.metadata.as_ref())
}

fn variables(spec: Option<&PodSpec>) -> impl Iterator<Item = &EnvVar> {
    let containers = spec.into_iter().flat_map(|spec| &spec.containers);
    containers.flat_map(|container| container.env.iter().flatten())
}

/// Where the last output of a Pod's container is: in the log of the present container, or of the one before.
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

/// What the status of a Pod reports of its trouble.
fn trouble_of(pod: &Pod, is_emulator: bool) -> Option<(String, bool)> {
    let status = pod.status.as_ref()?;
    for container in status.container_statuses.iter().flatten() {
        let ended = [&container.state, &container.last_state]
            .into_iter()
            .flatten()
            .find_map(|state| state.terminated.as_ref());
        let EmulatorFacts { name, licence, .. } = emulator::DEFAULT;
        if is_emulator && ended.is_some_and(|ended| ended.exit_code == licence.exit_code) {
            let why = format!(
                "the image {} needs a licence ({name}'s exit code {})",
                container.image, licence.exit_code
            );
            return Some((why, true));
        }
        let now = container
            .state
            .as_ref()
            .and_then(|state| state.terminated.as_ref());
        if ended.is_some_and(|ended| ended.reason.as_deref() == Some("OOMKilled")) {
            return Some((out_of_memory(is_emulator), false));
        }
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

/// What it is called where the kernel ended a container that used more memory than it may.
fn out_of_memory(is_emulator: bool) -> String {
    let more = if is_emulator {
        "; --emulator-memory gives it more"
    } else {
        ""
    };
    format!("it used more memory than its limit (OOMKilled){more}")
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

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
    fn a_pod_with_another_variable_or_token_is_of_an_earlier_template() {
        let of = |env: Value, token: &str| {
            json!({"metadata": {"annotations": {"irsa-emu.dev/auth-token": token}},
                "spec": {"containers": [{"name": "c", "image": "i", "env": env}]}})
        };
        let variable = |value: &str| json!({"name": "A", "value": value});
        let pod: Pod = serde_json::from_value(of(json!([variable("1"), {"name": "B"}]), "t")).unwrap();
        for (env, token, same) in [
            (json!([variable("1")]), "t", true),
            (json!([variable("2")]), "t", false),
            (json!([variable("1"), {"name": "C"}]), "t", false),
            (json!([variable("1")]), "u", false),
        ] {
            let deployment = json!({"spec": {"selector": {}, "template": of(env.clone(), token)}});
            let deployment: Deployment = serde_json::from_value(deployment).unwrap();
            assert_eq!(is_of(&pod, &deployment), same, "{env} {token}");
        }
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
    fn a_container_that_used_too_much_memory_says_so() {
        let ended = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } });
        let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        for status in [container(&ended, &json!({})), container(&waiting, &ended)] {
            let (why, hopeless) = trouble_of(&pod(&status), true).unwrap();
            assert!(why.contains("--emulator-memory") && !hopeless, "{why}");
            let (why, _) = trouble_of(&pod(&status), false).unwrap();
            assert!(why.contains("OOMKilled") && !why.contains("--emulator"), "{why}");
        }
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
