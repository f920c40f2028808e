//! The keys by which the cluster signs: fetched when they are needed, and no more often than they can have changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use axum::http;
use jsonwebtoken::jwk::JwkSet;
use kube::Client;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::error::StsError;
use super::token::{self, Keys, Verified, WebIdentityToken};

/// A key id that is not known makes us ask the API server again, at most this often.
const REFETCH: Duration = Duration::from_secs(10);
/// Keys older than this are asked for again, so that one that was taken out of use is not trusted any longer.
const MAX_AGE: Duration = Duration::from_mins(5);
/// While the API server is away, a key that it had before is still valid for so long.
const MAX_AGE_AWAY: Duration = Duration::from_hours(1);
/// After a fetch that failed, nobody waits for another one before this.
const RETRY: Duration = Duration::from_secs(2);
/// The longest that an exchange waits for the keys.
const FETCH: Duration = Duration::from_secs(3);

/// Verifies tokens with keys that are fetched when they are needed.
pub(crate) struct Verifier {
    client: Client,
    /// The keys as they were fetched last.
    fetched: ArcSwapOption<Fetched>,
    /// Whoever fetches holds it; inside, when that failed last.
    failed: Mutex<Option<Instant>>,
}

struct Fetched {
    keys: Keys,
    at: Instant,
}

impl Fetched {
    /// Whether these keys settle what becomes of a token that this key signed.
    fn settles(&self, id: &str) -> bool {
        let age = self.at.elapsed();
        age < REFETCH || (self.keys.has(id) && age < MAX_AGE)
    }
}

impl Verifier {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            fetched: ArcSwapOption::empty(),
            failed: Mutex::default(),
        }
    }

    pub(crate) async fn verify(&self, token: &WebIdentityToken) -> Result<Verified, StsError> {
        let id = token::key_id(token)?;
        let fetched = match self.fetched.load_full() {
            // Nobody whose key is known waits for who comes with another.
            Some(fetched) if fetched.settles(&id) => fetched,
            _ => self.fetched_with(&id).await?,
        };
        token::verify(token, &fetched.keys)
    }

    /// The cluster's keys, asked for again where they lack this id. The lock makes that one request for all who wait.
    async fn fetched_with(&self, id: &str) -> Result<Arc<Fetched>, StsError> {
        let mut failed = self.failed.lock().await;
        let known = self.fetched.load_full();
        if let Some(fetched) = known.as_ref().filter(|fetched| fetched.settles(id)) {
            return Ok(Arc::clone(fetched));
        }
        let failed_lately = failed.is_some_and(|failed| failed.elapsed() < RETRY);
        if !failed_lately {
            match self.fetch_in_time().await {
                Ok(keys) => {
                    let fetched = Arc::new(Fetched {
                        keys,
                        at: Instant::now(),
                    });
                    self.fetched.store(Some(Arc::clone(&fetched)));
                    *failed = None;
                    return Ok(fetched);
                }
                Err(error) => {
                    tracing::error!(%error, "cannot fetch the cluster's signing keys");
                    *failed = Some(Instant::now());
                }
            }
        }
        known
            .filter(|fetched| fetched.keys.has(id) && fetched.at.elapsed() < MAX_AGE_AWAY)
            .ok_or_else(|| StsError::idp_communication("The cluster's OpenID keys could not be fetched"))
    }

    async fn fetch_in_time(&self) -> anyhow::Result<Keys> {
        tokio::time::timeout(FETCH, self.fetch()).await?
    }

    async fn fetch(&self) -> anyhow::Result<Keys> {
        #[derive(Deserialize)]
        struct Discovery {
            issuer: String,
        }
        let get = |path: &'static str| http::Request::get(path).body(Vec::new());
        let discovery: Discovery = self
            .client
            .request(get("/.well-known/openid-configuration")?)
            .await?;
        let set: JwkSet = self.client.request(get("/openid/v1/jwks")?).await?;
        Ok(Keys::new(discovery.issuer, &set))
    }
}
