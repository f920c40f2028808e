//! A Pod that is never made, sent through the webhook.

use std::time::Duration;

use irsa_emu_core::causes::chain;
use irsa_emu_core::choice::Choice;
use irsa_emu_core::contract::{CANARY, CANARY_NAMESPACE};
use irsa_emu_core::contract::{DELIVERY, NAMESPACE, SIDECAR, TOKEN_VOLUME, WEBHOOK, env};
use irsa_emu_core::recipe::DeliveryMode;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::checks::engine::{Trouble, Verdict, fine};
use crate::checks::surroundings::Surroundings;
use crate::explain::gather;

/// How often the canary is tried until the webhook must have heard of its ServiceAccount.
const TRIES: u32 = 12;
/// How long between two.
const PAUSE: Duration = Duration::from_millis(250);

/// What the install gives to Pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Given {
    /// What EKS gives, and nothing else.
    strict: bool,
    /// Sidecars that end by themselves.
    native_sidecars: bool,
    endpoints: Endpoints,
}

/// Where the calls of Pods go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoints {
    /// To real AWS, with credentials by the sidecar only.
    Aws,
    /// To the emulator, whose Service has no ClusterIP.
    Emulator,
    /// To the emulator, for S3 by the ClusterIP of its Service.
    EmulatorByIp,
}

pub(super) async fn injects(s: &Surroundings<'_>) -> Verdict {
    s.canary().await?;
    let emulator = gather::emulator(&s.client().await?).await?;
    let inject = s.settings().await?.with_emulator(emulator.as_ref()).inject;
    let given = Given {
        strict: inject.strict_eks,
        native_sidecars: inject.native_sidecars,
        endpoints: match (inject.emulator_url, inject.s3_url) {
            (None, _) => Endpoints::Aws,
            (Some(_), None) => Endpoints::Emulator,
            (Some(_), Some(_)) => Endpoints::EmulatorByIp,
        },
    };
    if given.endpoints == Endpoints::Aws {
        dry_run(s, DeliveryMode::Sidecar, given).await?;
        return fine("a canary Pod gets its sidecar");
    }
    if given.strict {
        dry_run(s, DeliveryMode::WebIdentity, given).await?;
        return fine("a canary Pod gets role and token");
    }
    tokio::try_join!(
        dry_run(s, DeliveryMode::WebIdentity, given),
        dry_run(s, DeliveryMode::Sidecar, given),
    )?;
    fine("a canary Pod gets role, token and endpoint; another one its sidecar")
}

async fn dry_run(s: &Surroundings<'_>, delivery: DeliveryMode, given: Given) -> Result<(), Trouble> {
    let api = Api::<Pod>::namespaced(s.client().await?, CANARY_NAMESPACE);
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let trouble = |message: String| {
        let logs = s.kubectl(&format!("-n {NAMESPACE} logs deployment/{WEBHOOK} --tail 20"));
        Trouble::new(message, logs).about(format!(
            "Pod {CANARY_NAMESPACE}/{CANARY} (dry run, delivery {})",
            delivery.as_str()
        ))
    };
    let sent = canary_pod(delivery);
    let pod: Pod = serde_json::from_value(sent.clone()).map_err(|error| trouble(error.to_string()))?;
    let mut why = String::new();
    for _ in 0..TRIES {
        let made = api.create(&params, &pod).await;
        let made = made.map_err(|error| trouble(format!("it is refused: {}", chain(&error))))?;
        let made = serde_json::to_value(&made).unwrap_or_default();
        match judge(&made, &sent, delivery, given) {
            None => return Ok(()),
            Some(lacking) => why = lacking,
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(trouble(why))
}

fn canary_pod(delivery: DeliveryMode) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": CANARY, "namespace": CANARY_NAMESPACE,
            "annotations": {DELIVERY: delivery.as_str()},
        },
        "spec": {
            "serviceAccountName": CANARY,
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "canary", "image": "irsa-emu.dev/canary:none", "imagePullPolicy": "Never",
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
            }],
        },
    })
}

/// What a Pod lacks of what it must get; `None` where it has all.
fn judge(made: &Value, sent: &Value, delivery: DeliveryMode, given: Given) -> Option<String> {
    let names = |value: &Value| -> Vec<String> {
        let variables = value.pointer("/spec/containers/0/env").and_then(Value::as_array);
        let variables = variables.into_iter().flatten();
        variables
            .filter_map(|variable| variable["name"].as_str().map(str::to_owned))
            .collect()
    };
    if names(made) == names(sent) {
        let why =
            "it comes back unchanged: the API server did not call the webhook, or the webhook skipped it";
        return Some(why.to_owned());
    }
    let there = names(made);
    let mut lacking: Vec<String> = wanted(delivery, given)
        .into_iter()
        .filter(|name| !there.iter().any(|other| other == name))
        .map(str::to_owned)
        .collect();
    if !has_token(made) {
        lacking.push(format!("the volume {TOKEN_VOLUME}"));
    }
    if delivery == DeliveryMode::Sidecar && !has_sidecar(made, given.native_sidecars) {
        lacking.push(format!("the sidecar {SIDECAR}"));
    }
    (!lacking.is_empty()).then(|| format!("it lacks {}", lacking.join(", ")))
}

