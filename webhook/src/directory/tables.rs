//! Two `ConfigMap`s of our own Namespace: `pod-identity-webhook`, which names roles, and the list of EKS Pod Identity
//! associations. Each is read at every change; one that is deleted is forgotten, which EKS's webhook does not manage.

use std::future::Future;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::StreamExt;
use irsa_emu_core::contract::{POD_IDENTITIES, POD_IDENTITIES_ENTRY, ROLE_MAP, ROLE_MAP_ENTRY};
use irsa_emu_core::grant::{GrantTables, PodIdentities, RoleMap};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};

/// The `ConfigMap`s as they are now.
pub(super) struct Tables {
    store: Store<ConfigMap>,
    current: Arc<ArcSwap<GrantTables>>,
}

impl Tables {
    pub(super) fn watch(
        client: &Client,
        namespace: &str,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (store, writer) = store();
        let current = Arc::new(ArcSwap::<GrantTables>::default());
        let events = watcher(
            Api::<ConfigMap>::namespaced(client.clone(), namespace),
            watcher::Config::default(),
        )
        .default_backoff()
        .reflect(writer);
        let (seen, published, namespace) = (store.clone(), Arc::clone(&current), namespace.to_owned());
        let watching = events.for_each(move |event| {
            match event {
                // While a list comes in, the store has none of it yet.
                Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
                Ok(_) => {
                    let text = |name: &str, entry: &str| {
                        let map = seen.get(&ObjectRef::new(name).within(&namespace))?;
                        map.data.as_ref()?.get(entry).cloned()
                    };
                    let next = next(
                        &published.load(),
                        text(ROLE_MAP, ROLE_MAP_ENTRY).as_deref(),
                        text(POD_IDENTITIES, POD_IDENTITIES_ENTRY).as_deref(),
                    );
                    published.store(Arc::new(next));
                }
                Err(error) => tracing::warn!(%error, "watching ConfigMaps"),
            }
            futures::future::ready(())
        });
        (Self { store, current }, watching)
    }

    pub(super) async fn synced(&self) -> anyhow::Result<()> {
        Ok(self.store.wait_until_ready().await?)
    }

    pub(super) fn current(&self) -> Arc<GrantTables> {
        self.current.load_full()
    }
}

/// The tables after a change. Text that cannot be read leaves what was there, as in EKS.
fn next(last: &GrantTables, role_map: Option<&str>, pod_identities: Option<&str>) -> GrantTables {
    let role_map = match role_map.map(RoleMap::parse) {
        None => RoleMap::default(),
        Some(Ok((map, problems))) => {
            for problem in problems {
                tracing::warn!(config_map = ROLE_MAP, problem, "an entry is left out");
            }
            map
        }
        Some(Err(error)) => {
            tracing::error!(config_map = ROLE_MAP, %error, "it is not read; what it had before stays in force");
            last.role_map.clone()
        }
    };
    let pod_identities = match pod_identities.map(|text| PodIdentities::parse(text.as_bytes())) {
        None => PodIdentities::default(),
        Some(Ok(named)) => named,
        Some(Err(error)) => {
            tracing::error!(config_map = POD_IDENTITIES, %error, "it is not read; what it had before stays in force");
            last.pod_identities.clone()
        }
    };
    GrantTables {
        role_map,
        pod_identities,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_config_map_keeps_what_was_there_and_a_deleted_one_is_forgotten() {
        let roles = r#"{"n/s": {"RoleARN": "r"}}"#;
        let associations = r#"{"identities": [{"namespace": "n", "serviceAccount": "s"}]}"#;
        let good = next(&GrantTables::default(), Some(roles), Some(associations));
        assert_ne!(good, GrantTables::default());
        assert_eq!(next(&good, Some("{"), Some("[1]")), good);
        assert_eq!(next(&good, None, None), GrantTables::default());
    }
}
