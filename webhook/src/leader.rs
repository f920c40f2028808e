//! One replica writes: it holds the Lease, and runs the duties that must not be done twice.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use irsa_emu_core::contract::KEEPER_LEASE;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder};
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::one_object::{self, Followed};

/// Another replica leads after this at the latest, in seconds: it looks at the Lease only when that ends.
const LEASE: u64 = 6;
/// The Lease is renewed so long before its end, in seconds.
const RENEW_BEFORE: u64 = 4;
/// A Lease that cannot be made is tried again after this.
const RETRY: Duration = Duration::from_secs(1);

/// Runs the duty whenever this replica leads; drops it as soon as the API server reports that another one holds the Lease.
/// The Lease is given back when this is dropped.
pub(crate) async fn lead<Duty>(
    client: Client,
    namespace: String,
    identity: String,
    metrics: Arc<Metrics>,
    duty: impl Fn() -> Duty + Send + Sync,
) -> anyhow::Result<()>
where
    Duty: Future<Output = anyhow::Result<()>> + Send,
{
    loop {
        // A Lease that was deleted is made again here: the library makes one only at its start.
        let manager = manager(&client, &namespace, &identity).await;
        let (renewed, _manager) = manager.watch().await;
        let (lease, following) =
            one_object::follow(Api::namespaced(client.clone(), &namespace), KEEPER_LEASE);
        let leading = Leading {
            renewed,
            lease: lease.clone(),
            identity: identity.clone(),
        };
        tokio::select! {
            ended = following => return ended,
            ended = perform(leading, &metrics, &duty) => return ended,
            deleted = deleted(lease) => deleted?,
        }
        metrics.leading(false);
        tracing::warn!("the Lease of the keeper was deleted; making it again");
    }
}

async fn manager(client: &Client, namespace: &str, identity: &str) -> LeaseManager {
    loop {
        let builder = LeaseManagerBuilder::new(client.clone(), KEEPER_LEASE)
            .with_namespace(namespace)
            .with_identity(identity)
            .with_duration(LEASE)
            .with_grace(RENEW_BEFORE);
        match builder.build().await {
            Ok(manager) => return manager,
            Err(error) => tracing::warn!(%error, "cannot make the Lease yet; trying again"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Waits until the Lease, which was there, is gone.
async fn deleted(mut lease: Followed<Lease>) -> anyhow::Result<()> {
    for there in [true, false] {
        let found = lease.wait_for(|lease| lease.is_some() == there).await;
        found.context("nobody watches the Lease of the keeper any more")?;
    }
    Ok(())
}

async fn perform<Duty>(
    mut leading: Leading,
    metrics: &Metrics,
    duty: &(impl Fn() -> Duty + Sync),
) -> anyhow::Result<()>
where
    Duty: Future<Output = anyhow::Result<()>> + Send,
{
    loop {
        leading.becomes(true).await?;
        tracing::info!("leading");
        metrics.leading(true);
        let ended = tokio::select! {
            outcome = duty() => Some(outcome),
            lost = leading.becomes(false) => {
                lost?;
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

/// Whether this replica leads: it renewed the Lease, and the API server names it as the holder.
///
/// The library alone is not enough: it notices that another one took the Lease only when it would renew it, seconds later,
/// and until then this replica would write beside the new leader.
struct Leading {
    renewed: watch::Receiver<bool>,
    lease: Followed<Lease>,
    identity: String,
}

impl Leading {
    fn now(&mut self) -> bool {
        let renewed = *self.renewed.borrow_and_update();
        let lease = self.lease.borrow_and_update();
        let holder = lease
            .as_ref()
            .and_then(|lease| lease.spec.as_ref()?.holder_identity.as_ref());
        renewed && holder == Some(&self.identity)
    }

    /// Waits until this replica leads, or until it does not.
    async fn becomes(&mut self, wanted: bool) -> anyhow::Result<()> {
        while self.now() != wanted {
            tokio::select! {
                changed = self.renewed.changed() => changed.context("nobody renews the Lease of the keeper any more")?,
                changed = self.lease.changed() => changed.context("nobody watches the Lease of the keeper any more")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1::LeaseSpec;

    use super::*;

    fn held_by(holder: &str) -> Arc<Lease> {
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            ..LeaseSpec::default()
        };
        Arc::new(Lease {
            spec: Some(spec),
            ..Lease::default()
        })
    }

    #[tokio::test]
    async fn a_leader_stops_when_another_holds_the_lease_although_its_own_renewal_is_not_due() {
        let (renews, renewed) = watch::channel(false);
        let (seen, lease) = watch::channel(None);
        let metrics = Metrics::new();
        let leading = Leading {
            renewed,
            lease,
            identity: "a".to_owned(),
        };
        // The duty reports that it runs, and, by the end of its sender, that it was dropped.
        let (began, mut duties) = tokio::sync::mpsc::unbounded_channel();
        let duty = || {
            let (held, dropped) = tokio::sync::oneshot::channel::<()>();
            let _ = began.send(dropped);
            async move {
                let _held = held;
                std::future::pending().await
            }
        };
        let script = async {
            seen.send_replace(Some(held_by("b")));
            renews.send_replace(true);
            tokio::task::yield_now().await;
            assert!(duties.try_recv().is_err(), "the API server names another holder");
            seen.send_replace(Some(held_by("a")));
            let dropped = duties.recv().await.unwrap();
            seen.send_replace(Some(held_by("b")));
            assert!(dropped.await.is_err());
            // The Lease comes back before the library noticed that it was away.
            seen.send_replace(Some(held_by("a")));
            let dropped = duties.recv().await.unwrap();
            seen.send_replace(None);
            assert!(dropped.await.is_err(), "a Lease that was deleted is nobody's");
        };
        tokio::select! {
            ended = perform(leading, &metrics, &duty) => panic!("{ended:?}"),
            () = script => {}
        }
    }
}
