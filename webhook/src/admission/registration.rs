//! The MutatingWebhookConfiguration: made from the settings, put right when someone changes it, and
//! watched by every replica, which is ready only while the API server can reach it through it.
//!
//! It belongs to the ClusterRole of the install. However the install is removed, the garbage collector takes the
//! registration with it: nobody else would, and its `Fail` part would go on to refuse Pods.

use std::sync::Arc;
use std::time::Duration;

use irsa_emu_core::contract::{
    FIELD_MANAGER, INJECTION_DISABLED, INJECTION_ENFORCE, INJECTION_LABEL, INSTANCE_LABEL,
    NAMESPACE_NAME_LABEL, SKIP_LABEL, SYSTEM_NAMESPACE, WEBHOOK, WEBHOOK_CONFIGURATION, WEBHOOK_NAME,
    WEBHOOK_NAME_ENFORCED, WEBHOOK_NAME_SYSTEM, WEBHOOK_PATH_ENFORCED, WEBHOOK_TIMEOUT,
    WEBHOOK_TIMEOUT_SYSTEM,
};
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::args::Settings;
use crate::health::Readiness;
use crate::one_object::{self, Followed};
use crate::tls::Certificates;

/// What no watch reports is corrected after this at the latest.
const REPEAT: Duration = Duration::from_secs(15);
/// Kind of the registration's owner.
const OWNER_KIND: &str = "ClusterRole";
/// Two who disagree about the registration take turns at this pace.
const PAUSE: Duration = Duration::from_millis(500);

/// The registration as the cluster has it; `None` where there is none.
pub(crate) type Registered = Followed<MutatingWebhookConfiguration>;

/// Follows the registration. The future drives the watch; it ends only with an error.
pub(crate) fn follow(
    client: &Client,
) -> (
    Registered,
    impl Future<Output = anyhow::Result<()>> + Send + 'static,
) {
    one_object::follow(Api::all(client.clone()), WEBHOOK_CONFIGURATION)
}

/// Keeps this replica ready while the registration trusts the certificate that it serves.
pub(crate) async fn keep_ready(
    mut registered: Registered,
    certificates: Certificates,
    readiness: Readiness,
) -> anyhow::Result<()> {
    let mut served = certificates.changes();
    loop {
        let trusted = registered
            .borrow_and_update()
            .as_ref()
            .is_some_and(|found| reaches(found, |bundle| certificates.trusted_by(bundle)));
        readiness.set(trusted);
        tokio::select! {
            changed = registered.changed() => changed?,
            changed = served.changed() => changed?,
            // A certificate can also expire.
            () = tokio::time::sleep(REPEAT) => {}
        }
    }
}

/// Whether the webhooks of a registration trust what is served. Those that somebody else added are none of ours. The one for
/// `kube-system` may be missing: an older version that leads does not register it, and leads until this replica is ready.
fn reaches(found: &MutatingWebhookConfiguration, trusts: impl Fn(&[u8]) -> bool) -> bool {
    let needed = [WEBHOOK_NAME, WEBHOOK_NAME_ENFORCED];
    let hooks = || found.webhooks.iter().flatten();
    let is_ours =
        |hook: &&MutatingWebhook| needed.contains(&hook.name.as_str()) || hook.name == WEBHOOK_NAME_SYSTEM;
    let trusted = |hook: &MutatingWebhook| {
        hook.client_config
            .ca_bundle
            .as_ref()
            .is_some_and(|bundle| trusts(&bundle.0))
    };
    needed.iter().all(|name| hooks().any(|hook| hook.name == *name)) && hooks().filter(is_ours).all(trusted)
}

