//! The emulator, asked with SDKs of AWS.

use std::sync::LazyLock;
use std::time::Duration;

use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_sdk_kms::error::DisplayErrorContext;
use irsa_emu_core::contract::DEFAULT_REGION;
use irsa_emu_core::emulator;
use irsa_emu_core::oidc_provider::{OidcProviders, speaks_for};
use irsa_emu_core::partition::home_of_iam;
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::trust_policy::IssuerAlias;

use irsa_emu_install::sts::Session;

/// Plain HTTP, and never by a proxy: the emulator is asked at a port of this machine.
static HTTP: LazyLock<SharedHttpClient> =
    LazyLock::new(|| aws_smithy_http_client::Builder::new().build_http());
/// Who the doctor's credentials and sessions name.
pub(crate) const DOCTOR: &str = "irsa-emu-doctor";
/// How long one call of an SDK may take.
const CALL: Duration = Duration::from_secs(8);

/// The credentials of a session, as the SDK takes them.
#[must_use]
pub fn of_session(session: &Session) -> Credentials {
    Credentials::new(
        session.access_key_id.as_str(),
        session.secret_access_key.as_str(),
        Some(session.session_token.clone()),
        None,
        DOCTOR,
    )
}

/// Credentials that put the emulator into an account.
#[must_use]
pub fn of_account(account: &str) -> Credentials {
    Credentials::new(account, emulator::DEFAULT.secret_key, None, None, DOCTOR)
}

/// The ARN that the emulator knows the caller by.
pub async fn caller(url: &str, account: &str) -> Result<String, String> {
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(aws_sdk_sts::config::BehaviorVersion::latest())
        .region(aws_sdk_sts::config::Region::new(DEFAULT_REGION))
        .endpoint_url(url)
        .http_client(HTTP.clone())
        .credentials_provider(of_account(account))
        .build();
    let call = aws_sdk_sts::Client::from_conf(config);
    match tokio::time::timeout(CALL, call.get_caller_identity().send()).await {
        Ok(Ok(answer)) => Ok(answer.arn().unwrap_or("nobody").to_owned()),
        Ok(Err(error)) => Err(DisplayErrorContext(error).to_string()),
        Err(_) => Err(format!("no response within {} s", CALL.as_secs())),
    }
}

/// A call that the emulator did not carry out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AskError(String);

/// Whether the emulator has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It has.
    There,
    /// It has not.
    Gone,
}

/// An IAM client for the emulator, which sees the account and the partition of a role.
fn iam(url: &str, role: &RoleArn) -> aws_sdk_iam::Client {
    // The emulator derives the partition from the region of the signature.
    let region = home_of_iam(role.partition());
    let config = aws_sdk_iam::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(region))
        .endpoint_url(url)
        .http_client(HTTP.clone())
        .credentials_provider(of_account(role.account()))
        .build();
    aws_sdk_iam::Client::from_conf(config)
}

/// The role of this name, where there is one.
async fn role_of(
    iam: &aws_sdk_iam::Client,
    role: &RoleArn,
) -> Result<Option<aws_sdk_iam::types::Role>, AskError> {
    match iam.get_role().role_name(role.name()).send().await {
        Ok(answer) => Ok(answer.role),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|error| error.is_no_such_entity_exception()) =>
        {
            Ok(None)
        }
        Err(error) => Err(unanswered("GetRole", &error)),
    }
}

/// Whether a key is in the emulator.
pub async fn key_presence(kms: &aws_sdk_kms::Client, arn: &str) -> Result<Presence, AskError> {
    match kms.describe_key().key_id(arn).send().await {
        Ok(_) => Ok(Presence::There),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|error| error.is_not_found_exception()) =>
        {
            Ok(Presence::Gone)
        }
        Err(error) => Err(unanswered("DescribeKey", &error)),
    }
}

fn unanswered(call: &str, error: &(dyn std::error::Error + 'static)) -> AskError {
    AskError(format!(
        "the emulator does not respond to {call}: {}",
        DisplayErrorContext(error)
    ))
}

/// A role as the emulator's IAM has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRole {
    /// Its ARN: of the same name, but perhaps below another path.
    pub arn: String,
    /// Its trust policy, as it was written.
    pub trust: String,
}

/// Asks the emulator's IAM for a role; `None` where it has none of this name.
pub async fn role(url: &str, role: &RoleArn) -> Result<Option<FoundRole>, String> {
    let iam = iam(url, role);
    let found = match tokio::time::timeout(CALL, role_of(&iam, role)).await {
        Ok(found) => found.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("no response within {} s", CALL.as_secs())),
    };
    Ok(found.map(|found| {
        // IAM returns the document URL-encoded (RFC 3986).
        let encoded = found.assume_role_policy_document().unwrap_or_default();
        let trust = percent_encoding::percent_decode_str(encoded).decode_utf8_lossy();
        FoundRole {
            arn: found.arn().to_owned(),
            trust: trust.into_owned(),
        }
    }))
}

/// The OIDC providers of a role's account that speak for the cluster's issuer.
pub async fn providers(
    url: &str,
    role: &RoleArn,
    issuer: &str,
    aliases: &[IssuerAlias],
) -> Result<OidcProviders, String> {
    let iam = iam(url, role);
    match tokio::time::timeout(CALL, providers_of(&iam, issuer, aliases)).await {
        Ok(found) => found.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no response within {} s", CALL.as_secs())),
    }
}

async fn providers_of(
    iam: &aws_sdk_iam::Client,
    issuer: &str,
    aliases: &[IssuerAlias],
) -> Result<OidcProviders, AskError> {
    let list = iam.list_open_id_connect_providers().send().await;
    let list = list.map_err(|error| unanswered("ListOpenIDConnectProviders", &error))?;
    let mut found = OidcProviders::default();
    let arns = list
        .open_id_connect_provider_list()
        .iter()
        .filter_map(|one| one.arn());
    for arn in arns.filter(|arn| speaks_for(arn, issuer, aliases)) {
        let answer = iam
            .get_open_id_connect_provider()
            .open_id_connect_provider_arn(arn);
        match answer.send().await {
            Ok(answer) => found.add(arn, answer.client_id_list().iter().cloned()),
            // It went between the two calls.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_no_such_entity_exception()) => {}
            Err(error) => return Err(unanswered("GetOpenIDConnectProvider", &error)),
        }
    }
    Ok(found)
}

/// A KMS client for the emulator.
pub fn kms(url: &str, region: &str, credentials: Credentials) -> aws_sdk_kms::Client {
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(url)
        .http_client(HTTP.clone())
        .credentials_provider(credentials)
        .build();
    aws_sdk_kms::Client::from_conf(config)
}
