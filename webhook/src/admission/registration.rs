//! The MutatingWebhookConfiguration: made from the settings and the Recipes, put right when someone changes it, and
//! watched by every replica, which is ready only while the API server can reach it through it.
//!
//! It belongs to the ClusterRole of the install. However the install is removed, the garbage collector takes the
//! registration with it: nobody else would, and its `Fail` part would go on to refuse Pods.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use irsa_emu_core::contract::{
    EXCLUDED_NAMESPACES, FIELD_MANAGER, INJECTION_DISABLED, INJECTION_ENFORCE, INJECTION_LABEL,
    INSTANCE_LABEL, NAMESPACE_NAME_LABEL, SKIP_LABEL, WEBHOOK, WEBHOOK_CONFIGURATION, WEBHOOK_NAME,
    WEBHOOK_NAME_ENFORCED, WEBHOOK_NAME_SYSTEM, WEBHOOK_PATH_ENFORCED,
};
use irsa_emu_core::reach::system_accounts;
use irsa_emu_core::rules::RecipeRules;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::args::Settings;
use crate::directory::Directory;
use crate::health::Readiness;
use crate::one_object::{self, Followed};
use crate::tls::Certificates;

/// What no watch tells is put right after this at the latest.
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

/// Whether the webhooks of a registration trust what is served. Those that somebody else added are none of ours.
fn reaches(found: &MutatingWebhookConfiguration, trusts: impl Fn(&[u8]) -> bool) -> bool {
    let own = [WEBHOOK_NAME, WEBHOOK_NAME_ENFORCED];
    let hooks: Vec<_> = found
        .webhooks
        .iter()
        .flatten()
        .filter(|hook| own.contains(&hook.name.as_str()))
        .collect();
    let trusted = |hook: &k8s_openapi::api::admissionregistration::v1::MutatingWebhook| {
        hook.client_config
            .ca_bundle
            .as_ref()
            .is_some_and(|bundle| trusts(&bundle.0))
    };
    hooks.len() == own.len() && hooks.into_iter().all(trusted)
}

