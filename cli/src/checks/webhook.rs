//! The webhook: registered as it must be, trusted by the API server, and at work.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use irsa_emu_core::contract::{
    DELIVERY, NAMESPACE, TOKEN_VOLUME, WEBHOOK, WEBHOOK_CONFIGURATION, WEBHOOK_PORT, WEBHOOK_TLS_SECRET, env,
};
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhook, MutatingWebhookConfiguration};
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use kube::api::{ListParams, PostParams};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::{Value, json};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Surroundings;
use super::engine::{Check, Phase, Severity, Trouble, Verdict, fine};
use super::surroundings::{CANARY, CANARY_NAMESPACE, chain};

/// A certificate that ends sooner deserves a look: the webhook renews its own long before.
const SOON_DAYS: i64 = 1;
/// How long the TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How often the canary Pod is tried until the webhook must have heard of its ServiceAccount.
const TRIES: u32 = 12;

pub(super) fn checks<'x>() -> Vec<Check<Surroundings<'x>>> {
    vec![
        Check {
            id: "wh-config",
            phase: Phase::Webhook,
            needs: &["k8s-core-ready"],
            severity: Severity::Error,
            title: "the webhook is registered as it must be, and has a Pod that is ready",
            run: |s| config(s).boxed(),
        },
        Check {
            id: "wh-ca-match",
            phase: Phase::Webhook,
            needs: &["wh-config"],
            severity: Severity::Error,
            title: "the certificate in the Secret and the one served are those that the API server trusts",
            run: |s| ca_match(s).boxed(),
        },
        Check {
            id: "wh-cert-expiry",
            phase: Phase::Webhook,
            needs: &["k8s-core-ready"],
            severity: Severity::Error,
            title: "the webhook's certificates are valid for a while",
            run: |s| cert_expiry(s).boxed(),
        },
        Check {
            id: "wh-dryrun",
            phase: Phase::Webhook,
            needs: &["wh-config"],
            severity: Severity::Error,
            title: "a Pod of an annotated ServiceAccount gets what it gets on EKS",
            run: |s| dry_run(s).boxed(),
        },
    ]
}

async fn registration(s: &Surroundings<'_>) -> Result<Vec<MutatingWebhook>, Trouble> {
    let found = Api::<MutatingWebhookConfiguration>::all(s.client().await?)
        .get_opt(WEBHOOK_CONFIGURATION)
        .await?;
    let hooks = found.and_then(|found| found.webhooks).unwrap_or_default();
    if hooks.is_empty() {
        let message = "it does not exist: the webhook registers itself when it starts";
        return Err(about_registration(Trouble::new(message, s.app.command("up"))));
    }
    Ok(hooks)
}

fn about_registration(trouble: Trouble) -> Trouble {
    trouble.about(format!("MutatingWebhookConfiguration {WEBHOOK_CONFIGURATION}"))
}

async fn config(s: &Surroundings<'_>) -> Verdict {
    let hooks = registration(s).await?;
    let faults: Vec<String> = hooks
        .iter()
        .flat_map(|hook| {
            faults(hook)
                .into_iter()
                .map(|fault| format!("{}: {fault}", hook.name))
        })
        .collect();
    if !faults.is_empty() {
        let restart = s.kubectl(&format!("-n {NAMESPACE} rollout restart deployment/{WEBHOOK}"));
        return Err(about_registration(Trouble::new(faults.join("; "), restart)));
    }
    let params = ListParams::default().labels(&format!("kubernetes.io/service-name={WEBHOOK}"));
    let slices = Api::<EndpointSlice>::namespaced(s.client().await?, NAMESPACE)
        .list(&params)
        .await?;
    let ready = slices.iter().flat_map(|slice| &slice.endpoints).any(|endpoint| {
        endpoint
            .conditions
            .as_ref()
            .and_then(|conditions| conditions.ready)
            == Some(true)
    });
    if !ready {
        let fix = s.kubectl(&format!("-n {NAMESPACE} logs deployment/{WEBHOOK} --tail 20"));
        return Err(Trouble::new(
            "it has no ready endpoint, so the API server cannot call the webhook",
            fix,
        )
        .about(format!("Service {NAMESPACE}/{WEBHOOK}")));
    }
    let names: Vec<&str> = hooks.iter().map(|hook| hook.name.as_str()).collect();
    fine(names.join(", "))
}

