//! The webhook's own certificate authority and serving certificate: made once per install, kept in one Secret, renewed
//! long before their end by the wall clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use axum_server::tls_rustls::RustlsConfig;
use irsa_emu_core::contract::{WEBHOOK, WEBHOOK_TLS_SECRET};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _,
};
use time::OffsetDateTime;

const CA_LIFETIME: time::Duration = time::Duration::days(3650);
const LEAF_LIFETIME: time::Duration = time::Duration::days(90);
const RENEW_BEFORE: time::Duration = time::Duration::days(30);
const CHECK: Duration = Duration::from_mins(5);

/// The PEM texts of the Secret. The keys have no `Debug` to be printed by.
#[derive(Clone)]
struct Pems {
    ca_certificate: String,
    ca_key: String,
    certificate: String,
    key: String,
}

/// The certificates in use.
#[derive(Clone)]
pub(crate) struct Certificates {
    config: RustlsConfig,
    ca: Arc<ArcSwap<String>>,
}

impl Certificates {
    /// Reads the certificates of this install, or makes them.
    pub(crate) async fn establish(client: &Client, namespace: &str) -> anyhow::Result<Self> {
        let pems = current(client, namespace).await?;
        let config = RustlsConfig::from_pem(chain(&pems), pems.key.into_bytes())
            .await
            .context("cannot serve the certificate")?;
        Ok(Self {
            config,
            ca: Arc::new(ArcSwap::from_pointee(pems.ca_certificate)),
        })
    }

    pub(crate) fn tls(&self) -> RustlsConfig {
        self.config.clone()
    }

    /// The CA's certificate in PEM, for `caBundle`.
    pub(crate) fn ca_bundle(&self) -> String {
        self.ca.load().as_ref().clone()
    }

    /// Looks every few minutes whether the certificates are still good; connections in use go on.
    pub(crate) async fn keep_valid(self, client: Client, namespace: String) -> anyhow::Result<()> {
        loop {
            tokio::time::sleep(CHECK).await;
            let renewed = async {
                let pems = current(&client, &namespace).await?;
                self.config
                    .reload_from_pem(chain(&pems), pems.key.into_bytes())
                    .await?;
                self.ca.store(Arc::new(pems.ca_certificate));
                anyhow::Ok(())
            };
            if let Err(error) = renewed.await {
                tracing::error!(
                    error = format!("{error:#}"),
                    "cannot look after the certificates; trying again"
                );
            }
        }
    }
}

/// What the Secret holds, made or renewed where it must be.
async fn current(client: &Client, namespace: &str) -> anyhow::Result<Pems> {
    let api = Api::<Secret>::namespaced(client.clone(), namespace);
    let secret = api
        .get_opt(WEBHOOK_TLS_SECRET)
        .await
        .context("cannot read the Secret of the certificates")?;
    let now = OffsetDateTime::now_utc();
    let Some(mut secret) = secret else {
        let pems = make(now)?;
        tracing::info!("made a certificate authority");
        return match api.create(&PostParams::default(), &to_secret(&pems)).await {
            Ok(_) => Ok(pems),
            // Another replica was first: its certificates count.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let secret = api.get(WEBHOOK_TLS_SECRET).await?;
                from_secret(&secret).context("the Secret of the certificates is not complete")
            }
            Err(error) => Err(error).context("cannot write the Secret of the certificates"),
        };
    };
    let pems = match from_secret(&secret) {
        Some(pems) if !is_due(&pems.certificate, now) => return Ok(pems),
        Some(pems) if !is_due(&pems.ca_certificate, now) => renew_leaf(&pems, now)?,
        _ => make(now)?,
    };
    tracing::info!("renewed the certificates");
    secret.data = to_secret(&pems).data;
    api.replace(WEBHOOK_TLS_SECRET, &PostParams::default(), &secret)
        .await
        .context("cannot renew the certificates")?;
    Ok(pems)
}

fn chain(pems: &Pems) -> Vec<u8> {
    format!("{}{}", pems.certificate, pems.ca_certificate).into_bytes()
}

fn make(now: OffsetDateTime) -> anyhow::Result<Pems> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "irsa-emu webhook CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = now - time::Duration::hours(1);
    params.not_after = now + CA_LIFETIME;
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let pems = Pems {
        ca_certificate: certificate.pem(),
        ca_key: key.serialize_pem(),
        certificate: String::new(),
        key: String::new(),
    };
    renew_leaf(&pems, now)
}

fn renew_leaf(pems: &Pems, now: OffsetDateTime) -> anyhow::Result<Pems> {
    let issuer = Issuer::from_ca_cert_pem(&pems.ca_certificate, KeyPair::from_pem(&pems.ca_key)?)?;
    let mut params = CertificateParams::new(dns_names())?;
    params.distinguished_name.push(DnType::CommonName, WEBHOOK);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.not_before = now - time::Duration::hours(1);
    params.not_after = now + LEAF_LIFETIME;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Pems {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        ..pems.clone()
    })
}

