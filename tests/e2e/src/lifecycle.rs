//! `up`, `status`, `env`, `doctor`, `down`.

use anyhow::{Result, ensure};
use irsa_emu_core::contract::{EMULATOR, EMULATOR_NODE_PORT, WEBHOOK};
use serde_json::Value;

use crate::world::{CONTEXT, INSTANCE, World, node_name};

pub(crate) fn unsafe_context_is_refused(world: &World) -> Result<()> {
    let kubeconfig = r#"{"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": [{"name": "arn:aws:eks:us-east-1:123456789012:cluster/prod", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}]}"#;
    let file = world.folder().join("production.kubeconfig");
    std::fs::write(&file, kubeconfig)?;
    let file = file.to_string_lossy();
    let context = "arn:aws:eks:us-east-1:123456789012:cluster/prod";
    world
        .irsa_emu(&["--kubeconfig", &file, "--context", context, "up"])?
        .code(3)?
        .says("--allow-context")?;
    Ok(())
}

pub(crate) fn no_docker_is_told(world: &World) -> Result<()> {
    world
        .irsa_emu_with("DOCKER_HOST", "unix:///nonexistent/docker.sock", &["up"])?
        .code(4)?
        .says("/nonexistent/docker.sock")?;
    Ok(())
}

pub(crate) fn up_makes_everything(world: &World) -> Result<()> {
    world.up()?.code(0)?.says(&world.host_endpoint())?;
    for (name, replicas) in [(WEBHOOK, 2), (EMULATOR, 1)] {
        let deployment = world.get_in_install(&["deployment", name])?;
        ensure!(
            deployment["status"]["availableReplicas"] == replicas,
            "{name} is not available: {}",
            deployment["status"]
        );
    }
    let published = world
        .program(
            "docker",
            &["port", &node_name(), &format!("{EMULATOR_NODE_PORT}/tcp")],
        )?
        .code(0)?;
    ensure!(
        format!("http://{}", published.out.trim()) == world.host_endpoint(),
        "published on {}",
        published.out
    );
    Ok(())
}

pub(crate) fn second_up_changes_nothing(world: &World) -> Result<()> {
    let before = versions(world)?;
    world.up()?.code(0)?.says("unchanged")?;
    ensure!(
        versions(world)? == before,
        "a second `up` changed a Deployment or a Service"
    );
    Ok(())
}

/// Pods have the ClusterIP of a Service in their variables, so it must not change either.
fn versions(world: &World) -> Result<Vec<Value>> {
    let list = world.get_in_install(&["deployments,services"])?;
    Ok(list["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| item["metadata"]["resourceVersion"].clone())
        .collect())
}

pub(crate) fn status_and_env(world: &World) -> Result<()> {
    let status: Value = serde_json::from_str(&world.irsa_emu(&["status", "-o", "json"])?.code(0)?.out)?;
    ensure!(
        status.to_string().contains(CONTEXT),
        "status does not name the context: {status}"
    );
    let version: Value = serde_json::from_str(&world.irsa_emu(&["version", "-o", "json"])?.code(0)?.out)?;
    ensure!(
        version["data"]["cluster"]["webhookImage"].is_string(),
        "version does not name the webhook: {version}"
    );
    let check = world.irsa_emu(&["recipe", "check", "-o", "json"])?;
    let checked: Value = serde_json::from_str(&check.code(0)?.out)?;
    ensure!(
        checked["status"] == "ok",
        "recipe check is not content: {checked}"
    );
    world
        .irsa_emu(&["env"])?
        .code(0)?
        .says(&format!("AWS_ENDPOINT_URL={}", world.host_endpoint()))?;
    Ok(())
}

pub(crate) fn doctor_is_content(world: &World) -> Result<()> {
    world.irsa_emu(&["doctor"])?.code(0)?.says("0 error")?;
    Ok(())
}

pub(crate) fn down_leaves_nothing(world: &World) -> Result<()> {
    world.irsa_emu(&["down"])?.code(0)?;
    let label = format!("label=io.x-k8s.kind.cluster={INSTANCE}");
    let containers = world
        .program("docker", &["ps", "-aq", "--filter", &label])?
        .code(0)?
        .out;
    ensure!(containers.is_empty(), "containers left: {containers}");
    let kubeconfig = std::fs::read_to_string(world.kubeconfig()).unwrap_or_default();
    ensure!(
        !kubeconfig.contains(INSTANCE),
        "the kubeconfig still names the cluster:\n{kubeconfig}"
    );
    Ok(())
}

pub(crate) fn second_down(world: &World) -> Result<()> {
    world.irsa_emu(&["down"])?.code(0)?;
    Ok(())
}
