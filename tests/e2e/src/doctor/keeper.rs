//! The cluster without its keeper: somebody else holds its Lease, so that nothing is mended while it is looked at.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use irsa_emu_core::contract::WEBHOOK_HEALTH_PORT;
use serde_json::{Value, json};

use crate::world::{World, eventually, text_at};

const LEASE: &[&str] = &["lease", "-n", "irsa-emu", "irsa-emu-keeper"];
const HOLDER: &str = "e2e-doctor";
/// The Lease is held for so long, in seconds, and renewed each second: a busy machine may be late.
const LASTS: u64 = 15;

/// Runs something while no replica of the webhook leads.
pub(super) fn without(world: &World, run: impl FnOnce() -> Result<()>) -> Result<()> {
    let (over, ended) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let holder = scope.spawn(move || -> Result<()> {
            hold(world)?;
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(Duration::from_secs(1)) {
                still_held(world)?;
                hold(world)?;
            }
            give_back(world)
        });
        let result = no_one_leads(world).and_then(|()| run());
        drop(over);
        let held = holder.join().ok().context("the holder of the Lease panicked")?;
        result.and(held)
    })
}

fn hold(world: &World) -> Result<()> {
    let now = world.program("date", &["-u", "+%FT%T.000000Z"])?.code(0)?.out;
    let now = now.trim();
    let spec = json!({"holderIdentity": HOLDER, "leaseDurationSeconds": LASTS, "renewTime": now, "acquireTime": now});
    patch(world, &spec)
}

fn give_back(world: &World) -> Result<()> {
    patch(
        world,
        &json!({"holderIdentity": null, "leaseDurationSeconds": null, "renewTime": null, "acquireTime": null}),
    )
}

fn patch(world: &World, spec: &Value) -> Result<()> {
    let patch = json!({"spec": spec}).to_string();
    world.kubectl(&[&["patch"], LEASE, &["--type=merge", "-p", &patch]].concat())?;
    Ok(())
}

fn still_held(world: &World) -> Result<()> {
    let spec = world.get(LEASE)?["spec"].clone();
    ensure!(
        spec["holderIdentity"] == HOLDER,
        "a replica took the Lease while a step needed that none leads: {spec}"
    );
    Ok(())
}

/// Waits until every replica says itself that it does not lead.
fn no_one_leads(world: &World) -> Result<()> {
    eventually("no replica leads", 30, || {
        still_held(world)?;
        let label = "app.kubernetes.io/name=irsa-emu-webhook";
        let pods = world.get(&["pods", "-n", "irsa-emu", "-l", label])?;
        let pods = pods["items"].as_array().context("a list of Pods")?;
        ensure!(pods.len() == 2, "{} replicas", pods.len());
        for pod in pods {
            let name = text_at(pod, "/metadata/name")?;
            let path = format!("/api/v1/namespaces/irsa-emu/pods/{name}:{WEBHOOK_HEALTH_PORT}/proxy/metrics");
            let metrics = world.kubectl(&["get", "--raw", &path])?;
            let leads = metrics.lines().find(|line| line.starts_with("irsa_emu_leading "));
            ensure!(leads == Some("irsa_emu_leading 0"), "{name}: {leads:?}");
        }
        Ok(())
    })
}
