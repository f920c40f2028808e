//! Real AWS: sessions are opened by a signed `AssumeRole` with base credentials that only this process reads.
//!
//! The base credentials are strong, so a ServiceAccount gets only the role that its own annotation or the role table
//! names. Whether the base credentials may assume it, AWS decides by the role's trust policy. Session names and tags are those of EKS Pod Identity (EKS API
//! reference, `AssumedRoleUser`; EKS User Guide, "List of session tags added by EKS Pod Identity").

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_sts::Client as Sts;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::{AssumeRoleError, AssumeRoleOutput};
use aws_sdk_sts::types::Tag;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use irsa_emu_core::causes::chain;
use irsa_emu_core::contract::{AWS_CREDENTIALS_SECRET, aws_credentials as entries};
use irsa_emu_core::install::InstallSettings;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use uuid::Uuid;

use super::super::error::StsError;
use super::super::query::AssumeRole;
use super::super::token::Verified;
use super::session::{Named, Refusal, Session, managed_policies};

/// The Secret is read again after this: who renews base credentials tries them at once.
const REMEMBER: Duration = Duration::from_secs(5);
/// Characters of a session name (STS API reference, `AssumeRole`).
const LONGEST_NAME: usize = 64;
/// Characters of the cluster's name that a session name shows, so that some are left for the Pod's.
const LONGEST_CLUSTER: usize = 10;
/// Characters of a session tag's value (STS API reference, `Tag`).
const LONGEST_TAG: usize = 256;

/// AWS behind the front.
pub(in crate::sts) struct RealAws {
    secrets: Api<Secret>,
    settings: InstallSettings,
    client: Mutex<Option<Signing>>,
}

/// A client, and the entries of the Secret that it signs with.
struct Signing {
    read: Instant,
    data: BTreeMap<String, ByteString>,
    sts: Sts,
}

impl RealAws {
    pub(super) fn new(client: Client, settings: InstallSettings) -> Self {
        Self {
            secrets: Api::namespaced(client, &settings.namespace),
            settings,
            client: Mutex::default(),
        }
    }

    /// Credentials of the role, if AWS hands them out.
    pub(super) async fn open_session(
        &self,
        request: &AssumeRole,
        verified: &Verified,
        named: &Named,
    ) -> Result<Session, Refusal> {
        verified.require_audience(&named.audience)?;
        named.require(&request.role_arn).map_err(Refusal::Denied)?;
        let sts = self.sts().await?;
        let name = session_name(&self.settings.instance, verified.pod_name(), Uuid::new_v4());
        let tags = self
            .settings
            .session_tags
            .then(|| session_tags(&self.settings.instance, verified));
        let keys = tags
            .as_ref()
            .map(|tags| tags.iter().map(|tag| tag.key().to_owned()).collect());
        let answer = sts
            .assume_role()
            .role_arn(request.role_arn.to_string())
            .role_session_name(&name)
            .duration_seconds(request.duration)
            .set_policy(request.policy.clone())
            .set_policy_arns(managed_policies(request))
            .set_tags(tags)
            .set_transitive_tag_keys(keys)
            .send()
            .await
            .map_err(|error| refusal(&error))?;
        session(answer, name, &named.audience)
    }

    /// A client that signs with what the Secret holds.
    async fn sts(&self) -> Result<Sts, StsError> {
        if let Some(sts) = self.made_lately() {
            return Ok(sts);
        }
        let found = self.secrets.get_opt(AWS_CREDENTIALS_SECRET).await;
        let data = match found {
            Ok(found) => found.and_then(|secret| secret.data).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, secret = AWS_CREDENTIALS_SECRET, "cannot read the base credentials");
                return Err(StsError::unavailable("The base credentials cannot be read"));
            }
        };
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        // Its connections are kept for as long as the credentials stay the same.
        if let Some(signing) = client.as_mut()
            && signing.data == data
        {
            signing.read = Instant::now();
            return Ok(signing.sts.clone());
        }
        let sts = self.client_with(&data).map_err(|why| {
            tracing::warn!(secret = AWS_CREDENTIALS_SECRET, why, "no base credentials");
            StsError::unavailable("There are no base credentials")
        })?;
        *client = Some(Signing {
            read: Instant::now(),
            data,
            sts: sts.clone(),
        });
        Ok(sts)
    }

    fn made_lately(&self) -> Option<Sts> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let signing = client.as_ref()?;
        (signing.read.elapsed() < REMEMBER).then(|| signing.sts.clone())
    }

    fn client_with(&self, data: &BTreeMap<String, ByteString>) -> Result<Sts, String> {
        let trust = trust_store(data.get(entries::CA_BUNDLE).map(|bundle| bundle.0.as_slice()))?;
        let tls = TlsContext::builder()
            .with_trust_store(trust)
            .build()
            .map_err(|error| chain(&error))?;
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(tls)
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_timeout(Duration::from_secs(20));
        let mut config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.settings.region.clone()))
            .credentials_provider(base_credentials(data)?)
            .http_client(http)
            .timeout_config(timeouts.build())
            .retry_config(RetryConfig::standard());
        if let Some(url) = &self.settings.sts_endpoint {
            config = config.endpoint_url(url);
        }
        Ok(Sts::from_conf(config.build()))
    }
}

