//! `irsa-emu explain`: what it prints about Pods that run, and about manifests, on a real cluster.

use anyhow::{Context, Result, ensure};
use irsa_emu_core::contract::WEBHOOK_NAME;
use serde_json::Value;

use crate::probe::Probe;
use crate::world::{CONTEXT, World, eventually, text_at};

/// A ServiceAccount with a key that is nearly right, one whose role does not trust it, and a Pod of each.
const MISTAKES: &str = r#"
apiVersion: v1
kind: ServiceAccount
metadata:
  name: typo
  annotations: {eks.amazonaws.com/role_arn: "arn:aws:iam::123456789012:role/e2e-app"}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: stranger
  annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::123456789012:role/e2e-app"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: typo}
spec:
  selector: {matchLabels: {app: typo}}
  template:
    metadata: {labels: {app: typo}}
    spec: {serviceAccountName: typo, containers: [{name: app, image: none}]}
---
apiVersion: v1
kind: Pod
metadata: {name: stranger}
spec: {serviceAccountName: stranger, containers: [{name: app, image: none}]}
"#;

pub(crate) fn pods_that_run_are_explained(world: &World) -> Result<()> {
    let served = pod_of(world, "web-identity", "app")?;
    let said = world
        .irsa_emu(&["explain", "pod", &served, "-n", "e2e", "--check"])?
        .code(0)?;
    said.says("it has the credentials of arn:aws:iam::123456789012:role/e2e-app")?
        .says("delivery web-identity (chosen by the install's default)")?
        .says("its trust policy allows system:serviceaccount:e2e:app")?;
    let plain = pod_of(world, "plain", "plain")?;
    let pod = format!("pod/{plain}");
    world
        .irsa_emu(&["explain", &pod, "-n", "e2e", "--check"])?
        .code(1)?
        .says("[no-role-arn]")?
        .says("annotate serviceaccount plain eks.amazonaws.com/role-arn=")?;
    let json = world
        .irsa_emu(&["explain", "sa", "app", "-n", "e2e", "-o", "json"])?
        .code(0)?;
    let answer: Value = serde_json::from_str(&json.out).context("no JSON")?;
    let account = &answer["data"]["explanations"][0];
    ensure!(account["credentials"] == "yes", "{account}");
    let pods = account["pods"]
        .as_array()
        .context("no Pods of the ServiceAccount")?;
    ensure!(pods.iter().any(|pod| pod["name"] == served.as_str()), "{pods:?}");
    Ok(())
}

/// The Pod of a probe that ran before, or of a new one where the step runs by itself.
fn pod_of(world: &World, job: &str, account: &str) -> Result<String> {
    let probe = Probe::python(world, job, account);
    if probe.pod(world).is_err() {
        probe.start(world)?;
    }
    let pod = eventually("a Pod of the Job", 30, || probe.pod(world))?;
    Ok(text_at(&pod, "/metadata/name")?.to_owned())
}

pub(crate) fn manifests_are_explained(world: &World) -> Result<()> {
    let args = ["explain", "-n", "e2e", "-f", "-", "-o", "yaml", "--check"];
    let said = world.irsa_emu_reading(&args, MISTAKES)?.code(1)?;
    let said = said
        .says("did you mean eks.amazonaws.com/role-arn?")?
        .says("trust-refused")?
        .says("system:serviceaccount:e2e:stranger")?;
    ensure!(
        said.out.contains(&format!("webhook: {WEBHOOK_NAME}")),
        "{}",
        said.out
    );
    Ok(())
}

/// A Pod that was there before its ServiceAccount had a role, and one that was injected with other settings.
pub(crate) fn what_came_too_early_is_explained(world: &World) -> Result<()> {
    let account = "serviceaccount/early";
    // Applied, as the API server never begins to track who wrote what in an object that was made without any field.
    world.apply(
        r#"{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "early", "namespace": "e2e", "labels": {"app": "early"}}}"#,
    )?;
    for args in [
        &["create", "deployment", "early", "-n", "e2e", "--image", "none"][..],
        &["set", "serviceaccount", "deployment/early", "early", "-n", "e2e"],
    ] {
        world.kubectl(args)?;
    }
    let pod = eventually("a Pod of the Deployment", 30, || {
        let pods = world.get(&["pods", "-n", "e2e", "-l", "app=early"])?;
        let own = |pod: &&Value| pod["spec"]["serviceAccountName"] == "early";
        let found = pods["items"].as_array().and_then(|items| items.iter().find(own));
        Ok(text_at(found.context("none yet")?, "/metadata/name")?.to_owned())
    })?;
    let role = "eks.amazonaws.com/role-arn";
    let restart = format!("kubectl --context {CONTEXT} -n e2e rollout restart deployment/early");
    // The API server tells times in whole seconds, so the annotation is written until it is of a later one.
    eventually("what came first is told", 10, || {
        world.kubectl(&["annotate", "-n", "e2e", account, &format!("{role}-")])?;
        let named = format!("{role}=arn:aws:iam::123456789012:role/e2e-early");
        world.kubectl(&["annotate", "-n", "e2e", account, &named])?;
        world
            .irsa_emu(&["explain", "pod", &pod, "-n", "e2e", "--check"])?
            .code(1)?
            .says("[created-before-annotation]")?
            .says(&restart)?
            .says("[role-made-when-asked-for]")
    })?;
    for object in ["deployment/early", account] {
        world.kubectl(&["delete", "-n", "e2e", object, "--wait=false"])?;
    }
    Ok(())
}