/// The variables that a container must get.
fn wanted(delivery: DeliveryMode, given: Given) -> Vec<&'static str> {
    let mut wanted = match delivery {
        DeliveryMode::WebIdentity => vec![env::ROLE_ARN, env::TOKEN_FILE],
        DeliveryMode::Sidecar => vec![env::CONTAINER_URI, env::CONTAINER_TOKEN_FILE],
    };
    if given.strict {
        return wanted;
    }
    wanted.push(env::REGION);
    if given.endpoints == Endpoints::Aws {
        return wanted;
    }
    wanted.push(env::ENDPOINT);
    if delivery == DeliveryMode::WebIdentity {
        wanted.push(env::ENDPOINT_STS);
    }
    if given.endpoints == Endpoints::EmulatorByIp {
        wanted.push(env::ENDPOINT_S3);
    }
    wanted.push(env::DISABLE_HOST_PREFIX);
    wanted
}

fn has_token(pod: &Value) -> bool {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    volumes.into_iter().flatten().any(|volume| {
        volume["name"] == TOKEN_VOLUME
            && volume
                .pointer("/projected/sources/0/serviceAccountToken")
                .is_some()
    })
}

fn has_sidecar(pod: &Value, native: bool) -> bool {
    let list = if native {
        "/spec/initContainers"
    } else {
        "/spec/containers"
    };
    let containers = pod.pointer(list).and_then(Value::as_array);
    containers
        .into_iter()
        .flatten()
        .any(|container| container["name"] == SIDECAR && (!native || container["restartPolicy"] == "Always"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Given = Given {
        strict: false,
        native_sidecars: true,
        endpoints: Endpoints::EmulatorByIp,
    };
    const STRICT: Given = Given {
        strict: true,
        ..USUAL
    };

    #[test]
    fn the_canary_is_a_pod() {
        assert!(serde_json::from_value::<Pod>(canary_pod(DeliveryMode::Sidecar)).is_ok());
    }

    fn made(delivery: DeliveryMode, variables: &[&str]) -> Value {
        let mut pod = canary_pod(delivery);
        let variables: Vec<Value> = variables.iter().map(|name| json!({"name": name})).collect();
        pod["spec"]["containers"][0]["env"] = variables.into();
        pod["spec"]["volumes"] = json!([{"name": "aws-iam-token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}]);
        pod
    }

    #[test]
    fn what_a_pod_of_delivery_web_identity_lacks_is_named() {
        let delivery = DeliveryMode::WebIdentity;
        let sent = canary_pod(delivery);
        let judge = |pod: &Value, given| judge(pod, &sent, delivery, given);
        assert!(
            judge(&sent, USUAL)
                .unwrap()
                .starts_with("it comes back unchanged")
        );
        let mut eks = made(delivery, &["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"]);
        assert_eq!(judge(&eks, STRICT), None);
        assert_eq!(
            judge(&eks, USUAL).unwrap(),
            "it lacks AWS_REGION, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL_S3, AWS_DISABLE_HOST_PREFIX_INJECTION"
        );
        let headless = Given {
            endpoints: Endpoints::Emulator,
            ..USUAL
        };
        assert_eq!(
            judge(&eks, headless).unwrap(),
            "it lacks AWS_REGION, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_STS, AWS_DISABLE_HOST_PREFIX_INJECTION"
        );
        eks["spec"]["volumes"] = json!([{"name": "aws-iam-token", "emptyDir": {}}]);
        assert_eq!(judge(&eks, STRICT).unwrap(), "it lacks the volume aws-iam-token");
    }

    #[test]
    fn a_sidecar_must_be_one_that_ends_by_itself() {
        let delivery = DeliveryMode::Sidecar;
        let sent = canary_pod(delivery);
        let judge = |pod: &Value, given| judge(pod, &sent, delivery, given);
        let variables = [
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            "AWS_REGION",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_S3",
            "AWS_DISABLE_HOST_PREFIX_INJECTION",
        ];
        let mut pod = made(delivery, &variables);
        assert_eq!(
            judge(&pod, USUAL).unwrap(),
            "it lacks the sidecar irsa-emu-creds-injector"
        );
        pod["spec"]["initContainers"] = json!([{"name": SIDECAR}]);
        assert!(judge(&pod, USUAL).is_some(), "its restartPolicy was dropped");
        pod["spec"]["initContainers"] = json!([{"name": SIDECAR, "restartPolicy": "Always"}]);
        assert_eq!(judge(&pod, USUAL), None);
        let classic = Given {
            native_sidecars: false,
            ..USUAL
        };
        assert!(judge(&pod, classic).is_some());
    }
}
