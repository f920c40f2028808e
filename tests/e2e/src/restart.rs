//! Pods that lack the identity they would get now, or keep one of an install that is gone.

use anyhow::{Context, Result, ensure};
use irsa_emu_core::contract::INJECTED;
use serde_json::{Value, json};

use crate::world::{World, eventually};

const NAMESPACE: &str = "e2e-restart";
/// Pods by how they are replaced: by a rollout, only when they are deleted, by a controller that does not go on past one that is
/// not Ready, and by nobody.
const WAYS: [(&str, usize); 4] = [("rollout", 2), ("on-delete", 2), ("ordered", 1), ("nobody", 1)];
/// Those of them that are replaced.
const REPLACED: [usize; 4] = [2, 2, 1, 0];

/// Pods with their identity, for the end of the install.
pub(crate) fn prepare(world: &World) -> Result<()> {
    begin(world)?;
    annotate(world)?;
    world
        .irsa_emu(&["restart-injected", "-n", NAMESPACE, "--yes"])?
        .code(0)?;
    ensure!(injected(world)? == REPLACED, "{:?}", injected(world)?);
    Ok(())
}

fn annotate(world: &World) -> Result<()> {
    let role = "eks.amazonaws.com/role-arn=arn:aws:iam::123456789012:role/e2e-restart";
    world.kubectl(&[
        "annotate",
        "--overwrite",
        "-n",
        NAMESPACE,
        "serviceaccount/late",
        role,
    ])?;
    Ok(())
}

pub(crate) fn pods_without_identity_are_replaced(world: &World) -> Result<()> {
    begin(world)?;
    annotate(world)?;
    let restart = ["restart-injected", "-n", NAMESPACE];
    world
        .irsa_emu(&[&restart[..], &["--dry-run"]].concat())?
        .code(0)?
        .says("Deployment e2e-restart/rollout: 2 Pods: it was")?
        .says("StatefulSet e2e-restart/on-delete: 2 Pods: it was")?
        .says("StatefulSet e2e-restart/ordered: 1 Pod: it was")?;
    ensure!(injected(world)? == [0; 4], "a dry run changes nothing");
    world
        .irsa_emu(&restart)?
        .code(3)?
        .says(&format!("--namespace {NAMESPACE} --yes"))?;
    world
        .irsa_emu(&[&restart[..], &["--yes"]].concat())?
        .code(0)?
        .says("delete pod nobody, and create it again")?;
    ensure!(injected(world)? == REPLACED, "{:?}", injected(world)?);
    world.irsa_emu(&restart)?.code(0)?.says("nothing to restart")?;
    Ok(())
}

/// After `down` of an install in a cluster that stays, its Pods are as if there had never been one.
pub(crate) fn down_takes_back_what_pods_got(world: &World) -> Result<()> {
    let down = ["down", "--keep-cluster", "--restart-injected"];
    world
        .irsa_emu(&[&down[..], &["--dry-run"]].concat())?
        .code(0)?
        .says("Pods of StatefulSet e2e-restart/on-delete")?;
    world
        .irsa_emu(&down)?
        .code(0)?
        .says("objects are gone; the cluster stays")?;
    eventually("no Pod has what the webhook gave it", 60, || {
        let injected = injected(world)?;
        ensure!(injected == [0; 4], "{injected:?}");
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
    // An app that needs AWS is ready only with an identity. A Deployment would keep its old Pods for that when it is gone.
    let probe = json!({"periodSeconds": 1, "exec": {"command": ["sh", "-c", "test -n \"$AWS_ROLE_ARN\""]}});
    let spec = json!({"serviceAccountName": "late", "terminationGracePeriodSeconds": 0, "containers": [{
        "name": "app", "image": world.sdk_image, "imagePullPolicy": "Never", "command": ["sleep", "infinity"]}]});
    let workload = |kind: &str, name: &str, replicas: u8, more: Value| {
        let label = json!({"app": name});
        let mut spec = json!({"replicas": replicas, "selector": {"matchLabels": label},
            "template": {"metadata": {"labels": label}, "spec": spec}});
        if kind == "StatefulSet" {
            spec["template"]["spec"]["containers"][0]["readinessProbe"] = probe.clone();
        }
        if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
            spec.extend(more.clone());
        }
        json!({"apiVersion": "apps/v1", "kind": kind, "metadata": meta(name), "spec": spec})
    };
    let on_delete = json!({"podManagementPolicy": "Parallel", "updateStrategy": {"type": "OnDelete"}});
    for object in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("late")}),
        workload("Deployment", "rollout", 2, json!({})),
        workload("StatefulSet", "on-delete", 2, on_delete),
        workload("StatefulSet", "ordered", 1, json!({})),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta("nobody"), "spec": spec}),
    ] {
        world.apply(&object.to_string())?;
    }
    for (way, count) in WAYS {
        eventually("the Pods run", 60, || {
            let pods = pods(world, way)?;
            let running = pods
                .iter()
                .filter(|pod| pod["status"]["phase"] == "Running")
                .count();
            ensure!(running == count, "{way}: {running}");
            Ok(())
        })?;
    }
    Ok(())
}

/// How many Pods of each way were injected.
fn injected(world: &World) -> Result<Vec<usize>> {
    let is_injected = |pod: &&Value| pod["metadata"]["annotations"][INJECTED].is_string();
    let count = |(way, _): (&str, usize)| Ok(pods(world, way)?.iter().filter(is_injected).count());
    WAYS.into_iter().map(count).collect()
}

fn pods(world: &World, way: &str) -> Result<Vec<Value>> {
    let mut found = world.get(&["pods", "-n", NAMESPACE, "-l", &format!("app={way}")])?;
    let items = found["items"].as_array_mut().context("a list of Pods")?;
    items.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    Ok(items.clone())
}