/// Keeps the registration right while this replica leads. An apply that changes nothing costs the API server one
/// comparison, and notifies no watch.
pub(crate) async fn keep(
    client: Client,
    settings: Arc<Settings>,
    certificates: Certificates,
    mut registered: Registered,
) -> anyhow::Result<()> {
    let mut served = certificates.changes();
    let api = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let cluster_roles = Api::<ClusterRole>::all(client);
    let mut owner = Owner::of(registered.borrow().as_deref());
    loop {
        registered.mark_unchanged();
        owner = owner.looked_up(&cluster_roles).await;
        if owner == Owner::Gone {
            tracing::warn!("the install is being removed: its ClusterRole is gone, so nothing is registered");
        } else {
            let wanted = configuration(
                &settings,
                &certificates.path().prefix(),
                &certificates.ca_bundle(),
                &owner,
            );
            let params = PatchParams::apply(FIELD_MANAGER).force();
            let wanted = Patch::Apply(&wanted);
            let applied = api.patch(WEBHOOK_CONFIGURATION, &params, &wanted);
            if let Err(error) = applied.await {
                tracing::error!(%error, "cannot register the webhook; trying again");
            }
        }
        tokio::time::sleep(PAUSE).await;
        tokio::select! {
            changed = served.changed() => changed?,
            changed = registered.changed() => changed?,
            () = tokio::time::sleep(REPEAT) => {}
        }
    }
}

/// The ClusterRole of the install, with which the registration goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owner {
    /// It is there, with this uid.
    There(String),
    /// It is not there.
    Gone,
    /// It was never seen: who installed the webhook lets it not be read.
    Unknown,
}

impl Owner {
    /// The one that a registration has.
    fn of(registered: Option<&MutatingWebhookConfiguration>) -> Self {
        let owners = registered.and_then(|found| found.metadata.owner_references.as_ref());
        let is_ours = |owner: &&OwnerReference| owner.kind == OWNER_KIND && owner.name == WEBHOOK;
        let ours = owners.into_iter().flatten().find(is_ours);
        ours.map_or(Self::Unknown, |owner| Self::There(owner.uid.clone()))
    }

    /// The ClusterRole as it is now; the last one where it cannot be read.
    async fn looked_up(self, cluster_roles: &Api<ClusterRole>) -> Self {
        match cluster_roles.get_metadata_opt(WEBHOOK).await {
            Ok(Some(found)) => found.metadata.uid.map_or(self, Self::There),
            Ok(None) => Self::Gone,
            Err(error) => {
                tracing::warn!(%error, "cannot read the ClusterRole of the install");
                self
            }
        }
    }

    fn references(&self) -> Vec<OwnerReference> {
        let Self::There(uid) = self else {
            return Vec::new();
        };
        vec![OwnerReference {
            api_version: "rbac.authorization.k8s.io/v1".to_owned(),
            kind: OWNER_KIND.to_owned(),
            name: WEBHOOK.to_owned(),
            uid: uid.clone(),
            ..OwnerReference::default()
        }]
    }
}

/// The registration. `path` has the secret segment, `ca` is PEM.
fn configuration(settings: &Settings, path: &str, ca: &str, owner: &Owner) -> Value {
    use base64::Engine as _;
    let ca_bundle = base64::engine::general_purpose::STANDARD.encode(ca);
    let name = |operator: &str, names: &[&str]| json!({"key": NAMESPACE_NAME_LABEL, "operator": operator, "values": names});
    let label = |operator: &str, values: &[&str]| json!({"key": INJECTION_LABEL, "operator": operator, "values": values});
    let everywhere = name("NotIn", &[&settings.install.namespace, SYSTEM_NAMESPACE]);
    let lenient = Hook {
        name: WEBHOOK_NAME,
        path: path.to_owned(),
        failure_policy: "Ignore",
        timeout: WEBHOOK_TIMEOUT,
        namespaces: json!([
            everywhere,
            label("NotIn", &[INJECTION_DISABLED, INJECTION_ENFORCE])
        ]),
    };
    let enforced = Hook {
        name: WEBHOOK_NAME_ENFORCED,
        path: format!("{path}{WEBHOOK_PATH_ENFORCED}"),
        failure_policy: "Fail",
        timeout: WEBHOOK_TIMEOUT,
        namespaces: json!([everywhere, label("In", &[INJECTION_ENFORCE])]),
    };
    // Whatever happens to us, and whatever its label is, the cluster's own Pods start, and soon.
    let system = Hook {
        name: WEBHOOK_NAME_SYSTEM,
        path: path.to_owned(),
        failure_policy: "Ignore",
        timeout: WEBHOOK_TIMEOUT_SYSTEM,
        namespaces: json!([
            name("In", &[SYSTEM_NAMESPACE]),
            label("NotIn", &[INJECTION_DISABLED])
        ]),
    };
    let webhooks = [lenient, enforced, system].map(|hook| hook.registered(settings, &ca_bundle));
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {
            "name": WEBHOOK_CONFIGURATION,
            "labels": {INSTANCE_LABEL: settings.install.instance},
            "ownerReferences": owner.references(),
        },
        "webhooks": webhooks,
    })
}

