//! Pods with an unmodified AWS SDK (boto3, its default credential chain) in both deliveries.

use anyhow::{Context, Result, ensure};
use irsa_emu_core::contract::{INJECTED, SIDECAR, TOKEN_VOLUME};
use serde_json::json;

use crate::probe::{Probe, ensure_served};
use crate::world::{World, eventually};

/// Where EKS puts the token of a Pod.
const TOKEN: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";

/// Namespace, ServiceAccounts and roles for every Pod with an SDK, and the image of the usual one.
pub(crate) fn prepare(world: &World) -> Result<()> {
    world.load(&world.sdk_image)?;
    world.apply(&std::fs::read_to_string(
        world.root.join("tests/e2e/manifests/namespace.yaml"),
    )?)?;
    recipe_makes_resources(world)
}

pub(crate) fn recipe_makes_resources(world: &World) -> Result<()> {
    let said = world
        .irsa_emu(&["recipe", &world.file("tests/e2e/manifests/recipe.yaml")])?
        .code(0)?;
    said.says("arn:aws:iam::123456789012:role/e2e-app")?;
    Ok(())
}

pub(crate) fn web_identity_serves_an_sdk(world: &World) -> Result<()> {
    let probe = Probe::python(world, "web-identity", "app");
    probe.start(world)?;
    ensure_served(&probe.answer(world)?, "e2e-app")?;
    let containers = probe.pod(world)?["spec"]["containers"].to_string();
    ensure!(!containers.contains("AWS_ACCESS_KEY_ID"), "{containers}");
    Ok(())
}

pub(crate) fn unannotated_gets_nothing(world: &World) -> Result<()> {
    let probe = Probe::python(world, "plain", "plain");
    probe.start(world)?;
    let pod = eventually("a Pod of the Job", 30, || probe.pod(world))?;
    let container = &pod["spec"]["containers"][0];
    ensure!(
        container.get("env").is_none(),
        "env was injected: {}",
        container["env"]
    );
    ensure!(
        pod["metadata"]["annotations"].get(INJECTED).is_none(),
        "{}",
        pod["metadata"]
    );
    ensure!(
        !pod["spec"]["volumes"].to_string().contains(TOKEN_VOLUME),
        "{}",
        pod["spec"]["volumes"]
    );
    Ok(())
}

pub(crate) fn foreign_role_is_denied(world: &World) -> Result<()> {
    let probe = Probe {
        env: &[
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/e2e-other"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", TOKEN),
        ],
        ..Probe::python(world, "foreign-role", "app")
    };
    probe.start(world)?;
    let answer = probe.answer(world)?;
    ensure!(
        answer["error"] == "AccessDenied",
        "a role that trusts another: {answer}"
    );
    eventually("the reason is in an Event of the ServiceAccount", 30, || {
        let events = world.get(&[
            "events",
            "-n",
            "e2e",
            "--field-selector",
            "reason=AccessDenied,involvedObject.name=app",
        ])?;
        let text = events["items"].to_string();
        ensure!(
            text.contains("role/e2e-other: its trust policy does not allow it")
                && text.contains("system:serviceaccount:e2e:other"),
            "none so far: {text}"
        );
        Ok(())
    })
}

/// Two containers of one Pod: one with the role of the annotation, one with another role that trusts the ServiceAccount.
pub(crate) fn two_roles_serve_one_pod(world: &World) -> Result<()> {
    const JOB: &str = "two-roles";
    let container = |name: &str| {
        json!({"name": name, "image": world.sdk_image, "imagePullPolicy": "Never",
            "args": ["/probe.py", "alias/e2e", format!("e2e-{JOB}-{name}")]})
    };
    let mut second = container("second");
    second["env"] = json!([
        {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::123456789012:role/e2e-second"},
        {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": TOKEN},
    ]);
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": JOB, "namespace": "e2e"},
        "spec": {"backoffLimit": 0, "template": {"metadata": {}, "spec": {
            "serviceAccountName": "app", "restartPolicy": "Never", "containers": [container("app"), second]}}}
    });
    world.kubectl(&["delete", "job", "-n", "e2e", JOB, "--ignore-not-found"])?;
    world.apply(&job.to_string())?;
    eventually("the Job completes", 90, || {
        let job = world.get(&["job", "-n", "e2e", JOB])?;
        ensure!(job["status"]["succeeded"] == 1, "{}", job["status"]);
        Ok(())
    })?;
    for (container, role) in [("app", "e2e-app"), ("second", "e2e-second")] {
        let log = world.kubectl(&["logs", "-n", "e2e", &format!("job/{JOB}"), "-c", container])?;
        let line = log.lines().rfind(|line| line.starts_with('{'));
        let answer = serde_json::from_str(line.context("the probe printed no JSON")?)?;
        ensure_served(&answer, role)?;
    }
    Ok(())
}

pub(crate) fn sidecar_job_completes(world: &World) -> Result<()> {
    let probe = Probe {
        delivery: Some("sidecar"),
        ..Probe::python(world, "sidecar", "app")
    };
    probe.start(world)?;
    ensure_served(&probe.answer(world)?, "e2e-app")?;
    let pod = probe.pod(world)?;
    let names = pod["spec"]["initContainers"].to_string();
    ensure!(names.contains(SIDECAR), "no sidecar: {names}");
    ensure!(
        !pod["spec"]["containers"].to_string().contains("AWS_ROLE_ARN"),
        "{}",
        pod["spec"]["containers"]
    );
    Ok(())
}