/// Keeps the registration right while this replica leads. An apply that changes nothing costs the API server one
/// comparison, and tells no watch.
pub(crate) async fn keep(
    client: Client,
    directory: Arc<Directory>,
    settings: Arc<Settings>,
    certificates: Certificates,
    mut registered: Registered,
) -> anyhow::Result<()> {
    let mut recipes = directory.recipe_changes();
    let mut served = certificates.changes();
    let api = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let cluster_roles = Api::<ClusterRole>::all(client);
    let mut owner = Owner::of(registered.borrow().as_deref());
    loop {
        recipes.mark_unchanged();
        registered.mark_unchanged();
        owner = owner.looked_up(&cluster_roles).await;
        if owner == Owner::Gone {
            tracing::warn!("the install is being removed: its ClusterRole is gone, so nothing is registered");
        } else {
            let wanted = configuration(
                &settings,
                &certificates.path().prefix(),
                &certificates.ca_bundle(),
                &directory.rules(),
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
            changed = recipes.changed() => changed?,
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
fn configuration(settings: &Settings, path: &str, ca: &str, rules: &[RecipeRules], owner: &Owner) -> Value {
    use base64::Engine as _;
    let ca_bundle = base64::engine::general_purpose::STANDARD.encode(ca);
    let mut excluded = vec![settings.namespace.as_str()];
    excluded.extend(EXCLUDED_NAMESPACES);
    let everywhere = json!({"key": NAMESPACE_NAME_LABEL, "operator": "NotIn", "values": excluded});
    let label = |operator: &str, values: &[&str]| json!({"key": INJECTION_LABEL, "operator": operator, "values": values});
    let lenient = Hook {
        name: WEBHOOK_NAME,
        path: path.to_owned(),
        failure_policy: "Ignore",
        namespaces: json!([
            everywhere,
            label("NotIn", &[INJECTION_DISABLED, INJECTION_ENFORCE])
        ]),
    };
    let enforced = Hook {
        name: WEBHOOK_NAME_ENFORCED,
        path: format!("{path}{WEBHOOK_PATH_ENFORCED}"),
        failure_policy: "Fail",
        namespaces: json!([everywhere, label("In", &[INJECTION_ENFORCE])]),
    };
    let mut webhooks = vec![
        lenient.registered(settings, &ca_bundle),
        enforced.registered(settings, &ca_bundle),
    ];
    let asked = system_accounts(rules);
    if !asked.is_empty() {
        let namespaces: BTreeSet<&str> = asked.iter().map(|(namespace, _)| *namespace).collect();
        let system = Hook {
            name: WEBHOOK_NAME_SYSTEM,
            path: path.to_owned(),
            failure_policy: "Ignore",
            namespaces: json!([
                {"key": NAMESPACE_NAME_LABEL, "operator": "In", "values": namespaces},
                label("NotIn", &[INJECTION_DISABLED]),
            ]),
        };
        let mut webhook = system.registered(settings, &ca_bundle);
        // Only the named ServiceAccounts: whatever happens to us, no other Pod of such a Namespace notices.
        webhook["matchConditions"] =
            json!([{"name": "service-accounts-of-recipes", "expression": expression(&asked)}]);
        webhooks.push(webhook);
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {
            "name": WEBHOOK_CONFIGURATION,
            "labels": {INSTANCE_LABEL: settings.instance},
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
    namespaces: Value,
}

impl Hook {
    fn registered(&self, settings: &Settings, ca_bundle: &str) -> Value {
        json!({
            "name": self.name,
            "admissionReviewVersions": ["v1", "v1beta1"],
            "clientConfig": {
                "caBundle": ca_bundle,
                "service": {"name": WEBHOOK, "namespace": settings.namespace, "path": self.path, "port": 443},
            },
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced"}],
            "failurePolicy": self.failure_policy,
            "matchPolicy": "Equivalent",
            "namespaceSelector": {"matchExpressions": self.namespaces},
            "objectSelector": {"matchExpressions": [{"key": SKIP_LABEL, "operator": "DoesNotExist"}]},
            "reinvocationPolicy": "IfNeeded",
            // Events on the owners of Pods, which a dry run does not write.
            "sideEffects": "NoneOnDryRun",
            "timeoutSeconds": 5,
        })
    }
}

/// A CEL expression that is true for Pods of these ServiceAccounts.
fn expression(accounts: &BTreeSet<(&str, &str)>) -> String {
    let account = "(has(object.spec.serviceAccountName) ? object.spec.serviceAccountName : 'default')";
    let one = |(namespace, name): &(&str, &str)| {
        format!("(request.namespace == '{namespace}' && {account} == '{name}')")
    };
    accounts.iter().map(one).collect::<Vec<_>>().join(" || ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use irsa_emu_core::pod_view::PodView;
    use irsa_emu_core::reach::reach;
    use irsa_emu_core::recipe::{InjectRule, RuleMatch};

    use super::*;
    use crate::args::Args;

    fn rules(namespace: &str, service_account: &str) -> Vec<RecipeRules> {
        let rule = InjectRule {
            r#match: RuleMatch {
                namespace: namespace.into(),
                service_account: Some(service_account.into()),
                role: None,
            },
            delivery: None,
            credentials_file: false,
            env: std::collections::BTreeMap::new(),
        };
        vec![RecipeRules {
            recipe: "r".into(),
            region: None,
            rules: vec![rule],
        }]
    }

    fn made(rules: &[RecipeRules]) -> Value {
        let settings = Settings::resolve(Args::parse_from(["w", "--sidecar-image", "i"]));
        let owner = Owner::There("u-1".into());
        configuration(&settings, "/mutate/secret", "PEM", rules, &owner)
    }

    #[test]
    fn the_registration_is_as_designed() {
        insta::assert_json_snapshot!(made(&rules("kube-system", "vault")));
    }

    /// An API server with one answer for every question.
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
        let typed: MutatingWebhookConfiguration = serde_json::from_value(made(&[])).unwrap();
        assert_eq!(Owner::of(Some(&typed)), known());
        assert_eq!(Owner::of(None), Owner::Unknown);
    }

    #[test]
    fn an_excluded_namespace_is_served_only_where_a_rule_names_it() {
        for rules in [
            vec![],
            rules("vault", "vault"),
            rules("kube-system", "x' || true || '"),
        ] {
            assert_eq!(made(&rules)["webhooks"].as_array().unwrap().len(), 2, "{rules:?}");
        }
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
        let rules = rules("kube-system", "vault");
        let made = made(&rules);
        for namespace in ["default", "kube-system", "irsa-emu"] {
            for injection in [None, Some("disabled"), Some("enforce"), Some("x")] {
                for (account, skips) in [("app", false), ("vault", false), ("vault", true)] {
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
                        "spec": {"serviceAccountName": account, "containers": []}});
                    let hooks = made["webhooks"].as_array().unwrap().iter().filter(|hook| {
                        let is_asked = hook["matchConditions"].is_null()
                            || (namespace, account) == ("kube-system", "vault");
                        is_asked
                            && selects(&hook["namespaceSelector"], &labels)
                            && selects(&hook["objectSelector"], &pod_labels)
                    });
                    let seen: Vec<&str> = hooks.map(|hook| hook["name"].as_str().unwrap()).collect();
                    let view = PodView::of(&pod).unwrap();
                    let said = reach(&view, namespace, &own, "irsa-emu", &rules);
                    let said: Vec<&str> = said.iter().map(|hook| hook.name()).collect();
                    assert_eq!(said, seen, "{namespace} {injection:?} {account} {skips}");
                }
            }
        }
    }

    #[test]
    fn a_registration_reaches_us_only_where_all_of_it_trusts_us() {
        let typed = |value: Value| -> MutatingWebhookConfiguration { serde_json::from_value(value).unwrap() };
        let trusts = |bundle: &[u8]| bundle == b"PEM";
        let mut found = made(&[]);
        assert!(reaches(&typed(found.clone()), trusts));
        found["webhooks"][1]["clientConfig"]["caBundle"] = json!("T1RIRVI=");
        assert!(!reaches(&typed(found.clone()), trusts));
        found = made(&[]);
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

    #[test]
    fn the_typed_object_takes_every_field() {
        let made = made(&rules("kube-system", "vault"));
        let typed: MutatingWebhookConfiguration = serde_json::from_value(made.clone()).unwrap();
        assert_eq!(serde_json::to_value(typed).unwrap()["webhooks"], made["webhooks"]);
    }
}