/// What is wrong with a registration.
fn faults(hook: &MutatingWebhook) -> Vec<&'static str> {
    let has = |list: &Option<Vec<String>>, wanted: &str| list.iter().flatten().any(|item| item == wanted);
    let covers = hook
        .rules
        .iter()
        .flatten()
        .any(|rule| has(&rule.operations, "CREATE") && has(&rule.resources, "pods"));
    let service = hook
        .client_config
        .service
        .as_ref()
        .is_some_and(|service| service.name == WEBHOOK && service.namespace == NAMESPACE);
    [
        (!covers, "it does not cover the making of Pods"),
        (!service, "it does not lead to our Service"),
        (hook.client_config.ca_bundle.is_none(), "it has no CA"),
        (
            hook.side_effects != "None" && hook.side_effects != "NoneOnDryRun",
            "its sideEffects are neither None nor NoneOnDryRun, so dry runs fail",
        ),
        (
            !hook
                .admission_review_versions
                .iter()
                .any(|version| version == "v1"),
            "it does not accept AdmissionReview v1",
        ),
        (
            hook.timeout_seconds.unwrap_or(10) > 10,
            "its timeout is longer than 10 s",
        ),
    ]
    .into_iter()
    .filter_map(|(wrong, fault)| wrong.then_some(fault))
    .collect()
}