/// The base credentials in the Secret's entries.
fn base_credentials(data: &BTreeMap<String, ByteString>) -> Result<Credentials, String> {
    let entry = |name: &str| {
        let value = data.get(name).map(|value| std::str::from_utf8(&value.0));
        match value {
            Some(Ok(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
            Some(Err(_)) => Err(format!("its entry {name} is not text")),
            Some(Ok(_)) | None => Ok(None),
        }
    };
    let required = |name: &str| entry(name)?.ok_or_else(|| format!("it has no entry {name}"));
    Ok(Credentials::new(
        required(entries::ACCESS_KEY_ID)?,
        required(entries::SECRET_ACCESS_KEY)?,
        entry(entries::SESSION_TOKEN)?,
        None,
        AWS_CREDENTIALS_SECRET,
    ))
}

/// The roots of the public web, as the image has no files of its own, and those that the Secret adds for a proxy that opens TLS.
fn trust_store(bundle: Option<&[u8]>) -> Result<TrustStore, String> {
    let mut store = TrustStore::empty();
    for root in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let body = STANDARD.encode(root);
        store.add_pem_certificate(format!(
            "-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
        ));
    }
    if let Some(bundle) = bundle {
        check_bundle(bundle).map_err(|why| format!("its entry {}: {why}", entries::CA_BUNDLE))?;
        store.add_pem_certificate(bundle);
    }
    Ok(store)
}

/// Whether the certificates can be used. The SDK's client looks only when it is built, and panics.
fn check_bundle(bundle: &[u8]) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("it has no certificate".to_owned());
    }
    Ok(())
}

/// `eks-<cluster>-<Pod>-<UUID>`, the names cut so that it fits.
fn session_name(cluster: &str, pod: Option<&str>, id: Uuid) -> String {
    let cluster: String = legal(cluster).chars().take(LONGEST_CLUSTER).collect();
    let head = format!("eks-{cluster}-");
    let id = id.to_string();
    let room = LONGEST_NAME.saturating_sub(head.len() + 1 + id.len());
    let pod: String = legal(pod.unwrap_or("unknown")).chars().take(room).collect();
    format!("{head}{pod}-{id}")
}

/// What a session name may hold of a text.
fn legal(text: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || "_=,.@-".contains(*c);
    text.chars().filter(fits).collect()
}

/// The tags of EKS Pod Identity. No cluster of ours has an ARN, so there is one less.
fn session_tags(cluster: &str, verified: &Verified) -> Vec<Tag> {
    let subject = &verified.subject;
    let tags = [
        ("eks-cluster-name", Some(cluster)),
        ("kubernetes-namespace", Some(subject.namespace.as_str())),
        ("kubernetes-service-account", Some(subject.name.as_str())),
        ("kubernetes-pod-name", verified.pod_name()),
        ("kubernetes-pod-uid", verified.pod_uid()),
    ];
    tags.into_iter()
        .filter_map(|(key, value)| {
            let value: String = value?.chars().take(LONGEST_TAG).collect();
            Tag::builder().key(key).value(value).build().ok()
        })
        .collect()
}

