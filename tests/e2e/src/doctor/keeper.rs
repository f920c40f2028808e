//! The cluster without its keeper: the test holds its Lease, so that nothing is repaired while the doctor looks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::leader::{self, LEASE};
use crate::world::{World, eventually};

const HOLDER: &str = "e2e-doctor";
/// The Lease is held for so long, in seconds, and renewed each second: a busy machine may be late.
const LASTS: u64 = 15;

/// The Lease, held by the test.
pub(super) struct Held<'h> {
    lost: &'h AtomicBool,
}

impl Held<'_> {
    /// Fails if a replica took the Lease meanwhile.
    pub(super) fn check(&self) -> Result<()> {
        ensure!(
            !self.lost.load(Ordering::Relaxed),
            "the Lease is not held any more"
        );
        Ok(())
    }
}

/// Runs something while no replica of the webhook leads.
pub(super) fn without(world: &World, run: impl FnOnce(&Held<'_>) -> Result<()>) -> Result<()> {
    let (over, ended) = mpsc::channel::<()>();
    let lost = AtomicBool::new(false);
    std::thread::scope(|scope| {
        no_one_leads(world)?;
        let lost_here = &lost;
        let holder = scope.spawn(move || {
            let held = hold_until(world, &ended);
            lost_here.store(held.is_err(), Ordering::Relaxed);
            held
        });
        let result = run(&Held { lost: &lost });
        drop(over);
        let held = holder.join().ok().context("the holder of the Lease panicked")?;
        // Why it was lost explains what a step saw.
        held.and(result)
    })
}

/// Renews the Lease until the other end of the channel is gone, then gives it back.
fn hold_until(world: &World, ended: &mpsc::Receiver<()>) -> Result<()> {
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(Duration::from_secs(1)) {
        let lease = world.get(LEASE)?;
        ensure!(
            lease["spec"]["holderIdentity"] == HOLDER,
            "a replica took the Lease while a step needed that none leads: {}",
            lease["spec"]
        );
        // If somebody writes it after this look, the API server refuses the change.
        hold(
            world,
            &json!({"resourceVersion": lease["metadata"]["resourceVersion"]}),
        )?;
    }
    let nobody =
        json!({"holderIdentity": null, "leaseDurationSeconds": null, "renewTime": null, "acquireTime": null});
    patch(world, &json!({"spec": nobody}))
}

/// Takes or renews the Lease. Metadata with a version make that fail for any other.
fn hold(world: &World, metadata: &Value) -> Result<()> {
    let now = world.program("date", &["-u", "+%FT%T.000000Z"])?.code(0)?.out;
    let now = now.trim();
    let spec = json!({"holderIdentity": HOLDER, "leaseDurationSeconds": LASTS, "renewTime": now, "acquireTime": now});
    patch(world, &json!({"metadata": metadata, "spec": spec}))
}

fn patch(world: &World, patch: &Value) -> Result<()> {
    world.kubectl(&[&["patch"], LEASE, &["--type=merge", "-p", &patch.to_string()]].concat())?;
    Ok(())
}

/// Takes the Lease, and waits until every replica reports that it does not lead. A replica that was about to release an
/// expired Lease can take it once more.
fn no_one_leads(world: &World) -> Result<()> {
    eventually("no replica leads", 60, || {
        hold(world, &json!({}))?;
        let reports = leader::reports(world)?;
        ensure!(!reports.contains(&true), "{reports:?}");
        Ok(())
    })
}
