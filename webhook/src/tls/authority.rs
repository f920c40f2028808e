//! The certificate authority of an install and the certificate that it signs for the webhook: texts, no I/O.

use std::collections::BTreeMap;
use std::sync::Arc;

use irsa_emu_core::contract::{NAMESPACE, WEBHOOK, WEBHOOK_PATH_ENTRY, WEBHOOK_TLS_SECRET};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ObjectMeta;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const CA_LIFETIME: Duration = Duration::days(3650);
const LEAF_LIFETIME: Duration = Duration::days(90);
/// Clocks differ; a certificate is valid from a little before it was made.
pub(super) const BACKDATE: Duration = Duration::hours(1);

/// The PEM texts of the Secret. The keys have no `Debug` to be printed by.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pems {
    /// Certificates of authorities: the one that signs now, then those that signed what is still served somewhere.
    pub(super) ca_bundle: String,
    pub(super) ca_key: String,
    pub(super) certificate: String,
    pub(super) key: String,
    /// The secret segment of the admission paths.
    pub(super) path: String,
}

/// A new authority with its first certificate.
pub(super) fn make(now: OffsetDateTime) -> anyhow::Result<Pems> {
    let (ca_bundle, ca_key) = new_authority(now)?;
    renew_leaf(
        &Pems {
            ca_bundle,
            ca_key,
            certificate: String::new(),
            key: String::new(),
            path: Uuid::new_v4().simple().to_string(),
        },
        now,
    )
}

/// The same certificate, and a new authority in front of the one that signed it.
pub(super) fn add_authority(pems: &Pems, now: OffsetDateTime) -> anyhow::Result<Pems> {
    let (newest, ca_key) = new_authority(now)?;
    Ok(Pems {
        ca_bundle: newest + &pems.ca_bundle,
        ca_key,
        ..pems.clone()
    })
}

/// The same authorities without those that sign nothing any more.
pub(super) fn forget_old_authorities(pems: &Pems) -> Pems {
    Pems {
        ca_bundle: first(&pems.ca_bundle).to_owned(),
        ..pems.clone()
    }
}

/// The same authority with a new certificate.
pub(super) fn renew_leaf(pems: &Pems, now: OffsetDateTime) -> anyhow::Result<Pems> {
    let issuer = Issuer::from_ca_cert_pem(first(&pems.ca_bundle), KeyPair::from_pem(&pems.ca_key)?)?;
    let mut params = CertificateParams::new(dns_names())?;
    params.distinguished_name.push(DnType::CommonName, WEBHOOK);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.not_before = now - BACKDATE;
    params.not_after = now + LEAF_LIFETIME;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Pems {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        ..pems.clone()
    })
}

fn new_authority(now: OffsetDateTime) -> anyhow::Result<(String, String)> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "irsa-emu webhook CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = now - BACKDATE;
    params.not_after = now + CA_LIFETIME;
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn dns_names() -> Vec<String> {
    let service = format!("{WEBHOOK}.{NAMESPACE}.svc");
    vec![service.clone(), format!("{service}.cluster.local")]
}

/// The first certificate of a bundle.
pub(super) fn first(bundle: &str) -> &str {
    const END: &str = "-----END CERTIFICATE-----\n";
    bundle.find(END).map_or(bundle, |end| &bundle[..end + END.len()])
}

/// The validity of the first certificate of a PEM text.
pub(super) fn validity(pem: &str) -> Option<(OffsetDateTime, OffsetDateTime)> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).ok();
    Some((
        at(certificate.validity().not_before.timestamp())?,
        at(certificate.validity().not_after.timestamp())?,
    ))
}

/// Whether an API server that trusts these authorities accepts this certificate from the webhook's Service.
pub(crate) fn trusts(bundle: &[u8], certificate: &str, now: OffsetDateTime) -> bool {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(bundle).flatten());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (Ok(leaf), Ok(name), Ok(seconds)) = (
        CertificateDer::from_pem_slice(certificate.as_bytes()),
        ServerName::try_from(format!("{WEBHOOK}.{NAMESPACE}.svc")),
        u64::try_from(now.unix_timestamp()),
    ) else {
        return false;
    };
    if added == 0 {
        return false;
    }
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .is_ok_and(|verifier| verifier.verify_server_cert(&leaf, &[], &name, &[], now).is_ok())
}

