//! How the webhook is registered, and who else is.

use irsa_emu_cluster::kubernetes::deployment::scaled_down;
use irsa_emu_cluster::kubernetes::workload::Workload;
use irsa_emu_core::contract::{
    INSTANCE_LABEL, NAMESPACE, NAMESPACE_NAME_LABEL, SYSTEM_NAMESPACE, WEBHOOK, WEBHOOK_CONFIGURATION,
    WEBHOOK_NAME, WEBHOOK_NAME_ENFORCED, WEBHOOK_NAME_SYSTEM, WEBHOOK_TIMEOUT_SYSTEM,
};
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::ListParams;

use crate::checks::engine::{Trouble, Verdict, fine};
use crate::checks::surroundings::Surroundings;
use crate::remedy::Remedy;

/// The webhooks of our registration.
const OURS: [&str; 3] = [WEBHOOK_NAME, WEBHOOK_NAME_ENFORCED, WEBHOOK_NAME_SYSTEM];

/// Our webhooks in the registration.
pub(super) async fn registered<'s>(s: &'s Surroundings<'_>) -> Result<Vec<&'s MutatingWebhook>, Trouble> {
    let all = s.registrations().await?;
    let own = all
        .iter()
        .filter(|one| one.metadata.name.as_deref() == Some(WEBHOOK_CONFIGURATION));
    // Those that somebody else added to it are none of ours.
    let hooks: Vec<_> = own
        .flat_map(|own| own.webhooks.iter().flatten())
        .filter(|hook| OURS.contains(&hook.name.as_str()))
        .collect();
    if hooks.is_empty() {
        let message = "it does not exist: the webhook registers itself when it starts, and whenever it leads";
        return Err(
            about_registration(Trouble::new(message, s.session.command("up"))).repaired_by(Remedy::Up)
        );
    }
    Ok(hooks)
}

pub(super) fn about_registration(trouble: Trouble) -> Trouble {
    trouble.about(format!("MutatingWebhookConfiguration {WEBHOOK_CONFIGURATION}"))
}

/// A trouble that a restart of the webhook fixes.
pub(super) fn restart(s: &Surroundings<'_>, message: String) -> Trouble {
    let webhook = Workload::deployment(NAMESPACE, WEBHOOK);
    Trouble::new(message, s.kubectl(&webhook.restart())).repaired_by(Remedy::Restart(webhook))
}

pub(super) async fn config(s: &Surroundings<'_>) -> Verdict {
    let hooks = registered(s).await?;
    let mut faults: Vec<String> = OURS
        .into_iter()
        .filter(|name| !hooks.iter().any(|hook| hook.name == *name))
        .map(|name| format!("{name} is missing"))
        .collect();
    for hook in &hooks {
        faults.extend(
            self::faults(hook)
                .into_iter()
                .map(|fault| format!("{}: {fault}", hook.name)),
        );
    }
    if faults.is_empty() {
        let names: Vec<&str> = hooks.iter().map(|hook| hook.name.as_str()).collect();
        return fine(names.join(", "));
    }
    Err(about_registration(restart(s, faults.join("; "))))
}

pub(super) async fn ready(s: &Surroundings<'_>) -> Verdict {
    if let Some(why) = scaled_down(s.webhook().await?) {
        let about = format!("Deployment {NAMESPACE}/{WEBHOOK}");
        return Err(Trouble::new(why, s.session.command("up"))
            .about(about)
            .repaired_by(Remedy::Up));
    }
    let params = ListParams::default().labels(&format!("kubernetes.io/service-name={WEBHOOK}"));
    let slices = Api::<EndpointSlice>::namespaced(s.client().await?, NAMESPACE);
    let slices = slices.list(&params).await?;
    let is_ready = |slice: &&k8s_openapi::api::discovery::v1::Endpoint| {
        let conditions = slice.conditions.as_ref();
        conditions.and_then(|conditions| conditions.ready) == Some(true)
    };
    match slices
        .iter()
        .flat_map(|slice| &slice.endpoints)
        .filter(is_ready)
        .count()
    {
        0 => {
            let fix = s.kubectl(&format!("-n {NAMESPACE} logs deployment/{WEBHOOK} --tail 20"));
            let message = "it has no ready endpoint, so the API server cannot call the webhook";
            Err(Trouble::new(message, fix).about(format!("Service {NAMESPACE}/{WEBHOOK}")))
        }
        count => fine(format!("{count} Pod(s) of the webhook are ready")),
    }
}

