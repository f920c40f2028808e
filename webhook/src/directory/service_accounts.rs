//! ServiceAccounts: a watch for the many, and a question to the API server where the watch may be behind.
//!
//! EKS's webhook leaves a Pod without its identity where the ServiceAccount came in the same `kubectl apply`. So nothing
//! of "no role" is believed from the cache alone: it is requested again, once for all who wait, and for a short time.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt};
use irsa_emu_core::contract::ROLE_ARN;
use irsa_emu_core::names::is_dns_subdomain;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::Semaphore;

use crate::metrics::{LookupResult, Metrics};

/// The longest that one question to the API server takes.
const LIVE_GET: Duration = Duration::from_secs(1);
/// Questions running at once, over all ServiceAccounts.
const LIVE_GETS: usize = 16;
/// `kubectl apply` keeps a copy of the whole object here, which nobody needs.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

type ServiceAccountMeta = PartialObjectMeta<ServiceAccount>;

/// The annotations of a ServiceAccount that exists.
#[derive(Debug, Clone)]
pub(crate) struct Account(Arc<ServiceAccountMeta>);

impl Account {
    pub(crate) fn annotations(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.0.metadata.annotations.as_ref().unwrap_or(&NONE)
    }

    pub(crate) fn uid(&self) -> Option<&str> {
        self.0.metadata.uid.as_deref()
    }

    /// An account with these annotations.
    #[cfg(test)]
    pub(crate) fn with(annotations: BTreeMap<String, String>) -> Self {
        let mut meta = ServiceAccountMeta::default();
        meta.metadata.annotations = Some(annotations);
        Self(Arc::new(meta))
    }
}

/// What is known of a ServiceAccount.
#[derive(Debug, Clone)]
pub(crate) enum Lookup {
    /// It exists.
    Found(Account),
    /// It does not.
    Missing,
    /// The API server did not report it.
    Failed(Arc<str>),
}

impl Lookup {
    fn result(&self) -> LookupResult {
        match self {
            Self::Found(_) => LookupResult::Found,
            Self::Missing => LookupResult::Missing,
            Self::Failed(_) => LookupResult::Failed,
        }
    }
}

type Key = (String, String);
type Flight = Shared<BoxFuture<'static, Lookup>>;

/// The watched ServiceAccounts.
pub(super) struct ServiceAccounts {
    client: Client,
    store: Store<ServiceAccountMeta>,
    role_annotation: String,
    flights: Arc<Mutex<HashMap<Key, Flight>>>,
    limit: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl ServiceAccounts {
    pub(super) fn watch(
        client: Client,
        annotation_prefix: &str,
        metrics: Arc<Metrics>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (store, writer) = store();
        let events = watcher(
            Api::<ServiceAccountMeta>::all(client.clone()),
            watcher::Config::default(),
        )
        .default_backoff()
        .modify(strip)
        .reflect(writer);
        let watching = events.for_each(|event| async {
            if let Err(error) = event {
                tracing::warn!(%error, "watching ServiceAccounts");
            }
        });
        let accounts = Self {
            client,
            store,
            role_annotation: format!("{annotation_prefix}/{ROLE_ARN}"),
            flights: Arc::default(),
            limit: Arc::new(Semaphore::new(LIVE_GETS)),
            metrics,
        };
        (accounts, watching)
    }

    pub(super) async fn synced(&self) -> anyhow::Result<()> {
        Ok(self.store.wait_until_ready().await?)
    }

    /// What is known of a ServiceAccount. A cached one that names a role is believed at once.
    pub(super) async fn look_up(&self, namespace: &str, name: &str) -> Lookup {
        let cached = self
            .store
            .get(&ObjectRef::new(name).within(namespace))
            .map(Account);
        if let Some(account) = &cached
            && self.names_a_role(account)
        {
            return Lookup::Found(account.clone());
        }
        // The names come from a token or a review that nobody has verified, and go into a path of the API server.
        if !is_dns_subdomain(namespace) || !is_dns_subdomain(name) {
            return Lookup::Missing;
        }
        let live = self.ask(namespace, name).await;
        self.metrics.looked_up(live.result());
        match (live, cached) {
            (Lookup::Failed(why), Some(account)) => {
                tracing::warn!(namespace, service_account = name, %why, "the ServiceAccount is taken from the cache");
                Lookup::Found(account)
            }
            (Lookup::Failed(why), None) => {
                tracing::warn!(namespace, service_account = name, %why, "cannot look up the ServiceAccount");
                Lookup::Failed(why)
            }
            (answer, _) => answer,
        }
    }

    fn names_a_role(&self, account: &Account) -> bool {
        account.annotations().contains_key(&self.role_annotation)
    }

    /// Asks the API server. A question that is running is shared; but it may have been completed before the caller's
    /// ServiceAccount was written, so a "no" from it is asked once more.
    async fn ask(&self, namespace: &str, name: &str) -> Lookup {
        let (flight, mine) = self.flight(namespace, name);
        let answer = flight.await;
        let no = match &answer {
            Lookup::Found(account) => !self.names_a_role(account),
            Lookup::Missing => true,
            Lookup::Failed(_) => false,
        };
        if mine || !no {
            return answer;
        }
        self.flight(namespace, name).0.await
    }

    /// A ServiceAccount as the API server has it now.
    pub(super) async fn look_up_now(&self, namespace: &str, name: &str) -> Lookup {
        self.ask(namespace, name).await
    }

    /// The question that is running, or a new one; and whether it is new.
    fn flight(&self, namespace: &str, name: &str) -> (Flight, bool) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.to_owned(), name.to_owned());
        if let Some(flight) = flights.get(&key) {
            return (flight.clone(), false);
        }
        let question = get(
            self.client.clone(),
            Arc::clone(&self.limit),
            key.0.clone(),
            key.1.clone(),
        );
        // A task of its own, which ends though everybody who waits may have gone, and clears up behind itself.
        let (map, done) = (Arc::clone(&self.flights), key.clone());
        let task = tokio::spawn(async move {
            let answer = question.await;
            map.lock().unwrap_or_else(PoisonError::into_inner).remove(&done);
            answer
        });
        let flight = async move {
            task.await
                .unwrap_or_else(|error| Lookup::Failed(error.to_string().into()))
        };
        let flight = flight.boxed().shared();
        flights.insert(key, flight.clone());
        (flight, true)
    }
}

