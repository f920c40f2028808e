//! What the process knows of the cluster, kept by watches: ServiceAccounts, the labels of
//! Namespaces, Recipes, and the `ConfigMap`s that name roles.

mod namespaces;
mod service_accounts;
mod tables;

use std::future::Future;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::StreamExt;
use irsa_emu_core::grant::GrantTables;
use irsa_emu_core::recipe::Recipe;
use irsa_emu_core::rules::RecipeRules;
use kube::runtime::reflector::{Store, store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::watch;

use self::namespaces::Namespaces;
#[cfg(test)]
pub(crate) use self::service_accounts::Account;
pub(crate) use self::service_accounts::Lookup;
use self::service_accounts::ServiceAccounts;
use self::tables::Tables;
use crate::args::Settings;
use crate::metrics::Metrics;

/// Watched objects, and the client for what a watch has not brought yet.
pub(crate) struct Directory {
    service_accounts: ServiceAccounts,
    namespaces: Namespaces,
    recipes: Store<Recipe>,
    rules: Arc<ArcSwap<Vec<RecipeRules>>>,
    tables: Tables,
    changes: watch::Receiver<u64>,
}

impl Directory {
    /// Starts to watch. The future drives the watches and never ends.
    pub(crate) fn watch(
        client: &Client,
        settings: &Settings,
        metrics: Arc<Metrics>,
    ) -> (Self, impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let (service_accounts, watching_accounts) =
            ServiceAccounts::watch(client.clone(), &settings.grants.annotation_prefix, metrics);
        let (namespaces, watching_namespaces) = Namespaces::watch(client);
        let (tables, watching_tables) = Tables::watch(client, &settings.install.namespace);
        let (recipes, recipes_writer) = store();
        let (count, changes) = watch::channel(0_u64);
        let rules = Arc::new(ArcSwap::default());
        let events = watcher(Api::<Recipe>::all(client.clone()), watcher::Config::default())
            .default_backoff()
            .reflect(recipes_writer);
        let (store, published) = (recipes.clone(), Arc::clone(&rules));
        let watching_recipes = events.for_each(move |event| {
            if let Err(error) = event {
                tracing::warn!(%error, "watching Recipes");
            }
            // Here once, and not at every admission.
            published.store(Arc::new(
                store
                    .state()
                    .iter()
                    .map(|recipe| RecipeRules::from(&**recipe))
                    .collect(),
            ));
            count.send_modify(|changes| *changes = changes.wrapping_add(1));
            futures::future::ready(())
        });
        let driving = async move {
            futures::future::join4(
                watching_accounts,
                watching_namespaces,
                watching_tables,
                watching_recipes,
            )
            .await;
            Ok(())
        };
        let directory = Self {
            service_accounts,
            namespaces,
            recipes,
            rules,
            tables,
            changes,
        };
        (directory, driving)
    }

    /// Waits until every watch has brought everything that was there. For one caller only: of several, a store wakes
    /// just the last (kube-runtime 5.0, `DelayedInit`).
    pub(crate) async fn synced(&self) -> anyhow::Result<()> {
        self.service_accounts.synced().await?;
        self.namespaces.synced().await?;
        self.tables.synced().await?;
        self.recipes.wait_until_ready().await?;
        Ok(())
    }

    /// Notifies of changes of Recipes, each receiver also of those that came while it was busy.
    pub(crate) fn recipe_changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// A ServiceAccount, asked for at the API server where the watch may be behind.
    pub(crate) async fn service_account(&self, namespace: &str, name: &str) -> Lookup {
        self.service_accounts.look_up(namespace, name).await
    }

    /// A ServiceAccount as the API server has it now.
    pub(crate) async fn service_account_now(&self, namespace: &str, name: &str) -> Lookup {
        self.service_accounts.look_up_now(namespace, name).await
    }

    /// The delivery that a Namespace's label asks for.
    pub(crate) fn namespace_delivery(&self, namespace: &str) -> Option<String> {
        self.namespaces.delivery(namespace)
    }

    /// The content of the `ConfigMap`s.
    pub(crate) fn tables(&self) -> Arc<GrantTables> {
        self.tables.current()
    }

    /// All Recipes.
    pub(crate) fn recipes(&self) -> Vec<Arc<Recipe>> {
        self.recipes.state()
    }

    /// The injection rules of all Recipes.
    pub(crate) fn rules(&self) -> Arc<Vec<RecipeRules>> {
        self.rules.load_full()
    }
}
