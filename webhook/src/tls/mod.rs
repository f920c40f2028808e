//! The webhook's own certificates: made once per install, kept in one Secret, renewed long before their end, and loaded
//! into the running server without dropping a connection. Any replica may write the Secret; the API server lets one win.

mod authority;
mod rotation;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use axum_server::tls_rustls::RustlsConfig;
use futures::StreamExt;
use irsa_emu_core::contract::{WEBHOOK_PATH, WEBHOOK_TLS_SECRET};
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use tokio::sync::watch;

use self::authority::{Pems, from_secret, to_secret, trusts, validity};
use self::rotation::{Step, next};
use crate::metrics::Metrics;

/// The wall clock is looked at this often.
const CHECK: Duration = Duration::from_mins(1);
/// How often a write is tried that another replica was faster with.
const TRIES: usize = 5;

/// The certificates in use.
#[derive(Clone)]
pub(crate) struct Certificates {
    config: RustlsConfig,
    served: Arc<ArcSwap<Pems>>,
    changes: watch::Sender<()>,
    metrics: Arc<Metrics>,
}

impl Certificates {
    /// Reads the certificates of this install, or makes them.
    pub(crate) async fn establish(
        client: &Client,
        namespace: &str,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let pems = reconcile(client, namespace, None).await?;
        let config = RustlsConfig::from_config(server_config(&pems).context("cannot serve the certificate")?);
        let certificates = Self {
            config,
            served: Arc::new(ArcSwap::from_pointee(pems)),
            changes: watch::channel(()).0,
            metrics,
        };
        certificates.publish_end();
        Ok(certificates)
    }

    pub(crate) fn tls(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// The secret segment of the admission paths.
    pub(crate) fn path(&self) -> PathSecret {
        PathSecret(Arc::clone(&self.served))
    }

    /// The certificates of the authorities in PEM, for `caBundle`.
    pub(crate) fn ca_bundle(&self) -> String {
        self.served.load().ca_bundle.clone()
    }

    /// Whether an API server that was given this `caBundle` accepts what is served now.
    pub(crate) fn trusted_by(&self, ca_bundle: &[u8]) -> bool {
        trusts(
            ca_bundle,
            &self.served.load().certificate,
            OffsetDateTime::now_utc(),
        )
    }

    /// Notifies when other certificates are served.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Follows the Secret and the clock without end.
    pub(crate) async fn keep_valid(self, client: Client, namespace: String) -> anyhow::Result<()> {
        let only = watcher::Config::default().fields(&format!("metadata.name={WEBHOOK_TLS_SECRET}"));
        let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
        let mut events = watcher(secrets, only).default_backoff().boxed();
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => tracing::warn!(%error, "watching the Secret of the certificates"),
                    None => anyhow::bail!("the watch of the certificates ended"),
                },
                () = tokio::time::sleep(CHECK) => {}
            }
            if let Err(error) = self.refresh(&client, &namespace).await {
                tracing::error!(
                    error = format!("{error:#}"),
                    "cannot renew the certificates; trying again"
                );
            }
        }
    }

    async fn refresh(&self, client: &Client, namespace: &str) -> anyhow::Result<()> {
        let own = self.served.load_full();
        let pems = reconcile(client, namespace, Some(&own)).await?;
        if pems == *own {
            return Ok(());
        }
        let config = server_config(&pems).context("cannot serve the certificate")?;
        self.config.reload_from_config(config);
        self.served.store(Arc::new(pems));
        self.publish_end();
        self.changes.send_replace(());
        tracing::info!("other certificates are served now");
        Ok(())
    }

    fn publish_end(&self) {
        if let Some((_, end)) = validity(&self.served.load().certificate) {
            self.metrics.serving_until(end.unix_timestamp());
        }
    }
}

/// The secret segment of the admission paths: the registration has it, so only the API server knows it, and those who
/// may read registrations. It never changes while the Secret, or a replica that served by it, lasts.
#[derive(Clone)]
pub(crate) struct PathSecret(Arc<ArcSwap<Pems>>);

impl PathSecret {
    /// The admission path below which reviews are taken.
    pub(crate) fn prefix(&self) -> String {
        format!("{WEBHOOK_PATH}/{}", self.0.load().path)
    }

    /// Whether this is that path. Digests are compared, so that the time reveals nothing of it.
    pub(crate) fn is_prefix(&self, given: &str) -> bool {
        let segment = given
            .strip_prefix(WEBHOOK_PATH)
            .and_then(|rest| rest.strip_prefix('/'));
        segment.is_some_and(|segment| Sha256::digest(segment) == Sha256::digest(&self.0.load().path))
    }

    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let mut pems = authority::make(OffsetDateTime::UNIX_EPOCH).unwrap();
        pems.path = "secret".to_owned();
        Self(Arc::new(ArcSwap::from_pointee(pems)))
    }
}

/// What the server needs to speak TLS with this certificate. HTTP/1.1 is all that API servers offer to webhooks, and all
/// that is served ([`crate::connections::server`]).
fn server_config(pems: &Pems) -> anyhow::Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_slice_iter(pems.certificate.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(pems.key.as_bytes())?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Makes the Secret what it should be, and returns what it holds then.
async fn reconcile(client: &Client, namespace: &str, own: Option<&Pems>) -> anyhow::Result<Pems> {
    let api = Api::<Secret>::namespaced(client.clone(), namespace);
    for _ in 0..TRIES {
        let secret = api
            .get_opt(WEBHOOK_TLS_SECRET)
            .await
            .context("cannot read the Secret of the certificates")?;
        let pems = match next(
            secret.as_ref().and_then(from_secret),
            own,
            OffsetDateTime::now_utc(),
        )? {
            Step::Use(pems) => return Ok(pems),
            Step::Write(pems) => pems,
        };
        let written = match secret {
            None => api.create(&PostParams::default(), &to_secret(&pems)).await,
            Some(mut secret) => {
                secret.data = to_secret(&pems).data;
                // With the version that was read: of two writers one gets a conflict.
                api.replace(WEBHOOK_TLS_SECRET, &PostParams::default(), &secret)
                    .await
            }
        };
        match written {
            Ok(_) => tracing::info!("wrote the Secret of the certificates"),
            // Another replica was first: look again.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(error).context("cannot write the Secret of the certificates"),
        }
    }
    anyhow::bail!("the Secret of the certificates does not come to rest")
}

/// What a server needs, and the authorities that its clients trust.
#[cfg(test)]
pub(crate) fn sample() -> (RustlsConfig, rustls::RootCertStore) {
    let pems = authority::make(OffsetDateTime::now_utc()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pems.ca_bundle.as_bytes()).flatten());
    (RustlsConfig::from_config(server_config(&pems).unwrap()), roots)
}
