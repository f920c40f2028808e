//! Asks for a ServiceAccount's token, and exchanges it at the STS front for a role's credentials. Both go through the API
//! server, so it works wherever `kubectl` does.

use std::borrow::Cow;
use std::fmt;

use http_body_util::BodyExt;
use hyper::http::Request;
use irsa_emu_core::causes::chain;
use irsa_emu_core::contract::{MIN_TOKEN_EXPIRATION, NAMESPACE, STS_FRONT};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::client::Body;
use kube::{Api, Client};
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::form_urlencoded;

/// Stands in place of an error code where no response of STS came.
const NO_ANSWER: &str = "no response of STS";

/// The token of a ServiceAccount. It is never printed.
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(masked)")
    }
}

impl Token {
    /// The JWT.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.0
    }
}

/// Why the API server issued no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It refused.
    #[error("the API server issues no token")]
    Refused(#[from] kube::Error),
    /// Its response has no token.
    #[error("the API server issues no token: its response has none")]
    Missing,
}

/// A token of a ServiceAccount. Without an audience it is one for the API server, as Kubernetes has it.
pub async fn token(
    client: &Client,
    namespace: &str,
    account: &str,
    audience: &str,
) -> Result<Token, TokenError> {
    let audiences = Some(audience).filter(|audience| !audience.is_empty());
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: audiences.map(str::to_owned).into_iter().collect(),
            // It is used once, at once.
            expiration_seconds: Some(MIN_TOKEN_EXPIRATION),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let issued = Api::<ServiceAccount>::namespaced(client.clone(), namespace)
        .create_token_request(account, &PostParams::default(), &request)
        .await?;
    let status = issued.status.ok_or(TokenError::Missing)?;
    Ok(Token(status.token))
}

/// Credentials of a role. Their secrets are never printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Access key id.
    pub access_key_id: String,
    /// Secret access key.
    pub secret_access_key: String,
    /// Session token.
    pub session_token: String,
    /// When they end.
    pub expiration: OffsetDateTime,
    /// ARN of the assumed role.
    pub arn: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("access_key_id", &self.access_key_id)
            .field("expiration", &self.expiration)
            .field("arn", &self.arn)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// When they end, as AWS writes it.
    #[must_use]
    pub fn expiration_text(&self) -> String {
        self.expiration.format(&Rfc3339).unwrap_or_default()
    }

    /// The account of the role.
    #[must_use]
    pub fn account_id(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }
}

/// Why STS gave no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// AWS's error code, or what came in its place.
    pub code: String,
    /// AWS's message.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Refusal {
    fn broken(message: String) -> Self {
        Self {
            code: NO_ANSWER.to_owned(),
            message,
        }
    }

    /// Whether STS itself refused; otherwise there was no response of STS.
    #[must_use]
    pub fn is_of_sts(&self) -> bool {
        self.code != NO_ANSWER
    }
}

/// Exchanges a token for a role's credentials at the STS front.
pub async fn assume(
    client: &Client,
    token: &Token,
    role: &str,
    session_name: &str,
) -> Result<Session, Refusal> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/services/{STS_FRONT}:80/proxy/");
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", session_name),
            ("WebIdentityToken", token.secret()),
        ])
        .finish();
    let request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.into_bytes()))
        .map_err(|error| Refusal::broken(error.to_string()))?;
    let response = client.send(request).await;
    let response = response.map_err(|error| Refusal::broken(chain(&error)))?;
    let status = response.status();
    let body = response.into_body().collect().await;
    let body = body.map_err(|error| Refusal::broken(chain(&error)))?.to_bytes();
    let body = String::from_utf8_lossy(&body);
    if status.is_success() {
        let none = || Refusal::broken("200, but no credentials in the response".to_owned());
        return read_session(&body).ok_or_else(none);
    }
    Err(read_refusal(&body).unwrap_or_else(|| Refusal::broken(format!("HTTP {status}{}", status_of(&body)))))
}

fn read_session(body: &str) -> Option<Session> {
    Some(Session {
        access_key_id: element(body, "AccessKeyId")?,
        secret_access_key: element(body, "SecretAccessKey")?,
        session_token: element(body, "SessionToken")?,
        expiration: OffsetDateTime::parse(&element(body, "Expiration")?, &Rfc3339).ok()?,
        arn: element(body, "Arn")?,
    })
}

fn read_refusal(body: &str) -> Option<Refusal> {
    Some(Refusal {
        code: element(body, "Code")?,
        message: element(body, "Message").unwrap_or_default(),
    })
}

/// The message of the API server, if the request came no further.
fn status_of(body: &str) -> String {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    serde_json::from_str(body).map_or_else(|_| String::new(), |Status { message }| format!(": {message}"))
}

/// The text of the first element of this name.
fn element(body: &str, name: &str) -> Option<String> {
    let mut reader = Reader::from_str(body);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if start.local_name().as_ref() == name.as_bytes() => {
                let text = reader.read_text(start.name()).ok()?;
                return unescape(text.trim()).ok().map(Cow::into_owned);
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

/// A session, for tests.
#[cfg(any(test, feature = "testing"))]
#[must_use]
pub fn sample(id: &str, expiration: OffsetDateTime) -> Session {
    Session {
        access_key_id: id.to_owned(),
        secret_access_key: "hush-secret".to_owned(),
        session_token: "hush-token".to_owned(),
        expiration,
        arn: "arn:aws:sts::123456789012:assumed-role/app/irsa-emu".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_sts_are_read() {
        let body = "<A><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/x/s</Arn></AssumedRoleUser><Credentials>\
<AccessKeyId>ID</AccessKeyId><SecretAccessKey>a&amp;b</SecretAccessKey><SessionToken>t</SessionToken>\
<Expiration>1970-01-01T01:00:00Z</Expiration></Credentials></A>";
        let session = read_session(body).unwrap();
        assert_eq!(session.secret_access_key, "a&b");
        assert_eq!(session.account_id(), "123456789012");
        assert_eq!(session.expiration_text(), "1970-01-01T01:00:00Z");
        assert!(read_session("<A></A>").is_none());
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
        let refusal = Refusal {
            code: "AccessDenied".into(),
            message: "no".into(),
        };
        assert_eq!(read_refusal(body), Some(refusal));
    }

    #[test]
    fn what_the_api_server_says_itself_is_kept() {
        let body = r#"{"kind":"Status","message":"no endpoints available for service \"irsa-emu-sts\""}"#;
        assert_eq!(
            status_of(body),
            ": no endpoints available for service \"irsa-emu-sts\""
        );
        assert_eq!(status_of("<html>"), "");
    }

    #[test]
    fn secrets_are_not_printed() {
        let text = format!(
            "{:?} {:?}",
            sample("LSIAX", OffsetDateTime::UNIX_EPOCH),
            Token("hush-jwt".into())
        );
        assert!(text.contains("LSIAX") && !text.contains("hush"), "{text}");
    }
}