/// The certificates of a Secret's entry; never the key.
async fn certificates(s: &Surroundings<'_>, entry: &str) -> Result<Vec<CertificateDer<'static>>, Trouble> {
    let object = format!("Secret {NAMESPACE}/{WEBHOOK_TLS_SECRET}");
    let restart = || s.kubectl(&format!("-n {NAMESPACE} rollout restart deployment/{WEBHOOK}"));
    let secret = Api::<Secret>::namespaced(s.client().await?, NAMESPACE)
        .get_opt(WEBHOOK_TLS_SECRET)
        .await?;
    let Some(pem) = secret.and_then(|secret| secret.data?.remove(entry)) else {
        return Err(Trouble::new(format!("it has no entry {entry}"), restart()).about(object));
    };
    read_pem(&pem.0).ok_or_else(|| {
        Trouble::new(
            format!("its entry {entry} holds no certificate that can be read"),
            restart(),
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

async fn ca_match(s: &Surroundings<'_>) -> Verdict {
    let restart = || s.kubectl(&format!("-n {NAMESPACE} rollout restart deployment/{WEBHOOK}"));
    let authority = certificates(s, "ca.crt").await?;
    let own = certificates(s, "tls.crt").await?;
    for hook in registration(s).await? {
        let bundle = hook.client_config.ca_bundle.unwrap_or_default();
        let trusted = read_pem(&bundle.0).unwrap_or_default();
        if !authority.iter().all(|certificate| trusted.contains(certificate)) {
            let message = format!(
                "caBundle of {} does not hold the CA of Secret {NAMESPACE}/{WEBHOOK_TLS_SECRET}, so the API server \
refuses the webhook's certificate",
                hook.name
            );
            return Err(about_registration(Trouble::new(message, restart())));
        }
        verify(&trusted, &own).map_err(|why| {
            Trouble::new(
                format!(
                    "its certificate is not valid for {} under caBundle: {why}",
                    server_name()
                ),
                restart(),
            )
            .about(format!("Secret {NAMESPACE}/{WEBHOOK_TLS_SECRET}"))
        })?;
    }
    let forward = s.forward(WEBHOOK, WEBHOOK_PORT).await?;
    let port = forward.port;
    let served = tokio::task::spawn_blocking(move || handshake(port, &authority)).await;
    let served = served.unwrap_or_else(|error| Err(error.to_string()));
    served.map_err(|why| {
        Trouble::new(
            format!("the certificate it serves is not one that the API server trusts: {why}"),
            restart(),
        )
        .about(format!("Deployment {NAMESPACE}/{WEBHOOK}"))
    })?;
    fine(format!(
        "the certificate for {} is trusted, in the Secret and as served",
        server_name()
    ))
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

/// Makes a TLS handshake as the API server does, and nothing more.
fn handshake(port: u16, authority: &[CertificateDer<'static>]) -> Result<(), String> {
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
    Ok(())
}

async fn cert_expiry(s: &Surroundings<'_>) -> Verdict {
    let mut seen = Vec::new();
    for entry in ["ca.crt", "tls.crt"] {
        // The newest of a bundle is the one in force.
        let ends = certificates(s, entry)
            .await?
            .iter()
            .filter_map(|der| end(der))
            .max();
        let restart = s.kubectl(&format!("-n {NAMESPACE} rollout restart deployment/{WEBHOOK}"));
        let about = |trouble: Trouble| trouble.about(format!("Secret {NAMESPACE}/{WEBHOOK_TLS_SECRET}"));
        let Some(left) = ends.map(|end| end - time::OffsetDateTime::now_utc()) else {
            return Err(about(Trouble::new(
                format!("the end of {entry} cannot be read"),
                restart,
            )));
        };
        if left.is_negative() {
            return Err(about(Trouble::new(format!("{entry} has expired"), restart)));
        }
        if left.whole_days() < SOON_DAYS {
            let message = format!(
                "{entry} expires in {} hours and was not renewed",
                left.whole_hours()
            );
            return Err(about(Trouble::warning(message, restart)));
        }
        seen.push(format!("{entry}: {} days left", left.whole_days()));
    }
    fine(seen.join(", "))
}

fn end(der: &CertificateDer<'_>) -> Option<time::OffsetDateTime> {
    let (_, certificate) = X509Certificate::from_der(der.as_ref()).ok()?;
    Some(certificate.validity().not_after.to_datetime())
}

async fn dry_run(s: &Surroundings<'_>) -> Verdict {
    s.canary().await?;
    let api = Api::<Pod>::namespaced(s.client().await?, CANARY_NAMESPACE);
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let logs = s.kubectl(&format!("-n {NAMESPACE} logs deployment/{WEBHOOK} --tail 20"));
    let about = |trouble: Trouble| trouble.about(format!("Pod {CANARY_NAMESPACE}/{CANARY} (dry run)"));
    let pod: Pod = serde_json::from_value(canary_pod())
        .map_err(|error| Trouble::new(error.to_string(), "irsa-emu version"))?;
    let endpoints = s.webhook_flag("profile").await?.as_deref() != Some("strict-eks");
    let mut lacking = Vec::new();
    for _ in 0..TRIES {
        let made = api.create(&params, &pod).await.map_err(|error| {
            about(Trouble::new(
                format!("it is refused: {}", chain(&error)),
                logs.clone(),
            ))
        })?;
        let made = serde_json::to_value(&made).unwrap_or_default();
        lacking = lacks(&made, endpoints);
        if lacking.is_empty() {
            return fine("a canary Pod gets role, token and endpoint");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let message = if lacking.len() == expected(endpoints).len() + 1 {
        "it comes back unchanged: the API server did not call the webhook, or the webhook skipped it"
            .to_owned()
    } else {
        format!("it lacks {}", lacking.join(", "))
    };
    Err(about(Trouble::new(message, logs)))
}

fn canary_pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": CANARY, "namespace": CANARY_NAMESPACE,
            "annotations": {DELIVERY: "web-identity"},
        },
        "spec": {
            "serviceAccountName": CANARY,
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "canary", "image": "irsa-emu.dev/canary:none", "imagePullPolicy": "Never",
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
            }],
        },
    })
}

/// The variables that the canary must get.
fn expected(endpoints: bool) -> Vec<&'static str> {
    let mut names = vec![env::ROLE_ARN, env::TOKEN_FILE];
    if endpoints {
        names.push(env::ENDPOINT);
    }
    names
}

/// What a Pod lacks of what it must get.
fn lacks(pod: &Value, endpoints: bool) -> Vec<String> {
    let variables: Vec<&str> = pod
        .pointer("/spec/containers/0/env")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|variable| variable.get("name").and_then(Value::as_str))
        .collect();
    let mut lacking: Vec<String> = expected(endpoints)
        .into_iter()
        .filter(|name| !variables.contains(name))
        .map(str::to_owned)
        .collect();
    let has_token = pod
        .pointer("/spec/volumes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .any(|volume| {
            volume.get("name").and_then(Value::as_str) == Some(TOKEN_VOLUME)
                && volume
                    .pointer("/projected/sources/0/serviceAccountToken")
                    .is_some()
        });
    if !has_token {
        lacking.push(format!("the volume {TOKEN_VOLUME}"));
    }
    lacking
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canary_is_a_pod() {
        assert!(serde_json::from_value::<Pod>(canary_pod()).is_ok());
    }

    #[test]
    fn what_a_pod_lacks_is_named() {
        let mut pod = canary_pod();
        assert_eq!(
            lacks(&pod, true),
            [
                "AWS_ROLE_ARN",
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "AWS_ENDPOINT_URL",
                "the volume aws-iam-token"
            ]
        );
        pod["spec"]["containers"][0]["env"] =
            json!([{"name": "AWS_ROLE_ARN"}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE"}]);
        pod["spec"]["volumes"] = json!([{"name": "aws-iam-token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}]);
        assert_eq!(lacks(&pod, true), ["AWS_ENDPOINT_URL"]);
        assert!(lacks(&pod, false).is_empty());
    }

    fn hook() -> MutatingWebhook {
        serde_json::from_value(json!({
            "name": "pods.irsa-emu.dev", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 5,
            "clientConfig": {"caBundle": "YQ==", "service": {"name": WEBHOOK, "namespace": NAMESPACE}},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        }))
        .unwrap()
    }

    #[test]
    fn every_fault_of_a_registration_is_told() {
        assert!(faults(&hook()).is_empty());
        let mut broken = hook();
        broken.rules = None;
        broken.client_config.service = None;
        broken.client_config.ca_bundle = None;
        broken.side_effects = "Some".into();
        broken.admission_review_versions = vec!["v1beta1".into()];
        broken.timeout_seconds = Some(30);
        assert_eq!(faults(&broken).len(), 6);
    }

    #[test]
    fn what_is_no_certificate_is_not_read() {
        assert!(read_pem(b"").is_none());
        assert!(read_pem(b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").is_none());
        assert!(verify(&[], &[]).is_err());
    }
}
