//! The cluster without its keeper: somebody else holds its Lease, so that nothing is mended while it is looked at.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::world::{World, eventually};

const LEASE: &[&str] = &["lease", "-n", "irsa-emu", "irsa-emu-keeper"];
const HOLDER: &str = "e2e-doctor";

/// Runs something while no replica of the webhook leads.
pub(super) fn without(world: &World, run: impl FnOnce() -> Result<()>) -> Result<()> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let holder = scope.spawn(|| -> Result<()> {
            while !over.load(Ordering::Relaxed) {
                seize(world)?;
                std::thread::park_timeout(Duration::from_secs(1));
            }
            Ok(())
        });
        let result = no_one_leads(world).and_then(|()| run());
        over.store(true, Ordering::Relaxed);
        holder.thread().unpark();
        holder.join().ok().context("the holder of the Lease panicked")??;
        result
    })
}

/// For a little longer than until the next time.
fn seize(world: &World) -> Result<()> {
    let now = world.program("date", &["-u", "+%FT%T.000000Z"])?.code(0)?.out;
    let now = now.trim();
    let spec = json!({"spec": {"holderIdentity": HOLDER, "leaseDurationSeconds": 6, "renewTime": now, "acquireTime": now}});
    world.kubectl(&[&["patch"], LEASE, &["--type=merge", "-p", &spec.to_string()]].concat())?;
    Ok(())
}

/// The leader learns of it when it would renew the Lease.
fn no_one_leads(world: &World) -> Result<()> {
    let held = || -> Result<()> {
        let lease = world.get(LEASE)?;
        ensure!(lease["spec"]["holderIdentity"] == HOLDER, "{}", lease["spec"]);
        Ok(())
    };
    for _ in 0..4 {
        eventually("the Lease is held", 10, held)?;
        std::thread::park_timeout(Duration::from_secs(1));
    }
    Ok(())
}