/// What is wrong with a registration.
fn faults(hook: &MutatingWebhook) -> Vec<&'static str> {
    let has = |list: &Option<Vec<String>>, wanted: &str| list.iter().flatten().any(|item| item == wanted);
    let covers = hook
        .rules
        .iter()
        .flatten()
        .any(|rule| has(&rule.operations, "CREATE") && has(&rule.resources, "pods"));
    let left_out: Vec<&String> = hook
        .namespace_selector
        .iter()
        .flat_map(|selector| selector.match_expressions.iter().flatten())
        .filter(|rule| rule.key == NAMESPACE_NAME_LABEL && rule.operator == "NotIn")
        .flat_map(|rule| rule.values.iter().flatten())
        .collect();
    let leaves_out = |namespace: &str| left_out.iter().any(|name| *name == namespace);
    let is_system = hook.name == WEBHOOK_NAME_SYSTEM;
    let service = hook
        .client_config
        .service
        .as_ref()
        .is_some_and(|service| service.name == WEBHOOK && service.namespace == NAMESPACE);
    [
        (!covers, "it does not handle the creation of Pods"),
        (!service, "it does not name our Service"),
        (hook.client_config.ca_bundle.is_none(), "it has no CA"),
        (
            hook.side_effects != "None" && hook.side_effects != "NoneOnDryRun",
            "its sideEffects are neither None nor NoneOnDryRun, so dry runs fail",
        ),
        (
            !hook
                .admission_review_versions
                .iter()
                .any(|version| version == "v1"),
            "it does not accept AdmissionReview v1",
        ),
        (
            hook.timeout_seconds.unwrap_or(10) > 10,
            "its timeout is longer than 10 s",
        ),
        (
            hook.reinvocation_policy.as_deref() != Some("IfNeeded"),
            "it is not called again for containers that other webhooks add later",
        ),
        (
            !is_system && ![SYSTEM_NAMESPACE, NAMESPACE].into_iter().all(leaves_out),
            "it does not leave out kube-system and our own Namespace",
        ),
        (
            is_system && hook.failure_policy.as_deref() != Some("Ignore"),
            "its failurePolicy is not Ignore, so Pods of kube-system are refused if the webhook cannot be reached",
        ),
        (
            is_system && hook.timeout_seconds.unwrap_or(10) > WEBHOOK_TIMEOUT_SYSTEM,
            "its timeout is longer than 2 s, so Pods of kube-system wait longer if the webhook does not respond",
        ),
    ]
    .into_iter()
    .filter_map(|(wrong, fault)| wrong.then_some(fault))
    .collect()
}

/// Names by which webhooks that give Pods an identity are known.
const IDENTITY: [&str; 4] = ["pod-identity", "irsa", "iam-for-pods", "iamserviceaccount"];

pub(super) async fn conflict(s: &Surroundings<'_>) -> Verdict {
    let others: Vec<String> = s.registrations().await?.iter().filter_map(rival).collect();
    let Some(first) = others.first() else {
        return fine("no other webhook gives Pods an identity");
    };
    let message = format!(
        "it gives Pods an identity, too ({}): whichever is called first wins, and the API server calls them by name",
        others.join("; ")
    );
    let name = first.split(':').next().unwrap_or(first);
    let fix = s.kubectl(&format!("get mutatingwebhookconfiguration {name} -o yaml"));
    Err(Trouble::warning(message, fix).about(format!("MutatingWebhookConfiguration {name}")))
}

