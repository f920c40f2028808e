//! The other AWS SDKs, each in its own image and with its default credential chain, in both deliveries at once.
//! What each needs is in `docs/sdks.md`.

use anyhow::{Context, Result, ensure};
use irsa_emu_core::contract::INJECTED;

use crate::probe::{Probe, ensure_served};
use crate::world::World;

pub(crate) fn cli(world: &World) -> Result<()> {
    serves_both(world, "cli", &world.sdk_cli_image)
}

pub(crate) fn go_v2(world: &World) -> Result<()> {
    serves_both(world, "go-v2", &world.sdk_go_image)
}

pub(crate) fn js_v3(world: &World) -> Result<()> {
    serves_both(world, "js-v3", &world.sdk_js_image)
}

pub(crate) fn java_v2(world: &World) -> Result<()> {
    serves_both(world, "java-v2", &world.sdk_java_image)
}

pub(crate) fn rust(world: &World) -> Result<()> {
    serves_both(world, "rust", &world.sdk_rust_image)
}

/// The SDK that never learned `AWS_ENDPOINT_URL`. A rule of the recipe gives its Pods the sidecar and the variables
/// that the app itself reads.
pub(crate) fn go_v1(world: &World) -> Result<()> {
    world.load(&world.sdk_go_v1_image)?;
    let probe = Probe {
        name: "go-v1",
        image: &world.sdk_go_v1_image,
        program: &[],
        service_account: "legacy",
        delivery: None,
        env: &[],
    };
    probe.start(world)?;
    ensure_served_by(world, &probe, "sidecar", "e2e-legacy")
}

fn serves_both(world: &World, sdk: &str, image: &str) -> Result<()> {
    world.load(image)?;
    let deliveries = ["web-identity", "sidecar"];
    let names = deliveries.map(|delivery| format!("{sdk}-{delivery}"));
    let probe = |index: usize| Probe {
        name: &names[index],
        image,
        program: &[],
        service_account: "app",
        delivery: Some(deliveries[index]),
        env: &[],
    };
    probe(0).start(world)?;
    probe(1).start(world)?;
    ensure_served_by(world, &probe(0), deliveries[0], "e2e-app")?;
    ensure_served_by(world, &probe(1), deliveries[1], "e2e-app")
}

fn ensure_served_by(world: &World, probe: &Probe, delivery: &str, role: &str) -> Result<()> {
    let answer = probe.answer(world)?;
    ensure_served(&answer, role).with_context(|| format!("{} in delivery {delivery}", probe.name))?;
    let pod = probe.pod(world)?;
    ensure!(
        pod["metadata"]["annotations"][INJECTED] == delivery,
        "{}",
        pod["metadata"]
    );
    Ok(())
}
