//! One replica writes: it holds the Lease, and runs the duties that must not be done twice.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use irsa_emu_core::contract::KEEPER_LEASE;
use kube::Client;
use kube_lease_manager::LeaseManagerBuilder;

use crate::metrics::Metrics;

/// Another replica leads after this at the latest, in seconds: it looks at the Lease only when that ends.
const LEASE: u64 = 6;
/// The Lease is renewed so long before its end, in seconds.
const RENEW_BEFORE: u64 = 4;
/// A Lease that cannot be made is tried again after this.
const RETRY: Duration = Duration::from_secs(1);

/// Runs the duty whenever this replica leads; dropped where it must stop. The Lease is given back when this is dropped.
pub(crate) async fn lead<Duty>(
    client: Client,
    namespace: String,
    identity: String,
    metrics: Arc<Metrics>,
    duty: impl Fn() -> Duty + Send,
) -> anyhow::Result<()>
where
    Duty: Future<Output = anyhow::Result<()>> + Send,
{
    let manager = loop {
        let builder = LeaseManagerBuilder::new(client.clone(), KEEPER_LEASE)
            .with_namespace(namespace.clone())
            .with_identity(identity.clone())
            .with_duration(LEASE)
            .with_grace(RENEW_BEFORE);
        match builder.build().await {
            Ok(manager) => break manager,
            Err(error) => tracing::warn!(%error, "cannot make the Lease yet; trying again"),
        }
        tokio::time::sleep(RETRY).await;
    };
    let (mut leading, _manager) = manager.watch().await;
    loop {
        leading
            .wait_for(|leads| *leads)
            .await
            .context("the Lease of the keeper is not looked after any more")?;
        tracing::info!("leading");
        metrics.leading(true);
        let ended = tokio::select! {
            outcome = duty() => Some(outcome),
            lost = leading.wait_for(|leads| !*leads) => {
                lost.context("the Lease of the keeper is not looked after any more")?;
                None
            }
        };
        metrics.leading(false);
        if let Some(outcome) = ended {
            return outcome;
        }
        tracing::info!("another replica leads");
    }
}
