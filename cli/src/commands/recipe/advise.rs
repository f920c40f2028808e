//! What in the cluster does not fit a Recipe, and the command that fixes it.

use irsa_emu_core::contract::{EKS_PREFIX, INJECTED, ROLE_ARN};
use irsa_emu_core::recipe::Recipe;
use irsa_emu_install::recipe::wiring;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::ListParams;
use kube::{Api, Client};

use crate::app::App;

/// Prints what in the cluster does not fit the Recipe, as far as it can be read: the Recipe itself is made.
pub(super) async fn advise(app: &App, client: &Client, recipe: &Recipe) {
    for (namespace, name, role) in wiring::accounts(&recipe.spec) {
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &namespace);
        let Ok(Some(account)) = accounts.get_opt(&name).await else {
            app.printer.talk(&format!(
                    "ServiceAccount {namespace}/{name} is not there yet; it comes with your app, annotated with {role}"
                ));
            continue;
        };
        let annotation = format!("{EKS_PREFIX}/{ROLE_ARN}");
        let named = account
            .metadata
            .annotations
            .unwrap_or_default()
            .remove(&annotation);
        if named.as_deref() != Some(&role) {
            let kubectl = app.session.kubectl();
            let has = named.map_or_else(|| "no role".to_owned(), |named| format!("the role {named}"));
            app.printer.warn(&format!(
                "ServiceAccount {namespace}/{name} names {has}, so its Pods do not get {role}\n  next: \
{kubectl} -n {namespace} annotate --overwrite serviceaccount {name} {annotation}={role}"
            ));
            continue;
        }
        advise_restart(app, client, &namespace, &name).await;
    }
}

async fn advise_restart(app: &App, client: &Client, namespace: &str, account: &str) {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let params = ListParams::default().fields(&format!("spec.serviceAccountName={account}"));
    let Ok(pods) = api.list(&params).await else { return };
    let names: Vec<String> = pods
        .into_iter()
        .filter(lacks_injection)
        .filter_map(|pod| pod.metadata.name)
        .collect();
    if !names.is_empty() {
        let names = names.join(" ");
        let kubectl = app.session.kubectl();
        app.printer.warn(&format!(
            "already running without credentials: {namespace}/{names}; Pods get them when they are created\n  \
next: {kubectl} -n {namespace} delete pod {names}"
        ));
    }
}

/// Whether a Pod that is alive was made without us, or before us.
fn lacks_injection(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let alive = !matches!(phase, Some("Succeeded" | "Failed")) && pod.metadata.deletion_timestamp.is_none();
    let marked = pod
        .metadata
        .annotations
        .as_ref()
        .is_some_and(|annotations| annotations.contains_key(INJECTED));
    let has_role = || {
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        containers
            .flat_map(|container| container.env.iter().flatten())
            .any(|variable| variable.name == irsa_emu_core::contract::env::ROLE_ARN)
    };
    // Under `strict-eks` there is no mark, but what EKS gives.
    alive && !marked && !has_role()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(value: serde_json::Value) -> Pod {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn only_pods_that_live_without_credentials_are_named() {
        let bare = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c"}]}});
        assert!(lacks_injection(&pod(bare.clone())));
        let mut marked = bare.clone();
        marked["metadata"]["annotations"] = json!({INJECTED: "sidecar"});
        assert!(!lacks_injection(&pod(marked)));
        let mut strict = bare.clone();
        strict["spec"]["containers"][0]["env"] = json!([{"name": "AWS_ROLE_ARN", "value": "x"}]);
        assert!(!lacks_injection(&pod(strict)));
        let mut over = bare;
        over["status"] = json!({"phase": "Succeeded"});
        assert!(!lacks_injection(&pod(over)));
    }
}
