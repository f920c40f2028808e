//! What Pods get from the API server, without running them.

pub(crate) mod address;
pub(crate) mod conformance;
pub(crate) mod faithful;
pub(crate) mod generated;
pub(crate) mod reinvocation;
pub(crate) mod trust;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::world::{World, eventually};

/// The Namespace of most of these steps.
pub(crate) const NAMESPACE: &str = "e2e-admission";

pub(crate) fn prepare(world: &World) -> Result<()> {
    world.load(&world.sdk_image)?;
    world.apply(&std::fs::read_to_string(
        world.root.join("tests/e2e/manifests/admission.yaml"),
    )?)
}

/// The variables of a container, by name.
pub(crate) fn variable<'a>(pod: &'a Value, list: &str, container: &str, name: &str) -> Option<&'a Value> {
    let named = |items: &'a Value, name: &str| items.as_array()?.iter().find(|item| item["name"] == name);
    let container = named(&pod["spec"][list], container)?;
    Some(&named(&container["env"], name)?["value"])
}

/// Whether the Pod's container `app` has its role and token, or the credentials endpoint in their place.
pub(crate) fn has_identity(pod: &Value) -> bool {
    let has = |name| variable(pod, "containers", "app", name).is_some();
    (has("AWS_ROLE_ARN") && has("AWS_WEB_IDENTITY_TOKEN_FILE")) || has("AWS_CONTAINER_CREDENTIALS_FULL_URI")
}

/// A Pod that never runs.
pub(crate) fn pod(namespace: &str, name: &str, service_account: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "serviceAccountName": service_account, "nodeSelector": {"e2e": "nowhere"},
            "containers": [{"name": "app", "image": "e2e.invalid/app"}]
        }
    })
}

/// What the API server would make of a Pod.
pub(crate) fn dry_run(world: &World, pod: &Value) -> Result<Value> {
    let said = world
        .kubectl_with(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            &pod.to_string(),
        )?
        .code(0)?;
    serde_json::from_str(&said.out).context("kubectl printed no JSON")
}

/// The objects that kubectl printed: one document for each, or one List of all, as its version has it.
pub(crate) fn objects(printed: &str) -> Result<Vec<Value>> {
    let made: Vec<Value> = serde_json::Deserializer::from_str(printed)
        .into_iter()
        .collect::<std::result::Result<_, _>>()
        .context("kubectl printed no JSON")?;
    Ok(match made.as_slice() {
        [list] if list["kind"] == "List" => list["items"].as_array().cloned().unwrap_or_default(),
        _ => made,
    })
}

/// Waits until a Pod that is created now gets its identity.
pub(crate) fn wait_for_injection(world: &World) -> Result<()> {
    eventually("a new Pod gets its identity", 60, || {
        let made = dry_run(world, &pod(NAMESPACE, "canary", "app"))?;
        ensure!(has_identity(&made), "it did not");
        Ok(())
    })
}
