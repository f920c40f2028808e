//! Which replica of the webhook leads, by its own word.

use anyhow::{Result, bail, ensure};
use irsa_emu_core::contract::{KEEPER_LEASE, NAMESPACE, WEBHOOK, WEBHOOK_HEALTH_PORT};

use crate::world::{World, eventually, text_at};

pub(crate) const LEASE: &[&str] = &["lease", "-n", NAMESPACE, KEEPER_LEASE];

/// For each of the two replicas, whether it reports that it leads.
pub(crate) fn reports(world: &World) -> Result<Vec<bool>> {
    let pods = world.pods_of(WEBHOOK)?;
    ensure!(pods.len() == 2, "{} replicas", pods.len());
    let report = |pod| {
        let name = text_at(pod, "/metadata/name")?;
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}:{WEBHOOK_HEALTH_PORT}/proxy/metrics");
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
