//! Namespaces, of which one label matters: the delivery of their Pods.

use futures::StreamExt;
use irsa_emu_core::contract::DELIVERY;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};

type NamespaceMeta = PartialObjectMeta<Namespace>;

/// The watched Namespaces.
pub(super) struct Namespaces(Store<NamespaceMeta>);

impl Namespaces {
    pub(super) fn watch(client: &Client) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (store, writer) = store();
        let events = watcher(
            Api::<NamespaceMeta>::all(client.clone()),
            watcher::Config::default(),
        )
        .default_backoff()
        .modify(|namespace| {
            namespace.metadata.managed_fields = None;
            namespace.metadata.annotations = None;
        })
        .reflect(writer);
        let watching = events.for_each(|event| async {
            if let Err(error) = event {
                tracing::warn!(%error, "watching Namespaces");
            }
        });
        (Self(store), watching)
    }

    pub(super) async fn synced(&self) -> anyhow::Result<()> {
        Ok(self.0.wait_until_ready().await?)
    }

    /// The delivery that a Namespace's label asks for.
    pub(super) fn delivery(&self, namespace: &str) -> Option<String> {
        let found = self.0.get(&ObjectRef::new(namespace))?;
        found.metadata.labels.as_ref()?.get(DELIVERY).cloned()
    }
}
