//! Sidecars that fetch credentials.

use irsa_emu_core::contract::SIDECAR;

use super::first::{Wrong, judge};
use crate::checks::engine::Verdict;
use crate::checks::surroundings::Surroundings;
use crate::checks::surroundings::pods::Pod;

/// Findings of a sidecar that does not work.
const NOT_AT_WORK: [&str; 1] = ["sidecar-not-running"];

pub(super) async fn at_work(s: &Surroundings<'_>) -> Verdict {
    let native = s.settings().await?.inject.native_sidecars;
    judge(s.pods().await?, |pod| {
        stripped(pod, native, |rest| s.kubectl(rest)).or_else(|| pod.finding(&NOT_AT_WORK))
    })
}

/// A sidecar whose `restartPolicy` another webhook, built for an older Kubernetes, has dropped: it is an init container
/// that never ends, and the Pod never starts.
fn stripped(pod: &Pod, native: bool, kubectl: impl Fn(&str) -> String) -> Option<Wrong> {
    let init = pod.object["spec"]["initContainers"].as_array()?;
    let ours = init.iter().find(|container| container["name"] == SIDECAR)?;
    (native && ours["restartPolicy"] != "Always").then(|| {
        let message = "its sidecar has lost restartPolicy: Always, so the Pod never starts: another webhook, made for a \
Kubernetes before 1.29, rewrote the Pod";
        (message.to_owned(), kubectl("get mutatingwebhookconfigurations"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::checks::surroundings::pods::tests::pod;

    #[test]
    fn a_sidecar_without_its_restart_policy_is_told() {
        let told = |container: &Value, native| {
            let pod = pod("p", json!({"spec": {"initContainers": [container]}}));
            stripped(&pod, native, |rest| rest.to_owned()).is_some()
        };
        assert!(told(&json!({"name": SIDECAR}), true));
        assert!(!told(&json!({"name": SIDECAR, "restartPolicy": "Always"}), true));
        assert!(!told(&json!({"name": SIDECAR}), false));
        assert!(!told(&json!({"name": "other"}), true));
    }
}