fn session(answer: AssumeRoleOutput, name: String, audience: &str) -> Result<Session, Refusal> {
    let role_id = answer
        .assumed_role_user()
        .and_then(|user| user.assumed_role_id().split(':').next())
        .unwrap_or_default()
        .to_owned();
    let credentials = answer
        .credentials
        .ok_or_else(|| StsError::unavailable("AWS STS responded without credentials"))?;
    Ok(Session {
        credentials,
        name,
        role_id,
        audience: audience.to_owned(),
    })
}

/// The error that a Pod gets for a call that failed. What is wrong with the base credentials is not the Pod's fault: SDKs try
/// again, and the log has what to fix.
fn refusal(error: &SdkError<AssumeRoleError>) -> Refusal {
    let answer = error.as_service_error();
    let code = answer.and_then(ProvideErrorMetadata::code).unwrap_or_default();
    let message = answer.and_then(ProvideErrorMetadata::message).unwrap_or_default();
    match code {
        "AccessDenied" => Refusal::Denied(format!("AWS: {message}")),
        "ValidationError" => StsError::validation(message).into(),
        "MalformedPolicyDocument" => StsError::malformed_policy(message).into(),
        "PackedPolicyTooLarge" => StsError::packed_policy_too_large(message).into(),
        "RegionDisabledException" => StsError::region_disabled(message).into(),
        _ => {
            let error = if code.is_empty() {
                chain(error)
            } else {
                format!("{code}: {message}")
            };
            tracing::warn!(error, "AWS STS hands out no credentials");
            StsError::unavailable("AWS STS hands out no credentials for the base credentials").into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(entries: &[(&str, &str)]) -> BTreeMap<String, ByteString> {
        let entry =
            |(name, value): &(&str, &str)| ((*name).to_owned(), ByteString(value.as_bytes().to_vec()));
        entries.iter().map(entry).collect()
    }

    #[test]
    fn base_credentials_are_read_as_people_write_them() {
        let whole = secret(&[
            ("AWS_ACCESS_KEY_ID", "AKIA1\n"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_SESSION_TOKEN", ""),
        ]);
        let credentials = base_credentials(&whole).unwrap();
        assert_eq!(
            (credentials.access_key_id(), credentials.session_token()),
            ("AKIA1", None)
        );
        for (entries, why) in [
            (vec![], "no entry AWS_ACCESS_KEY_ID"),
            (
                vec![("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", " ")],
                "no entry AWS_SECRET_ACCESS_KEY",
            ),
        ] {
            let error = base_credentials(&secret(&entries)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_session_name_is_like_that_of_eks_and_fits() {
        let id = Uuid::nil();
        assert_eq!(
            session_name("irsa-emu", Some("app-0"), id),
            format!("eks-irsa-emu-app-0-{id}")
        );
        let long = session_name(&"c".repeat(60), Some(&"p".repeat(200)), id);
        assert_eq!(long.len(), LONGEST_NAME);
        assert!(long.starts_with("eks-cccccccccc-pppp"), "{long}");
        assert!(session_name("é", None, id).starts_with("eks--unknown-"));
    }

    #[test]
    fn the_tags_are_those_of_eks_pod_identity() {
        let tags = session_tags("dev", &Verified::sample());
        let tags: Vec<(&str, &str)> = tags.iter().map(|tag| (tag.key(), tag.value())).collect();
        assert_eq!(
            tags,
            [
                ("eks-cluster-name", "dev"),
                ("kubernetes-namespace", "n"),
                ("kubernetes-service-account", "s"),
                ("kubernetes-pod-name", "p"),
                ("kubernetes-pod-uid", "u-2"),
            ]
        );
    }

    #[test]
    fn aws_is_trusted_by_the_roots_of_the_web() {
        let built = TlsContext::builder()
            .with_trust_store(trust_store(None).unwrap())
            .build();
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(built.unwrap());
        // A root that could not be read would panic here.
        let _ = http.build_https();
    }

    #[test]
    fn a_bundle_that_is_none_is_told_and_does_not_panic() {
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::default()
            .self_signed(&key)
            .unwrap()
            .pem();
        assert!(trust_store(Some(own.as_bytes())).is_ok());
        let broken = own.replace('\n', "\n!");
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for bundle in ["", "nonsense", broken.as_str(), no_certificate] {
            let why = trust_store(Some(bundle.as_bytes())).unwrap_err();
            assert!(why.starts_with("its entry ca-bundle.pem: "), "{why}");
        }
    }
}
