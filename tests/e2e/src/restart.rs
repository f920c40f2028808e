//! Pods that lack the identity they would get now, or keep one of an install that is gone.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::world::{World, eventually};

const NAMESPACE: &str = "e2e-restart";
/// What makes Pods, each in its own way: by a rollout, only for Pods that are deleted, and never again.
const KINDS: [&str; 3] = ["Deployment", "StatefulSet", "Pod"];

pub(crate) fn pods_without_identity_are_replaced(world: &World) -> Result<()> {
    begin(world)?;
    let role = "eks.amazonaws.com/role-arn=arn:aws:iam::123456789012:role/e2e-restart";
    world.kubectl(&["annotate", "-n", NAMESPACE, "serviceaccount/late", role])?;
    let restart = ["restart-injected", "-n", NAMESPACE];
    world
        .irsa_emu(&[&restart[..], &["--dry-run"]].concat())?
        .code(0)?
        .says("Deployment e2e-restart/app: 2 Pods: it was")?
        .says("StatefulSet e2e-restart/app: 1 Pod: it was")?;
    ensure!(injected(world)? == [0, 0, 0], "a dry run changes nothing");
    world
        .irsa_emu(&restart)?
        .code(3)?
        .says(&format!("--namespace {NAMESPACE} --yes"))?;
    world
        .irsa_emu(&[&restart[..], &["--yes"]].concat())?
        .code(0)?
        .says("delete pod app-alone, and create it once more")?;
    ensure!(injected(world)? == [2, 1, 0], "{:?}", injected(world)?);
    world.irsa_emu(&restart)?.code(0)?.says("nothing to restart")?;
    Ok(())
}

/// After `down` of an install in a cluster that stays, its Pods are as if there had never been one.
pub(crate) fn down_takes_back_what_pods_got(world: &World) -> Result<()> {
    let down = ["down", "--keep-cluster", "--restart-injected"];
    world
        .irsa_emu(&[&down[..], &["--dry-run"]].concat())?
        .code(0)?
        .says("Pods of StatefulSet e2e-restart/app")?;
    world
        .irsa_emu(&down)?
        .code(0)?
        .says("objects are gone; the cluster stays")?;
    eventually("no Pod has what the webhook gave it", 60, || {
        let injected = injected(world)?;
        ensure!(injected == [0, 0, 0], "{injected:?}");
        Ok(())
    })?;
    world
        .irsa_emu(&["restart-injected", "-n", NAMESPACE, "--yes"])?
        .code(0)?
        .says("nothing to restart")?;
    Ok(())
}

/// Makes Pods whose ServiceAccount grants nothing, and waits until they run.
fn begin(world: &World) -> Result<()> {
    world.load(&world.sdk_image)?;
    let meta = |name: &str| json!({"name": name, "namespace": NAMESPACE, "labels": {"app": name}});
    let spec = json!({"serviceAccountName": "late", "terminationGracePeriodSeconds": 0, "containers": [{
        "name": "app", "image": world.sdk_image, "imagePullPolicy": "Never", "command": ["sleep", "infinity"]}]});
    let workload = |kind: &str, replicas: u8, more: Value| {
        let label = json!({"app": kind});
        let mut spec = json!({"replicas": replicas, "selector": {"matchLabels": label},
            "template": {"metadata": {"labels": label}, "spec": spec}});
        if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
            spec.extend(more.clone());
        }
        json!({"apiVersion": "apps/v1", "kind": kind, "metadata": meta("app"), "spec": spec})
    };
    let on_delete = json!({"serviceName": "app", "updateStrategy": {"type": "OnDelete"}});
    let alone = json!({"name": "app-alone", "namespace": NAMESPACE, "labels": {"app": "Pod"}});
    for object in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("late")}),
        workload("Deployment", 2, json!({})),
        workload("StatefulSet", 1, on_delete),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": alone, "spec": spec}),
    ] {
        world.apply(&object.to_string())?;
    }
    for (kind, count) in KINDS.iter().zip([2, 1, 1]) {
        eventually("the Pods run", 60, || {
            let pods = pods(world, kind)?;
            let running = pods
                .iter()
                .filter(|pod| pod["status"]["phase"] == "Running")
                .count();
            ensure!(running == count, "{kind}: {running}");
            Ok(())
        })?;
    }
    Ok(())
}

/// How many Pods of each kind were injected.
fn injected(world: &World) -> Result<Vec<usize>> {
    let count = |kind: &&str| {
        let is_injected = |pod: &&Value| pod["metadata"]["annotations"]["irsa-emu.dev/injected"].is_string();
        Ok(pods(world, kind)?.iter().filter(is_injected).count())
    };
    KINDS.iter().map(count).collect()
}

fn pods(world: &World, kind: &str) -> Result<Vec<Value>> {
    let mut found = world.get(&["pods", "-n", NAMESPACE, "-l", &format!("app={kind}")])?;
    let items = found["items"].as_array_mut().context("a list of Pods")?;
    items.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    Ok(items.clone())
}