fn dns_names() -> Vec<String> {
    use irsa_emu_core::contract::NAMESPACE;
    let service = format!("{WEBHOOK}.{NAMESPACE}.svc");
    vec![service.clone(), format!("{service}.cluster.local")]
}

/// Whether a certificate has come near its end, or cannot be read.
fn is_due(pem: &str, now: OffsetDateTime) -> bool {
    let end = x509_parser::pem::parse_x509_pem(pem.as_bytes())
        .ok()
        .and_then(|(_, pem)| {
            pem.parse_x509()
                .ok()
                .map(|certificate| certificate.validity().not_after.timestamp())
        });
    end.is_none_or(|end| end < (now + RENEW_BEFORE).unix_timestamp())
}

fn from_secret(secret: &Secret) -> Option<Pems> {
    let data = secret.data.as_ref()?;
    let text = |key: &str| {
        data.get(key)
            .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
    };
    let pems = Pems {
        ca_certificate: text("ca.crt")?,
        ca_key: text("ca.key")?,
        certificate: text("tls.crt")?,
        key: text("tls.key")?,
    };
    // A key that is not its certificate's would stop the server: better to make new ones.
    let fit = key_fits(&pems.ca_certificate, &pems.ca_key) && key_fits(&pems.certificate, &pems.key);
    fit.then_some(pems)
}

/// Whether a certificate and a key can be read and belong together.
fn key_fits(certificate: &str, key: &str) -> bool {
    let (Ok(key), Ok((_, pem))) = (
        KeyPair::from_pem(key),
        x509_parser::pem::parse_x509_pem(certificate.as_bytes()),
    ) else {
        return false;
    };
    pem.parse_x509()
        .is_ok_and(|certificate| certificate.public_key().raw == key.subject_public_key_info())
}

fn to_secret(pems: &Pems) -> Secret {
    let entry = |key: &str, text: &str| (key.to_owned(), ByteString(text.as_bytes().to_vec()));
    Secret {
        metadata: ObjectMeta {
            name: Some(WEBHOOK_TLS_SECRET.to_owned()),
            ..ObjectMeta::default()
        },
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(BTreeMap::from([
            entry("ca.crt", &pems.ca_certificate),
            entry("ca.key", &pems.ca_key),
            entry("tls.crt", &pems.certificate),
            entry("tls.key", &pems.key),
        ])),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap()
    }

    #[test]
    fn the_leaf_is_signed_by_the_ca_and_names_the_service() {
        let pems = make(now()).unwrap();
        let (_, ca) = x509_parser::pem::parse_x509_pem(pems.ca_certificate.as_bytes()).unwrap();
        let (_, leaf) = x509_parser::pem::parse_x509_pem(pems.certificate.as_bytes()).unwrap();
        let (ca, leaf) = (ca.parse_x509().unwrap(), leaf.parse_x509().unwrap());
        assert_eq!(leaf.issuer(), ca.subject());
        assert!(ca.is_ca() && !leaf.is_ca());
        let names = format!(
            "{:?}",
            leaf.subject_alternative_name()
                .unwrap()
                .unwrap()
                .value
                .general_names
        );
        assert!(names.contains("irsa-emu-webhook.irsa-emu.svc"), "{names}");
    }

    #[test]
    fn certificates_are_due_before_their_end_and_unreadable_ones_at_once() {
        let pems = make(now()).unwrap();
        assert!(!is_due(&pems.certificate, now()));
        assert!(is_due(&pems.certificate, now() + time::Duration::days(61)));
        assert!(!is_due(&pems.ca_certificate, now() + time::Duration::days(61)));
        assert!(is_due("nonsense", now()));
    }

    #[test]
    fn a_renewed_leaf_keeps_its_ca() {
        let pems = make(now()).unwrap();
        let renewed = renew_leaf(&pems, now() + time::Duration::days(61)).unwrap();
        assert_eq!(renewed.ca_certificate, pems.ca_certificate);
        assert_ne!(renewed.certificate, pems.certificate);
        assert!(!is_due(&renewed.certificate, now() + time::Duration::days(61)));
    }

    #[test]
    fn a_secret_reads_back_and_a_damaged_one_does_not() {
        let pems = make(now()).unwrap();
        let mut secret = to_secret(&pems);
        assert_eq!(from_secret(&secret).unwrap().certificate, pems.certificate);
        secret
            .data
            .as_mut()
            .unwrap()
            .insert("tls.key".into(), ByteString(b"x".to_vec()));
        assert!(from_secret(&secret).is_none());
        let other = make(now()).unwrap();
        let mixed = Pems {
            key: other.key,
            ..pems.clone()
        };
        assert!(from_secret(&to_secret(&mixed)).is_none());
        let mixed = Pems {
            ca_certificate: other.ca_certificate,
            ..pems
        };
        assert!(from_secret(&to_secret(&mixed)).is_none());
    }
}
