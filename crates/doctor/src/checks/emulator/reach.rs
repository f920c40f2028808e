//! Whether the emulator can be reached: from this machine, and from a Pod.

use std::time::Duration;

use irsa_emu_core::contract::{CANARY_NAMESPACE, PROBE};
use irsa_emu_core::contract::{DEFAULT_ACCOUNT, EMULATOR, EMULATOR_PORT, NAMESPACE, SKIP_LABEL, reach};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use serde_json::{Value, json};

use crate::checks::engine::{Trouble, Verdict, fine};
use crate::checks::surroundings::Surroundings;
use crate::emulator;

/// How long the probe may take to start and to end.
const PROBE_TIMEOUT: Duration = Duration::from_secs(15);
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(150);

pub(super) async fn from_host(s: &Surroundings<'_>) -> Verdict {
    let Some(url) = s.host_endpoint().await? else {
        let message = "this machine has no port for the emulator: tools here cannot reach it, Pods can";
        let fix = s.kubectl(&format!(
            "-n {NAMESPACE} port-forward service/{EMULATOR} {EMULATOR_PORT}"
        ));
        return Err(Trouble::warning(message, fix));
    };
    let arn = emulator::caller(&url, DEFAULT_ACCOUNT).await.map_err(|why| {
        Trouble::new(
            format!("{url} does not respond to GetCallerIdentity: {why}"),
            s.session.command("doctor --only host-*"),
        )
    })?;
    fine(format!("{url} responds as {arn}"))
}

pub(super) async fn from_pod(s: &Surroundings<'_>) -> Verdict {
    let about = |trouble: Trouble| trouble.about(format!("Pod {CANARY_NAMESPACE}/{PROBE}"));
    let inject = s.settings().await?.inject;
    let urls: Vec<String> = inject.emulator_url.into_iter().chain([inject.sts_url]).collect();
    let image = inject.sidecar_image;
    let fix = s.kubectl(&format!(
        "-n {CANARY_NAMESPACE} get events --field-selector involvedObject.name={PROBE}"
    ));
    let pod = serde_json::from_value(probe(&image, &urls))
        .map_err(|error| Trouble::new(error.to_string(), fix.clone()))?;
    let api = s.probe(&pod).await?;
    let said = said(&api).await.map_err(|why| about(Trouble::new(why, fix)))?;
    judge(&said, urls.len(), |rest| s.kubectl(rest))
}

/// A Pod without any identity, so that nothing but the network is tried.
fn probe(image: &str, urls: &[String]) -> Value {
    let args: Vec<&str> = ["reach"]
        .into_iter()
        .chain(urls.iter().map(String::as_str))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": PROBE, "namespace": CANARY_NAMESPACE, "labels": {SKIP_LABEL: "true"}},
        "spec": {
            "automountServiceAccountToken": false,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "probe", "image": image, "imagePullPolicy": "IfNotPresent", "args": args,
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
                },
                "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"memory": "32Mi"}},
            }],
        },
    })
}

/// What the probe wrote until it ended.
async fn said(api: &Api<Pod>) -> Result<String, String> {
    let deadline = tokio::time::Instant::now() + PROBE_TIMEOUT;
    loop {
        let pod = api.get_status(PROBE).await.map_err(|error| error.to_string())?;
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        if matches!(phase, Some("Succeeded" | "Failed")) {
            let logs = api.logs(PROBE, &LogParams::default()).await;
            return logs.map_err(|error| format!("its log cannot be read: {error}"));
        }
        let why = waiting(&pod).unwrap_or_default();
        if why.contains("Image") || tokio::time::Instant::now() > deadline {
            return Err(format!("the probe does not run: {why}"));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn waiting(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let waiting = status
        .container_statuses
        .as_ref()?
        .first()?
        .state
        .as_ref()?
        .waiting
        .as_ref()?;
    let message = waiting.message.as_deref().unwrap_or_default();
    Some(format!(
        "{} {message}",
        waiting.reason.as_deref().unwrap_or_default()
    ))
}

/// `said` has one line of JSON for each URL.
fn judge(said: &str, urls: usize, kubectl: impl Fn(&str) -> String) -> Verdict {
    let lines: Vec<Value> = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    if lines.len() != urls {
        let message = format!(
            "the probe reported {} URLs, not {urls}: {}",
            lines.len(),
            said.trim()
        );
        return Err(Trouble::new(message, kubectl("-n kube-system get pods")));
    }
    let failed = lines.iter().find(|line| line[reach::STAGE] != reach::DONE);
    let Some(failed) = failed else {
        let urls: Vec<String> = lines.iter().map(|line| text(line, reach::URL)).collect();
        return fine(format!("a Pod gets responses from {}", urls.join(" and ")));
    };
    let (url, detail) = (text(failed, reach::URL), text(failed, reach::DETAIL));
    let (what, fix) = match text(failed, reach::STAGE).as_str() {
        reach::NAME => (
            "a Pod does not find the name",
            kubectl("-n kube-system logs -l k8s-app=kube-dns --tail 20"),
        ),
        reach::CONNECTION => ("a Pod gets no connection", kubectl("get networkpolicies -A")),
        _ => (
            "a Pod gets no response",
            kubectl(&format!("-n {NAMESPACE} get pods -o wide")),
        ),
    };
    Err(Trouble::new(format!("{what} of {url}: {detail}"), fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_is_a_pod() {
        assert!(serde_json::from_value::<Pod>(probe("i", &["http://a".into()])).is_ok());
    }

    #[test]
    fn where_the_way_of_a_pod_ends_decides_what_to_look_at() {
        let line = |stage: &str| json!({"url": "http://a", "stage": stage, "detail": "why"}).to_string();
        let judge = |said: &str| judge(said, 1, |rest| rest.to_owned());
        assert!(judge(&line("done")).is_ok());
        for (stage, message, fix) in [
            (
                "name",
                "a Pod does not find the name of http://a: why",
                "kube-dns",
            ),
            (
                "connection",
                "a Pod gets no connection of http://a: why",
                "networkpolicies",
            ),
            ("answer", "a Pod gets no response of http://a: why", "get pods"),
        ] {
            let trouble = judge(&line(stage)).unwrap_err();
            assert_eq!(trouble.message, message);
            assert!(trouble.fix.contains(fix), "{}", trouble.fix);
        }
        assert!(
            judge("Segmentation fault")
                .unwrap_err()
                .message
                .contains("Segmentation fault")
        );
    }
}
