//! The MutatingWebhookConfiguration: made from the settings and the Recipes, and put right when someone changes it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum_server::Handle;
use irsa_emu_core::contract::{
    EXCLUDED_NAMESPACES, FIELD_MANAGER, INJECTION_LABEL, INSTANCE_LABEL, NAMESPACE_NAME_LABEL, SKIP_LABEL,
    WEBHOOK, WEBHOOK_CONFIGURATION, WEBHOOK_NAME, WEBHOOK_NAME_SYSTEM, WEBHOOK_PATH,
};
use irsa_emu_core::rules::RecipeRules;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::args::Settings;
use crate::directory::Directory;
use crate::health::Readiness;
use crate::tls::Certificates;

/// Someone else's change is put right after this at the latest.
const REPEAT: Duration = Duration::from_secs(15);

/// Registers once the server can serve, and keeps the registration right for ever. An apply that changes nothing costs
/// the API server one comparison.
pub(crate) async fn keep(
    client: Client,
    directory: Arc<Directory>,
    settings: Arc<Settings>,
    certificates: Certificates,
    handle: Handle<SocketAddr>,
    readiness: Readiness,
) -> anyhow::Result<()> {
    handle
        .listening()
        .await
        .context("the admission server does not listen")?;
    let mut changes = directory.recipe_changes();
    let api = Api::<MutatingWebhookConfiguration>::all(client);
    loop {
        changes.mark_unchanged();
        let wanted = configuration(&settings, &certificates.ca_bundle(), &directory.rules());
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match api
            .patch(WEBHOOK_CONFIGURATION, &params, &Patch::Apply(&wanted))
            .await
        {
            Ok(_) => readiness.ready(),
            Err(error) => tracing::error!(%error, "cannot register the webhook; trying again"),
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(REPEAT) => {}
        }
    }
}

/// The registration. `ca` is PEM.
fn configuration(settings: &Settings, ca: &str, rules: &[RecipeRules]) -> Value {
    use base64::Engine as _;
    let ca_bundle = base64::engine::general_purpose::STANDARD.encode(ca);
    let mut excluded = vec![settings.namespace.as_str()];
    excluded.extend(EXCLUDED_NAMESPACES);
    let everywhere = json!([
        {"key": NAMESPACE_NAME_LABEL, "operator": "NotIn", "values": excluded},
        {"key": INJECTION_LABEL, "operator": "NotIn", "values": ["disabled"]},
    ]);
    let mut webhooks = vec![webhook(WEBHOOK_NAME, settings, &ca_bundle, &everywhere)];
    let asked = system_accounts(rules);
    if !asked.is_empty() {
        let namespaces: BTreeSet<&str> = asked.iter().map(|(namespace, _)| *namespace).collect();
        let these = json!([
            {"key": NAMESPACE_NAME_LABEL, "operator": "In", "values": namespaces},
            {"key": INJECTION_LABEL, "operator": "NotIn", "values": ["disabled"]},
        ]);
        let mut webhook = webhook(WEBHOOK_NAME_SYSTEM, settings, &ca_bundle, &these);
        // Only the named ServiceAccounts: whatever happens to us, no other Pod of such a Namespace notices.
        webhook["matchConditions"] =
            json!([{"name": "service-accounts-of-recipes", "expression": expression(&asked)}]);
        webhooks.push(webhook);
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": WEBHOOK_CONFIGURATION, "labels": {INSTANCE_LABEL: settings.instance}},
        "webhooks": webhooks,
    })
}

fn webhook(name: &str, settings: &Settings, ca_bundle: &str, namespaces: &Value) -> Value {
    json!({
        "name": name,
        "admissionReviewVersions": ["v1", "v1beta1"],
        "clientConfig": {
            "caBundle": ca_bundle,
            "service": {"name": WEBHOOK, "namespace": settings.namespace, "path": WEBHOOK_PATH, "port": 443},
        },
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced"}],
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {"matchExpressions": namespaces},
        "objectSelector": {"matchExpressions": [{"key": SKIP_LABEL, "operator": "DoesNotExist"}]},
        "reinvocationPolicy": "IfNeeded",
        "sideEffects": "None",
        "timeoutSeconds": 5,
    })
}

/// ServiceAccounts of excluded Namespaces that a Recipe's rule names. Names that Kubernetes would not accept are left
/// out: they go into an expression.
fn system_accounts(rules: &[RecipeRules]) -> BTreeSet<(&str, &str)> {
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
    };
    let matches = rules
        .iter()
        .flat_map(|recipe| &recipe.rules)
        .map(|rule| &rule.r#match);
    matches
        .map(|matched| (matched.namespace.as_str(), matched.service_account.as_str()))
        .filter(|(namespace, name)| EXCLUDED_NAMESPACES.contains(namespace) && is_name(name))
        .collect()
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
    use irsa_emu_core::recipe::{InjectRule, RuleMatch};

    use super::*;
    use crate::args::Args;

    fn rules(namespace: &str, service_account: &str) -> Vec<RecipeRules> {
        let rule = InjectRule {
            r#match: RuleMatch {
                namespace: namespace.into(),
                service_account: service_account.into(),
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
        configuration(&settings, "PEM", rules)
    }

    #[test]
    fn the_registration_is_as_designed() {
        insta::assert_json_snapshot!(made(&rules("kube-system", "vault")));
    }

    #[test]
    fn an_excluded_namespace_is_served_only_where_a_rule_names_it() {
        for rules in [
            vec![],
            rules("vault", "vault"),
            rules("kube-system", "x' || true || '"),
        ] {
            assert_eq!(made(&rules)["webhooks"].as_array().unwrap().len(), 1, "{rules:?}");
        }
    }

    #[test]
    fn the_typed_object_takes_every_field() {
        let made = made(&rules("kube-system", "vault"));
        let typed: MutatingWebhookConfiguration = serde_json::from_value(made.clone()).unwrap();
        assert_eq!(serde_json::to_value(typed).unwrap()["webhooks"], made["webhooks"]);
    }
}