/// Reads the Secret; `None` where something is missing, or a key is not its certificate's.
pub(super) fn from_secret(secret: &Secret) -> Option<Pems> {
    let data = secret.data.as_ref()?;
    let text = |key: &str| {
        data.get(key)
            .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok())
    };
    let pems = Pems {
        ca_bundle: text("ca.crt")?,
        ca_key: text("ca.key")?,
        certificate: text("tls.crt")?,
        key: text("tls.key")?,
        path: text(WEBHOOK_PATH_ENTRY)?,
    };
    let fit = key_fits(first(&pems.ca_bundle), &pems.ca_key)
        && key_fits(&pems.certificate, &pems.key)
        && Uuid::try_parse(&pems.path).is_ok();
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

pub(super) fn to_secret(pems: &Pems) -> Secret {
    let entry = |key: &str, text: &str| (key.to_owned(), ByteString(text.as_bytes().to_vec()));
    Secret {
        metadata: ObjectMeta {
            name: Some(WEBHOOK_TLS_SECRET.to_owned()),
            ..ObjectMeta::default()
        },
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(BTreeMap::from([
            entry("ca.crt", &pems.ca_bundle),
            entry("ca.key", &pems.ca_key),
            entry("tls.crt", &pems.certificate),
            entry("tls.key", &pems.key),
            entry(WEBHOOK_PATH_ENTRY, &pems.path),
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
    fn a_certificate_is_trusted_by_its_own_authority_for_its_time_only() {
        let (pems, other) = (make(now()).unwrap(), make(now()).unwrap());
        assert!(trusts(pems.ca_bundle.as_bytes(), &pems.certificate, now()));
        assert!(!trusts(other.ca_bundle.as_bytes(), &pems.certificate, now()));
        assert!(!trusts(
            pems.ca_bundle.as_bytes(),
            &pems.certificate,
            now() + Duration::days(91)
        ));
        for bundle in [&b""[..], b"nonsense"] {
            assert!(!trusts(bundle, &pems.certificate, now()));
        }
        assert!(!trusts(pems.ca_bundle.as_bytes(), "nonsense", now()));
    }

    #[test]
    fn the_leaf_is_no_authority_and_names_the_service() {
        let pems = make(now()).unwrap();
        let (_, leaf) = x509_parser::pem::parse_x509_pem(pems.certificate.as_bytes()).unwrap();
        let leaf = leaf.parse_x509().unwrap();
        assert!(!leaf.is_ca());
        let names = leaf.subject_alternative_name().unwrap().unwrap().value;
        assert!(
            format!("{names:?}").contains("irsa-emu-webhook.irsa-emu.svc"),
            "{names:?}"
        );
    }

    #[test]
    fn a_new_authority_goes_in_front_and_the_old_one_stays_trusted_until_it_is_forgotten() {
        let old = make(now()).unwrap();
        let both = add_authority(&old, now()).unwrap();
        assert!(trusts(both.ca_bundle.as_bytes(), &old.certificate, now()));
        let renewed = renew_leaf(&both, now()).unwrap();
        assert!(trusts(
            first(&renewed.ca_bundle).as_bytes(),
            &renewed.certificate,
            now()
        ));
        let forgotten = forget_old_authorities(&renewed);
        assert!(!trusts(forgotten.ca_bundle.as_bytes(), &old.certificate, now()));
        assert!(trusts(
            forgotten.ca_bundle.as_bytes(),
            &renewed.certificate,
            now()
        ));
    }

    #[test]
    fn a_secret_reads_back_and_a_damaged_one_does_not() {
        let pems = make(now()).unwrap();
        let mut secret = to_secret(&pems);
        assert!(from_secret(&secret).unwrap() == pems);
        secret
            .data
            .as_mut()
            .unwrap()
            .insert("tls.key".into(), ByteString(b"x".to_vec()));
        assert!(from_secret(&secret).is_none());
        let other = make(now()).unwrap();
        for mixed in [
            Pems {
                key: other.key,
                ..pems.clone()
            },
            Pems {
                ca_bundle: other.ca_bundle,
                ..pems
            },
        ] {
            assert!(from_secret(&to_secret(&mixed)).is_none());
        }
    }
}