/// Whether a registration gives Pods an identity beside ours: its name and that of the webhook.
fn rival(other: &MutatingWebhookConfiguration) -> Option<String> {
    let name = other.metadata.name.as_deref().unwrap_or_default();
    if name == WEBHOOK_CONFIGURATION {
        return None;
    }
    let ours = other
        .metadata
        .labels
        .as_ref()
        .is_some_and(|labels| labels.contains_key(INSTANCE_LABEL));
    let known = |text: &str| IDENTITY.iter().any(|word| text.contains(word));
    let takes_pods = |hook: &&MutatingWebhook| {
        let resources = hook
            .rules
            .iter()
            .flatten()
            .flat_map(|rule| rule.resources.iter().flatten());
        resources
            .into_iter()
            .any(|resource| resource == "pods" || resource == "*")
    };
    let serves = |hook: &&MutatingWebhook| {
        let service = hook.client_config.service.as_ref();
        ours || known(name) || known(&hook.name) || service.is_some_and(|service| known(&service.name))
    };
    let mut hooks = other.webhooks.iter().flatten().filter(takes_pods);
    hooks.find(serves).map(|hook| format!("{name}: {}", hook.name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    type Change<'a> = &'a dyn Fn(&mut MutatingWebhook);

    fn hook() -> MutatingWebhook {
        serde_json::from_value(json!({
            "name": "pods.irsa-emu.dev", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 5,
            "reinvocationPolicy": "IfNeeded",
            "namespaceSelector": {"matchExpressions": [
                {"key": NAMESPACE_NAME_LABEL, "operator": "NotIn", "values": ["irsa-emu", "kube-system"]},
            ]},
            "clientConfig": {"caBundle": "YQ==", "service": {"name": WEBHOOK, "namespace": NAMESPACE}},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        }))
        .unwrap()
    }
    #[test]
    fn every_fault_of_a_registration_is_told() {
        assert!(faults(&hook()).is_empty());
        let told = |change: Change<'_>| {
            let mut broken = hook();
            change(&mut broken);
            faults(&broken)
        };
        let alone: [(Change<'_>, &str); 8] = [
            (&|hook| hook.rules = None, "does not handle"),
            (&|hook| hook.client_config.service = None, "our Service"),
            (&|hook| hook.client_config.ca_bundle = None, "no CA"),
            (&|hook| hook.side_effects = "Some".into(), "dry runs fail"),
            (
                &|hook| hook.admission_review_versions = vec!["v1beta1".into()],
                "AdmissionReview v1",
            ),
            (&|hook| hook.timeout_seconds = Some(30), "longer than 10 s"),
            (&|hook| hook.reinvocation_policy = None, "not called again"),
            (&|hook| hook.namespace_selector = None, "kube-system"),
        ];
        for (change, part) in alone {
            let faults = told(change);
            assert!(
                faults.len() == 1 && faults[0].contains(part),
                "{part}: {faults:?}"
            );
        }
        let system = |change: Change<'_>| {
            told(&|hook| {
                hook.name = WEBHOOK_NAME_SYSTEM.into();
                hook.namespace_selector = None;
                hook.failure_policy = Some("Ignore".into());
                hook.timeout_seconds = Some(2);
                change(hook);
            })
        };
        assert_eq!(system(&|_| {}), Vec::<&str>::new());
        let refusing = system(&|hook| hook.failure_policy = Some("Fail".into()));
        assert!(
            refusing.len() == 1 && refusing[0].contains("are refused"),
            "{refusing:?}"
        );
        let slow = system(&|hook| hook.timeout_seconds = Some(5));
        assert!(slow.len() == 1 && slow[0].contains("wait longer"), "{slow:?}");
    }

    #[test]
    fn a_rival_is_another_registration_that_gives_pods_an_identity() {
        let other = |name: &str, hook: &str, service: &str, resource: &str, labels: serde_json::Value| {
            let registration = json!({
                "metadata": {"name": name, "labels": labels},
                "webhooks": [{
                    "name": hook, "sideEffects": "None", "admissionReviewVersions": ["v1"],
                    "clientConfig": {"service": {"name": service, "namespace": "x"}},
                    "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": [resource]}],
                }],
            });
            rival(&serde_json::from_value(registration).unwrap())
        };
        let none = || json!({});
        assert_eq!(
            other(
                "pod-identity-webhook",
                "pod-identity-webhook.amazonaws.com",
                "w",
                "pods",
                none()
            )
            .as_deref(),
            Some("pod-identity-webhook: pod-identity-webhook.amazonaws.com")
        );
        assert!(other("x", "y", "pod-identity-webhook", "pods", none()).is_some());
        assert!(other("x", "y", "z", "pods", json!({INSTANCE_LABEL: "second"})).is_some());
        assert!(
            other(
                "istio-sidecar-injector",
                "rev.namespace.sidecar-injector.istio.io",
                "istiod",
                "pods",
                none()
            )
            .is_none()
        );
        assert!(other("pod-identity-webhook", "y", "z", "secrets", none()).is_none());
        assert!(
            other(
                WEBHOOK_CONFIGURATION,
                WEBHOOK_NAME,
                WEBHOOK,
                "pods",
                json!({INSTANCE_LABEL: "own"})
            )
            .is_none()
        );
    }
}
