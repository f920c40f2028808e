//! Which replica of the webhook leads, by its own word.

use anyhow::{Context, Result, bail, ensure};
use irsa_emu_core::contract::WEBHOOK_HEALTH_PORT;

use crate::world::{World, eventually, text_at};

const LEASE: &[&str] = &["lease", "-n", "irsa-emu", "irsa-emu-keeper"];

/// For each of the two replicas, whether it reports that it leads.
pub(crate) fn reports(world: &World) -> Result<Vec<bool>> {
    let label = "app.kubernetes.io/name=irsa-emu-webhook";
    let pods = world.get(&["pods", "-n", "irsa-emu", "-l", label])?;
    let pods = pods["items"].as_array().context("a list of Pods")?;
    ensure!(pods.len() == 2, "{} replicas", pods.len());
    let report = |pod| {
        let name = text_at(pod, "/metadata/name")?;
        let path = format!("/api/v1/namespaces/irsa-emu/pods/{name}:{WEBHOOK_HEALTH_PORT}/proxy/metrics");
        let metrics = world.kubectl(&["get", "--raw", &path])?;
        let leads = metrics
            .lines()
            .find_map(|line| line.strip_prefix("irsa_emu_leading "));
        match leads {
            Some("0") => Ok(false),
            Some("1") => Ok(true),
            other => bail!("{name} reports {other:?}"),
        }
    };
    pods.iter().map(report).collect()
}

/// One replica leads again after the Lease was deleted, and holds a new one.
pub(crate) fn deleted_lease_is_made_again(world: &World) -> Result<()> {
    let one_leads = || -> Result<()> {
        let reports = reports(world)?;
        let leading = reports.iter().filter(|leads| **leads).count();
        ensure!(leading == 1, "{reports:?}");
        Ok(())
    };
    eventually("one replica leads", 60, one_leads)?;
    let uid = || -> Result<String> { Ok(text_at(&world.get(LEASE)?, "/metadata/uid")?.to_owned()) };
    let before = uid()?;
    world.kubectl(&[&["delete"], LEASE].concat())?;
    eventually("one replica leads with a new Lease", 60, || {
        ensure!(uid()? != before, "it is the old one");
        one_leads()
    })
}