/// What differs between the webhooks of the registration.
struct Hook {
    name: &'static str,
    path: String,
    failure_policy: &'static str,
    timeout: i32,
    namespaces: Value,
}

impl Hook {
    fn registered(&self, settings: &Settings, ca_bundle: &str) -> Value {
        json!({
            "name": self.name,
            "admissionReviewVersions": ["v1", "v1beta1"],
            "clientConfig": {
                "caBundle": ca_bundle,
                "service": {"name": WEBHOOK, "namespace": settings.install.namespace, "path": self.path, "port": 443},
            },
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced"}],
            "failurePolicy": self.failure_policy,
            "matchPolicy": "Equivalent",
            "namespaceSelector": {"matchExpressions": self.namespaces},
            "objectSelector": {"matchExpressions": [{"key": SKIP_LABEL, "operator": "DoesNotExist"}]},
            "reinvocationPolicy": "IfNeeded",
            // Events on the owners of Pods, which a dry run does not write.
            "sideEffects": "NoneOnDryRun",
            "timeoutSeconds": self.timeout,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use irsa_emu_core::pod_view::PodView;
    use irsa_emu_core::reach::reach;

    use super::*;
    use crate::args::Args;

    fn made() -> Value {
        let settings = Settings::resolve(Args::parse_from(["w", "--sidecar-image", "i"]));
        let owner = Owner::There("u-1".into());
        configuration(&settings, "/mutate/secret", "PEM", &owner)
    }

    #[test]
    fn the_registration_is_as_designed() {
        insta::assert_json_snapshot!(made());
    }

    /// An API server with one response for every question.
    fn cluster_roles(code: u16, body: &Value) -> Api<ClusterRole> {
        let body = body.to_string();
        let service = tower::service_fn(move |_: axum::http::Request<kube::client::Body>| {
            let answer = axum::http::Response::builder()
                .status(code)
                .body(axum::body::Body::from(body.clone()));
            async move { answer }
        });
        Api::all(Client::new(service, "default"))
    }

    #[tokio::test]
    async fn the_owner_is_the_cluster_role_as_it_is_now() {
        let there = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": "irsa-emu-webhook", "uid": "u-2"}});
        let status = |code: u16, reason: &str| json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason});
        let known = || Owner::There("u-1".into());
        for (code, body, before, after) in [
            (200, there, known(), Owner::There("u-2".into())),
            (404, status(404, "NotFound"), known(), Owner::Gone),
            (403, status(403, "Forbidden"), known(), known()),
            (403, status(403, "Forbidden"), Owner::Unknown, Owner::Unknown),
        ] {
            assert_eq!(
                before.looked_up(&cluster_roles(code, &body)).await,
                after,
                "{code}"
            );
        }
        assert!(Owner::Unknown.references().is_empty());
        // Another leader begins with what is registered.
        let typed: MutatingWebhookConfiguration = serde_json::from_value(made()).unwrap();
        assert_eq!(Owner::of(Some(&typed)), known());
        assert_eq!(Owner::of(None), Owner::Unknown);
    }

    #[test]
    fn a_dead_webhook_delays_pods_of_kube_system_and_never_refuses_them() {
        let made = made();
        let hooks = made["webhooks"].as_array().unwrap().iter().filter(|hook| {
            let names = json!({NAMESPACE_NAME_LABEL: "kube-system", INJECTION_LABEL: "enforce"});
            selects(&hook["namespaceSelector"], &names)
        });
        let policies: Vec<_> = hooks
            .map(|hook| (&hook["failurePolicy"], &hook["timeoutSeconds"]))
            .collect();
        assert_eq!(policies, [(&json!("Ignore"), &json!(2))]);
    }

    /// Whether a label selector takes labels (Kubernetes API reference, `LabelSelectorRequirement`).
    fn selects(selector: &Value, labels: &Value) -> bool {
        selector["matchExpressions"]
            .as_array()
            .unwrap()
            .iter()
            .all(|wanted| {
                let label = &labels[wanted["key"].as_str().unwrap()];
                let listed = wanted["values"]
                    .as_array()
                    .is_some_and(|values| values.contains(label));
                match wanted["operator"].as_str().unwrap() {
                    "In" => listed,
                    "NotIn" => !listed,
                    "DoesNotExist" => label.is_null(),
                    other => unreachable!("{other}"),
                }
            })
    }

    #[test]
    fn what_the_selectors_take_is_what_the_core_says_is_in_reach() {
        let made = made();
        for namespace in ["default", "kube-system", "irsa-emu"] {
            for injection in [None, Some("disabled"), Some("enforce"), Some("x")] {
                for skips in [false, true] {
                    let mut labels = json!({NAMESPACE_NAME_LABEL: namespace});
                    let mut own = std::collections::BTreeMap::new();
                    if let Some(injection) = injection {
                        labels[INJECTION_LABEL] = json!(injection);
                        own.insert(INJECTION_LABEL.to_owned(), injection.to_owned());
                    }
                    let pod_labels = if skips {
                        json!({SKIP_LABEL: "x"})
                    } else {
                        json!({})
                    };
                    let pod = json!({"metadata": {"labels": pod_labels},
                        "spec": {"containers": []}});
                    let hooks = made["webhooks"].as_array().unwrap().iter().filter(|hook| {
                        selects(&hook["namespaceSelector"], &labels)
                            && selects(&hook["objectSelector"], &pod_labels)
                    });
                    let seen: Vec<&str> = hooks.map(|hook| hook["name"].as_str().unwrap()).collect();
                    let view = PodView::of(&pod).unwrap();
                    let said = reach(&view, namespace, &own, "irsa-emu");
                    let said: Vec<&str> = said.iter().map(|hook| hook.name()).collect();
                    assert_eq!(said, seen, "{namespace} {injection:?} {skips}");
                }
            }
        }
    }

    #[test]
    fn a_registration_reaches_us_only_where_all_of_it_trusts_us() {
        let typed = |value: Value| -> MutatingWebhookConfiguration { serde_json::from_value(value).unwrap() };
        let trusts = |bundle: &[u8]| bundle == b"PEM";
        assert!(reaches(&typed(made()), trusts));
        for index in 0..3 {
            let mut other = made();
            other["webhooks"][index]["clientConfig"]["caBundle"] = json!("T1RIRVI=");
            assert!(!reaches(&typed(other), trusts), "webhook {index}");
        }
        let mut found = made();
        let mut foreign = found["webhooks"][0].clone();
        foreign["name"] = json!("foreign.example.org");
        foreign["clientConfig"]["caBundle"] = json!("T1RIRVI=");
        found["webhooks"].as_array_mut().unwrap().push(foreign);
        assert!(
            reaches(&typed(found.clone()), trusts),
            "a foreign hook is none of ours"
        );
        found["webhooks"] = json!([]);
        assert!(!reaches(&typed(found), trusts));
    }

    /// Otherwise no upgrade would end: the older version leads until a replica of this one is ready.
    #[test]
    fn the_registration_of_an_older_version_reaches_us() {
        let mut found = made();
        found["webhooks"].as_array_mut().unwrap().remove(2);
        let older: MutatingWebhookConfiguration = serde_json::from_value(found).unwrap();
        assert!(reaches(&older, |bundle| bundle == b"PEM"));
    }

    #[test]
    fn the_typed_object_takes_every_field() {
        let made = made();
        let typed: MutatingWebhookConfiguration = serde_json::from_value(made.clone()).unwrap();
        assert_eq!(serde_json::to_value(typed).unwrap()["webhooks"], made["webhooks"]);
    }
}
