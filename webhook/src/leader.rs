//! One replica writes: it holds the Lease, and runs the duties that must not be done twice.

use std::sync::Arc;

use anyhow::Context;
use irsa_emu_core::contract::KEEPER_LEASE;
use kube::Client;
use kube_lease_manager::LeaseManagerBuilder;

use crate::metrics::Metrics;

/// A replica that is gone without a word is replaced after this, in seconds.
const LEASE: u64 = 15;
/// The Lease is renewed so long before its end, in seconds.
const RENEW_BEFORE: u64 = 8;

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
    let manager = LeaseManagerBuilder::new(client, KEEPER_LEASE)
        .with_namespace(namespace)
        .with_identity(identity)
        .with_duration(LEASE)
        .with_grace(RENEW_BEFORE)
        .build()
        .await
        .context("cannot make the Lease of the keeper")?;
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
        match ended {
            Some(outcome) => return outcome,
            None => tracing::info!("another replica leads"),
        }
    }
}