async fn get(client: Client, limit: Arc<Semaphore>, namespace: String, name: String) -> Lookup {
    let api = Api::<ServiceAccount>::namespaced(client, &namespace);
    let question = async {
        let _permit = limit.acquire().await;
        api.get_metadata_opt(&name).await
    };
    match tokio::time::timeout(LIVE_GET, question).await {
        Ok(Ok(Some(mut account))) => {
            strip(&mut account);
            Lookup::Found(Account(Arc::new(account)))
        }
        Ok(Ok(None)) => Lookup::Missing,
        Ok(Err(error)) => Lookup::Failed(format!("the API server responded: {error}").into()),
        Err(_) => {
            Lookup::Failed(format!("the API server did not respond within {} s", LIVE_GET.as_secs()).into())
        }
    }
}

/// Keeps of a ServiceAccount what is read: a thousand of them fit into a few hundred kilobytes.
fn strip(account: &mut ServiceAccountMeta) {
    account.metadata.managed_fields = None;
    account.metadata.labels = None;
    account.metadata.owner_references = None;
    if let Some(annotations) = &mut account.metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::Body;
    use axum::http::{Request, Response};
    use serde_json::json;

    use super::*;

    #[test]
    fn only_names_go_into_a_path() {
        for name in ["vault", "a", "my-app.x", "0"] {
            assert!(is_dns_subdomain(name), "{name}");
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
            assert!(!is_dns_subdomain(text), "{text}");
        }
    }

    /// An API server that counts its questions. `annotated_from`: from which question on the ServiceAccount has its role.
    fn accounts(annotated_from: usize, pause: Duration) -> (Arc<ServiceAccounts>, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&count);
        let service = tower::service_fn(move |_: Request<kube::client::Body>| {
            let nth = asked.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(pause).await;
                let annotations = if nth >= annotated_from {
                    json!({"eks.amazonaws.com/role-arn": "r"})
                } else {
                    json!({})
                };
                let body = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                    "metadata": {"name": "s", "namespace": "n", "annotations": annotations}});
                Ok::<_, std::convert::Infallible>(Response::new(Body::from(body.to_string())))
            }
        });
        let client = Client::new(service, "default");
        let (accounts, _watching) =
            ServiceAccounts::watch(client, "eks.amazonaws.com", Arc::new(Metrics::new()));
        (Arc::new(accounts), count)
    }

    fn role(lookup: &Lookup) -> Option<&str> {
        match lookup {
            Lookup::Found(account) => account
                .annotations()
                .get("eks.amazonaws.com/role-arn")
                .map(String::as_str),
            _ => None,
        }
    }

    #[tokio::test]
    async fn all_who_wait_share_one_question() {
        let (accounts, count) = accounts(0, Duration::from_millis(50));
        let asks = (0..100).map(|_| accounts.look_up("n", "s"));
        for answer in futures::future::join_all(asks).await {
            assert_eq!(role(&answer), Some("r"));
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_no_from_a_question_that_was_under_way_is_asked_once_more() {
        let (accounts, count) = accounts(1, Duration::from_millis(50));
        let first = accounts.look_up("n", "s");
        let second = accounts.look_up("n", "s");
        let (first, second) = futures::future::join(first, second).await;
        assert_eq!((role(&first), role(&second)), (None, Some("r")));
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_nobody_waits_for_any_more_ends_and_leaves_nothing() {
        let (accounts, _) = accounts(0, Duration::from_millis(100));
        for _ in 0..LIVE_GETS * 2 {
            let impatient = tokio::time::timeout(Duration::from_millis(1), accounts.look_up("n", "s"));
            assert!(impatient.await.is_err());
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(accounts.flights.lock().unwrap().is_empty());
        assert_eq!(accounts.limit.available_permits(), LIVE_GETS);
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_does_not_answer_is_told_in_time() {
        let (accounts, _) = accounts(0, Duration::from_mins(1));
        let began = tokio::time::Instant::now();
        assert!(matches!(accounts.look_up("n", "s").await, Lookup::Failed(_)));
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
}
