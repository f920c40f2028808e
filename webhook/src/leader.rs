//! One replica writes: it holds the Lease, and runs the duties that must not be done twice.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use irsa_emu_core::contract::KEEPER_LEASE;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::one_object::{self, Followed};

/// Another replica leads after this at the latest: it looks at the Lease only when that ends. A whole number of seconds.
const LEASE: Duration = Duration::from_secs(6);
/// The Lease is renewed so long before its end.
const RENEW_BEFORE: Duration = Duration::from_secs(4);
/// A Lease that cannot be made is tried again after this.
const RETRY: Duration = Duration::from_secs(1);
/// How long the library may take to stop.
const STOP: Duration = Duration::from_secs(5);

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
        let (renewed, library) = manager.watch().await;
        let leases = Api::namespaced(client.clone(), &namespace);
        let (lease, following) = one_object::follow(leases, KEEPER_LEASE);
        let leading = Leading::new(renewed, lease.clone(), identity.clone());
        tokio::select! {
            biased;
            ended = following => return ended,
            deleted = deleted(lease) => deleted?,
            ended = perform(leading, &metrics, &duty) => return ended,
        }
        tracing::warn!("the Lease of the keeper was deleted; recreating it");
        // The library gives the Lease back when it stops. That must not be the new one.
        let _ = tokio::time::timeout(STOP, library).await;
        tokio::time::sleep(RETRY).await;
    }
}

async fn manager(client: &Client, namespace: &str, identity: &str) -> LeaseManager {
    loop {
        let builder = LeaseManagerBuilder::new(client.clone(), KEEPER_LEASE)
            .with_namespace(namespace)
            .with_identity(identity)
            .with_duration(LEASE.as_secs())
            .with_grace(RENEW_BEFORE.as_secs());
        match builder.build().await {
            Ok(manager) => return manager,
            Err(error) => tracing::warn!(%error, "cannot create the Lease yet; trying again"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Waits until the API server has no such Lease.
async fn deleted(mut lease: Followed<Lease>) -> anyhow::Result<()> {
    loop {
        lease.changed().await.context(UNWATCHED)?;
        if lease.borrow_and_update().is_none() {
            return Ok(());
        }
    }
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
        let _shown = Shown::new(metrics);
        tokio::select! {
            biased;
            lost = leading.becomes(false) => lost?,
            outcome = duty() => return outcome,
        }
        tracing::info!("another replica leads");
    }
}

/// The metric is 1 while this lives.
struct Shown<'m>(&'m Metrics);

impl<'m> Shown<'m> {
    fn new(metrics: &'m Metrics) -> Self {
        metrics.leading(true);
        Self(metrics)
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.0.leading(false);
    }
}

const UNWATCHED: &str = "nobody watches the Lease of the keeper any more";

/// Whether this replica leads: the library renews the Lease, and the API server reported within the Lease's time that this
/// replica holds it.
///
/// The library alone is not enough. It notices that another replica took the Lease only when it would renew it, seconds later,
/// and it notices nothing while the API server cannot be reached; until then this replica would write beside the new leader.
struct Leading {
    renewed: watch::Receiver<bool>,
    lease: Followed<Lease>,
    identity: String,
    /// The last report, and until when it is good.
    reported: Option<Arc<Lease>>,
    good_until: Instant,
}

impl Leading {
    fn new(renewed: watch::Receiver<bool>, lease: Followed<Lease>, identity: String) -> Self {
        Self {
            renewed,
            lease,
            identity,
            reported: None,
            good_until: Instant::now(),
        }
    }

    fn now(&mut self) -> bool {
        let lease = self.lease.borrow_and_update().clone();
        if lease.as_ref().map(Arc::as_ptr) != self.reported.as_ref().map(Arc::as_ptr) {
            self.good_until = Instant::now() + LEASE;
            self.reported = lease;
        }
        let holder = self
            .reported
            .as_ref()
            .and_then(|lease| lease.spec.as_ref()?.holder_identity.as_ref());
        let is_holder = holder == Some(&self.identity);
        *self.renewed.borrow_and_update() && is_holder && Instant::now() < self.good_until
    }

    /// Waits until this replica leads, or until it does not.
    async fn becomes(&mut self, wanted: bool) -> anyhow::Result<()> {
        while self.now() != wanted {
            tokio::select! {
                changed = self.renewed.changed() => changed.context("nobody renews the Lease of the keeper any more")?,
                changed = self.lease.changed() => changed.context(UNWATCHED)?,
                () = tokio::time::sleep_until(self.good_until), if !wanted => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use tokio::sync::oneshot::error::TryRecvError;

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

    #[tokio::test(start_paused = true)]
    async fn a_leader_stops_when_another_holds_the_lease_although_its_own_renewal_is_not_due() {
        let (renews, renewed) = watch::channel(false);
        let (seen, lease) = watch::channel(None);
        let metrics = Metrics::new();
        let leading = Leading::new(renewed, lease, "a".to_owned());
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
            // The API server goes away, and with it every report of a renewal.
            seen.send_replace(Some(held_by("a")));
            let began = Instant::now();
            let mut dropped = duties.recv().await.unwrap();
            tokio::time::sleep(LEASE / 2).await;
            assert!(dropped.try_recv() == Err(TryRecvError::Empty));
            seen.send_replace(Some(held_by("a")));
            assert!(dropped.await.is_err());
            assert_eq!(began.elapsed(), LEASE / 2 + LEASE);
        };
        tokio::select! {
            biased;
            ended = perform(leading, &metrics, &duty) => panic!("{ended:?}"),
            () = script => {}
        }
    }
}
