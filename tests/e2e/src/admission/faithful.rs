//! Every kind of workload, every place that can name a role, and Pods that come too early for others.

use anyhow::{Result, ensure};
use irsa_emu_core::contract::{
    self, POD_IDENTITIES, POD_IDENTITIES_ENTRY, ROLE_MAP, ROLE_MAP_ENTRY, SIDECAR,
};
use serde_json::{Value, json};

use super::{NAMESPACE, dry_run, has_identity, pod, variable};
use crate::world::{World, eventually};

/// ServiceAccount and Pod in one `kubectl apply`, so many times. EKS's webhook leaves 40 of 500 such Pods alone.
const AT_ONCE: usize = 100;

pub(crate) fn every_workload_gets_its_identity(world: &World) -> Result<()> {
    world.apply(&std::fs::read_to_string(
        world.root.join("tests/e2e/manifests/workloads.yaml"),
    )?)?;
    world.kubectl(&[
        "create",
        "job",
        "-n",
        NAMESPACE,
        "from-cronjob",
        "--from=cronjob/cronjob",
    ])?;
    for (namespace, app) in [
        (NAMESPACE, "deployment"),
        (NAMESPACE, "statefulset"),
        (NAMESPACE, "job"),
        (NAMESPACE, "cronjob"),
        (NAMESPACE, "bare"),
        (NAMESPACE, "newest"),
        ("e2e-restricted", "restricted"),
    ] {
        let made = eventually(&format!("a Pod of {app}"), 30, || {
            let pods = world.get(&["pods", "-n", namespace, "-l", &format!("app={app}")])?;
            ensure!(!pods["items"][0].is_null(), "none yet");
            Ok(pods["items"][0].clone())
        })?;
        ensure!(has_identity(&made), "{app}: {}", made["spec"]);
    }
    let newest = world.get(&["pod", "-n", NAMESPACE, "newest"])?;
    ensure!(
        newest["spec"]["resources"]["limits"]["memory"] == "16Mi",
        "{}",
        newest["spec"]
    );
    let init = &newest["spec"]["initContainers"];
    ensure!(
        init[0]["name"] == SIDECAR && init[1]["startupProbe"]["grpc"]["port"] == 1,
        "{init}"
    );
    Ok(())
}

pub(crate) fn same_apply_is_seen(world: &World) -> Result<()> {
    let name = |index: usize| format!("together-{index}");
    let account = |index| {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name(index), "namespace": NAMESPACE,
        "annotations": {"eks.amazonaws.com/role-arn": format!("arn:aws:iam::123456789012:role/{}", name(index))}}})
    };
    let items: Vec<Value> = (0..AT_ONCE)
        .flat_map(|index| [account(index), pod(NAMESPACE, &name(index), &name(index))])
        .collect();
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string())?;
    let pods = world.get(&["pods", "-n", NAMESPACE])?;
    let made: Vec<&Value> = pods["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|pod| {
            pod["metadata"]["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("together-"))
        })
        .collect();
    let without = made.iter().filter(|pod| !has_identity(pod)).count();
    ensure!(
        made.len() == AT_ONCE && without == 0,
        "{without} of {} Pods have no identity",
        made.len()
    );
    Ok(())
}

/// An annotation that comes a moment before the Pod is seen as well, though the cache has the ServiceAccount without it.
pub(crate) fn fresh_annotation_is_seen(world: &World) -> Result<()> {
    for round in 0..10 {
        let name = format!("late-{round}");
        world.kubectl(&["create", "serviceaccount", "-n", NAMESPACE, &name])?;
        eventually("the cache has the ServiceAccount", 10, || {
            let made = dry_run(world, &pod(NAMESPACE, &name, &name))?;
            ensure!(!has_identity(&made), "it has a role already");
            Ok(())
        })?;
        let annotated = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE,
                "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/e2e-app"}}},
            pod(NAMESPACE, &name, &name)]});
        world.apply(&annotated.to_string())?;
        let made = world.get(&["pod", "-n", NAMESPACE, &name])?;
        ensure!(has_identity(&made), "round {round}: {}", made["spec"]);
    }
    Ok(())
}

pub(crate) fn config_maps_name_roles(world: &World) -> Result<()> {
    let role = |service_account: &str| {
        dry_run(world, &pod(NAMESPACE, "mapped", service_account))
            .map(|pod| variable(&pod, "containers", "app", "AWS_ROLE_ARN").cloned())
    };
    ensure!(role("mapped")?.is_none(), "a role came from nowhere");
    let map = |name: &str, entry: &str, content: Value| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": contract::NAMESPACE},
            "data": {entry: content.to_string()}})
        .to_string()
    };
    world.apply(&map(
        ROLE_MAP,
        ROLE_MAP_ENTRY,
        json!({"*/mapped": {"RoleARN": "arn:aws:iam::123456789012:role/mapped"}}),
    ))?;
    eventually("the ConfigMap names a role", 20, || {
        ensure!(
            role("mapped")? == Some("arn:aws:iam::123456789012:role/mapped".into()),
            "it does not"
        );
        Ok(())
    })?;
    world.apply(&map(
        POD_IDENTITIES,
        POD_IDENTITIES_ENTRY,
        json!({"identities": [{"namespace": NAMESPACE, "serviceAccount": "associated"}]}),
    ))?;
    eventually("an association gives EKS Pod Identity", 20, || {
        let made = dry_run(world, &pod(NAMESPACE, "associated", "associated"))?;
        let uri = variable(&made, "containers", "app", "AWS_CONTAINER_CREDENTIALS_FULL_URI");
        ensure!(
            uri.is_some_and(|uri| uri == "http://169.254.170.23/v1/credentials"),
            "{}",
            made["spec"]
        );
        ensure!(
            made["metadata"]["labels"]["eks.amazonaws.com/pod-identity"] == "enabled",
            "{}",
            made["metadata"]
        );
        Ok(())
    })?;
    world.in_install(&["delete", "configmap", ROLE_MAP, POD_IDENTITIES])?;
    eventually("deleted ConfigMaps are forgotten", 20, || {
        let associated = dry_run(world, &pod(NAMESPACE, "associated", "associated"))?;
        ensure!(
            role("mapped")?.is_none() && !has_identity(&associated),
            "they are not"
        );
        Ok(())
    })
}

pub(crate) fn mistakes_are_told(world: &World) -> Result<()> {
    let bare = world
        .kubectl_with(
            &["create", "--dry-run=server", "-f", "-"],
            &pod(NAMESPACE, "typo", "typo").to_string(),
        )?
        .code(0)?;
    bare.says("did you mean eks.amazonaws.com/role-arn?")?;
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "typo", "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": {"app": "typo"}}, "template": {"metadata": {"labels": {"app": "typo"}},
            "spec": pod(NAMESPACE, "typo", "typo")["spec"]}}});
    world.apply(&deployment.to_string())?;
    eventually("the ReplicaSet gets an Event", 30, || {
        let events = world.get(&[
            "events",
            "-n",
            NAMESPACE,
            "--field-selector",
            "reason=AWSIdentity",
        ])?;
        let told = events["items"].as_array().into_iter().flatten().any(|event| {
            event["involvedObject"]["kind"] == "ReplicaSet"
                && event["message"]
                    .as_str()
                    .is_some_and(|note| note.contains("role_arn"))
        });
        ensure!(told, "none so far: {}", events["items"]);
        Ok(())
    })
}
