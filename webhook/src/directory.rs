//! What the process knows of the cluster: ServiceAccounts and Recipes, kept by watches.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use irsa_emu_core::recipe::Recipe;
use irsa_emu_core::rules::RecipeRules;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use std::sync::Arc;
use tokio::sync::watch;

/// The longest that one admission waits for the API server.
const LIVE_GET: Duration = Duration::from_secs(1);

type ServiceAccountMeta = PartialObjectMeta<ServiceAccount>;

/// Watched objects, and the client for what a watch has not brought yet.
pub(crate) struct Directory {
    client: Client,
    service_accounts: Store<ServiceAccountMeta>,
    recipes: Store<Recipe>,
    changes: watch::Receiver<u64>,
}

impl Directory {
    /// Starts to watch. The future drives the watches and never ends.
    pub(crate) fn watch(client: Client) -> (Self, impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let (service_accounts, accounts_writer) = store();
        let (recipes, recipes_writer) = store();
        let (count, changes) = watch::channel(0_u64);
        let accounts = watcher(
            Api::<ServiceAccountMeta>::all(client.clone()),
            watcher::Config::default(),
        )
        .default_backoff()
        .modify(|account| account.metadata.managed_fields = None)
        .reflect(accounts_writer);
        let recipe_events = watcher(Api::<Recipe>::all(client.clone()), watcher::Config::default())
            .default_backoff()
            .reflect(recipes_writer);
        let driving = async move {
            let accounts = accounts.for_each(|event| async {
                if let Err(error) = event {
                    tracing::warn!(%error, "watching ServiceAccounts");
                }
            });
            let recipes = recipe_events.for_each(|event| {
                if let Err(error) = event {
                    tracing::warn!(%error, "watching Recipes");
                }
                count.send_modify(|changes| *changes = changes.wrapping_add(1));
                futures::future::ready(())
            });
            futures::future::join(accounts, recipes).await;
            Ok(())
        };
        (
            Self {
                client,
                service_accounts,
                recipes,
                changes,
            },
            driving,
        )
    }

    /// Waits until both watches have brought everything that was there. For one caller only: of several, the store
    /// wakes just the last (kube-runtime 5.0, `DelayedInit`).
    pub(crate) async fn synced(&self) -> anyhow::Result<()> {
        self.service_accounts.wait_until_ready().await?;
        self.recipes.wait_until_ready().await?;
        Ok(())
    }

    /// Tells of changes of Recipes. Each receiver is told of those that came while it was busy, too.
    pub(crate) fn recipe_changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// The annotations of a ServiceAccount; `None` where it does not exist. One that the watch has not brought is
    /// asked for: it may have come in the same `kubectl apply` as the Pod.
    pub(crate) async fn annotations(&self, namespace: &str, name: &str) -> Option<BTreeMap<String, String>> {
        if let Some(account) = self.service_accounts.get(&ObjectRef::new(name).within(namespace)) {
            return Some(account.metadata.annotations.clone().unwrap_or_default());
        }
        // The names come from a token or a review that nobody has verified, and go into a path of the API server.
        if !is_dns_name(namespace) || !is_dns_name(name) {
            return None;
        }
        let api = Api::<ServiceAccount>::namespaced(self.client.clone(), namespace);
        match tokio::time::timeout(LIVE_GET, api.get_metadata_opt(name)).await {
            Ok(Ok(account)) => account.map(|account| account.metadata.annotations.unwrap_or_default()),
            Ok(Err(error)) => {
                tracing::warn!(namespace, service_account = name, %error, "cannot ask for the ServiceAccount");
                None
            }
            Err(_) => {
                tracing::warn!(
                    namespace,
                    service_account = name,
                    "no answer about the ServiceAccount in time"
                );
                None
            }
        }
    }

    /// All Recipes.
    pub(crate) fn recipes(&self) -> Vec<Arc<Recipe>> {
        self.recipes.state()
    }

    /// The injection rules of all Recipes.
    pub(crate) fn rules(&self) -> Vec<RecipeRules> {
        let rules = |recipe: Arc<Recipe>| RecipeRules {
            recipe: recipe.metadata.name.clone().unwrap_or_default(),
            region: Some(recipe.spec.region.clone()),
            rules: recipe.spec.inject.clone(),
        };
        self.recipes().into_iter().map(rules).collect()
    }
}

/// Whether a text can be the name of a Namespace or ServiceAccount (RFC 1123, as Kubernetes takes it).
fn is_dns_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 253 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|byte| legal(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_go_into_a_path() {
        for name in ["vault", "a", "my-app.x", "0"] {
            assert!(is_dns_name(name), "{name}");
        }
        for text in [
            "",
            "a/b",
            "irsa-emu/secrets/x?y=",
            "../x",
            "-a",
            "a-",
            "A",
            "a b",
            "%2e",
            &"a".repeat(254),
        ] {
            assert!(!is_dns_name(text), "{text}");
        }
    }
}
