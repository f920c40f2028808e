//! The webhook's certificates: in the Secret, in the registration, and as served.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use irsa_emu_core::causes::chain;
use irsa_emu_core::contract::{NAMESPACE, WEBHOOK, WEBHOOK_PORT, WEBHOOK_TLS_SECRET};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::registration::{about_registration, registered, restart};
use crate::checks::engine::{Trouble, Verdict, fine};
use crate::checks::surroundings::Surroundings;

/// A certificate that ends sooner deserves a look: the webhook renews its own long before.
const SOON_DAYS: i64 = 1;
/// How long the TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// The certificates of a Secret's entry; never the key.
async fn certificates(s: &Surroundings<'_>, entry: &str) -> Result<Vec<CertificateDer<'static>>, Trouble> {
    let object = format!("Secret {NAMESPACE}/{WEBHOOK_TLS_SECRET}");
    let secret = Api::<Secret>::namespaced(s.client().await?, NAMESPACE)
        .get_opt(WEBHOOK_TLS_SECRET)
        .await?;
    let Some(pem) = secret.and_then(|secret| secret.data?.remove(entry)) else {
        return Err(restart(s, format!("it has no entry {entry}")).about(object));
    };
    read_pem(&pem.0).ok_or_else(|| {
        restart(
            s,
            format!("its entry {entry} holds no certificate that can be read"),
        )
        .about(object)
    })
}

fn read_pem(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let list: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .ok()?;
    (!list.is_empty()).then_some(list)
}

fn server_name() -> String {
    format!("{WEBHOOK}.{NAMESPACE}.svc")
}

pub(super) async fn ca_match(s: &Surroundings<'_>) -> Verdict {
    let secret = || format!("Secret {NAMESPACE}/{WEBHOOK_TLS_SECRET}");
    let authority = certificates(s, "ca.crt").await?;
    let own = certificates(s, "tls.crt").await?;
    for hook in registered(s).await? {
        let bundle = hook.client_config.ca_bundle.as_ref();
        let trusted = bundle.and_then(|bundle| read_pem(&bundle.0)).unwrap_or_default();
        if !authority.iter().all(|certificate| trusted.contains(certificate)) {
            let message = format!(
                "caBundle of {} does not hold the CA of {}, so the API server refuses the webhook's certificate",
                hook.name,
                secret()
            );
            return Err(about_registration(restart(s, message)));
        }
        verify(&trusted, &own).map_err(|why| {
            let name = server_name();
            restart(
                s,
                format!("its certificate is not valid for {name} under caBundle: {why}"),
            )
            .about(secret())
        })?;
    }
    let Ok(forward) = s.forward(WEBHOOK, WEBHOOK_PORT).await else {
        return fine("the certificate in the Secret is trusted; no Pod runs that could serve it");
    };
    let port = forward.port;
    let served = tokio::task::spawn_blocking(move || handshake(port, &authority)).await;
    let served = served.unwrap_or_else(|error| Err(error.to_string()));
    judge_served(&served, own.first())
        .map_err(|message| restart(s, message).about(format!("Deployment {NAMESPACE}/{WEBHOOK}")))?;
    fine(format!(
        "the certificate for {} is trusted, in the Secret and as served",
        server_name()
    ))
}

/// What is wrong with the certificate that came in a handshake.
fn judge_served(
    served: &Result<CertificateDer<'static>, String>,
    own: Option<&CertificateDer<'static>>,
) -> Result<(), String> {
    match served {
        Err(why) => Err(format!(
            "the certificate it serves is not one that the API server trusts: {why}"
        )),
        Ok(served) if Some(served) != own => {
            Err("it still serves another certificate than the one in the Secret".to_owned())
        }
        Ok(_) => Ok(()),
    }
}

fn roots(authority: &[CertificateDer<'static>]) -> Result<Arc<rustls::RootCertStore>, String> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in authority {
        roots
            .add(certificate.clone())
            .map_err(|error| error.to_string())?;
    }
    Ok(Arc::new(roots))
}

/// Verifies chain, name and time, as the API server does.
fn verify(authority: &[CertificateDer<'static>], own: &[CertificateDer<'static>]) -> Result<(), String> {
    use rustls::client::danger::ServerCertVerifier as _;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(roots(authority)?, provider)
        .build()
        .map_err(|error| error.to_string())?;
    let (leaf, between) = own.split_first().ok_or("there is none")?;
    let name = ServerName::try_from(server_name()).map_err(|error| error.to_string())?;
    verifier
        .verify_server_cert(leaf, between, &name, &[], UnixTime::now())
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Makes a TLS handshake as the API server does, and nothing more. Returns the certificate that was served.
fn handshake(port: u16, authority: &[CertificateDer<'static>]) -> Result<CertificateDer<'static>, String> {
    let text = |error: &dyn std::error::Error| chain(error);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| text(&error))?
        .with_root_certificates(roots(authority)?)
        .with_no_client_auth();
    let name = ServerName::try_from(server_name()).map_err(|error| text(&error))?;
    let mut connection =
        rustls::ClientConnection::new(Arc::new(config), name).map_err(|error| text(&error))?;
    let mut socket =
        TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)).map_err(|error| text(&error))?;
    for set in [
        socket.set_read_timeout(Some(HANDSHAKE)),
        socket.set_write_timeout(Some(HANDSHAKE)),
    ] {
        set.map_err(|error| text(&error))?;
    }
    while connection.is_handshaking() {
        connection
            .complete_io(&mut socket)
            .map_err(|error| text(&error))?;
    }
    let served = connection.peer_certificates().and_then(|chain| chain.first());
    served
        .cloned()
        .map(CertificateDer::into_owned)
        .ok_or_else(|| "none was served".to_owned())
}

pub(super) async fn expiry(s: &Surroundings<'_>) -> Verdict {
    let mut seen = Vec::new();
    for entry in ["ca.crt", "tls.crt"] {
        // The newest of a bundle is the one in force.
        let ends = certificates(s, entry).await?.iter().filter_map(end).max();
        let left = ends.map(|end| end - time::OffsetDateTime::now_utc());
        match judge_end(entry, left) {
            Ok(left) => seen.push(left),
            Err((warning, message)) => {
                let mut trouble =
                    restart(s, message).about(format!("Secret {NAMESPACE}/{WEBHOOK_TLS_SECRET}"));
                trouble.warning = warning;
                return Err(trouble);
            }
        }
    }
    fine(seen.join(", "))
}

/// What is left of a certificate; or what is wrong, and whether that is only worth a warning.
fn judge_end(entry: &str, left: Option<time::Duration>) -> Result<String, (bool, String)> {
    let Some(left) = left else {
        return Err((false, format!("the end of {entry} cannot be read")));
    };
    if left.is_negative() {
        return Err((
            false,
            format!("{entry} has expired {} days ago", -left.whole_days()),
        ));
    }
    if left.whole_days() < SOON_DAYS {
        return Err((
            true,
            format!(
                "{entry} expires in {} hours and was not renewed",
                left.whole_hours()
            ),
        ));
    }
    Ok(format!("{entry}: {} days left", left.whole_days()))
}

fn end(der: &CertificateDer<'_>) -> Option<time::OffsetDateTime> {
    let (_, certificate) = X509Certificate::from_der(der.as_ref()).ok()?;
    Some(certificate.validity().not_after.to_datetime())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_in_the_past_is_an_error_and_a_near_one_a_warning() {
        let hours = time::Duration::hours;
        assert_eq!(
            judge_end("tls.crt", Some(hours(240))).unwrap(),
            "tls.crt: 10 days left"
        );
        assert_eq!(
            judge_end("tls.crt", Some(hours(23))),
            Err((true, "tls.crt expires in 23 hours and was not renewed".into()))
        );
        assert_eq!(
            judge_end("ca.crt", Some(hours(-49))),
            Err((false, "ca.crt has expired 2 days ago".into()))
        );
        assert!(judge_end("ca.crt", None).is_err_and(|(warning, _)| !warning));
    }

    #[test]
    fn another_certificate_than_the_secrets_is_told_also_where_it_is_trusted() {
        let (a, b) = (CertificateDer::from(vec![1]), CertificateDer::from(vec![2]));
        assert!(judge_served(&Ok(a.clone()), Some(&a)).is_ok());
        assert!(
            judge_served(&Ok(b), Some(&a))
                .unwrap_err()
                .contains("still serves another")
        );
        assert!(
            judge_served(&Err("bad".into()), Some(&a))
                .unwrap_err()
                .ends_with("bad")
        );
    }

    #[test]
    fn what_is_no_certificate_is_not_read() {
        assert!(read_pem(b"").is_none());
        assert!(read_pem(b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").is_none());
        assert!(verify(&[], &[]).is_err());
    }
}
