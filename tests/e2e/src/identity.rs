//! Pods with an unmodified AWS SDK (boto3, its default credential chain) in both deliveries.

use anyhow::{Result, ensure};

use crate::probe::{Probe, ensure_served};
use crate::world::{World, eventually};

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
        pod["metadata"]["annotations"]
            .get("irsa-emu.dev/injected")
            .is_none(),
        "{}",
        pod["metadata"]
    );
    ensure!(
        !pod["spec"]["volumes"].to_string().contains("aws-iam-token"),
        "{}",
        pod["spec"]["volumes"]
    );
    Ok(())
}

pub(crate) fn foreign_role_is_denied(world: &World) -> Result<()> {
    let probe = Probe {
        env: &[
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/e2e-other"),
            (
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
            ),
        ],
        ..Probe::python(world, "foreign-role", "app")
    };
    probe.start(world)?;
    let answer = probe.answer(world)?;
    ensure!(
        answer["error"] == "AccessDenied",
        "a role that the annotation does not name: {answer}"
    );
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
    ensure!(names.contains("irsa-emu-creds-injector"), "no sidecar: {names}");
    ensure!(
        !pod["spec"]["containers"].to_string().contains("AWS_ROLE_ARN"),
        "{}",
        pod["spec"]["containers"]
    );
    Ok(())
}
