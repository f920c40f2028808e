//! STS answers and errors, in AWS's XML.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use quick_xml::escape::escape;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use irsa_emu_core::role_arn::RoleArn;

use super::backend::Session;
use super::token::Verified;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Makes the codes, so that a list of them can never lack one.
macro_rules! codes {
    ($($code:ident),+ $(,)?) => {
        /// AWS's code of an error (STS API reference, "Errors" of `AssumeRoleWithWebIdentity`, and "Common Errors").
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $($code),+
        }

        impl Code {
            /// Every code.
            pub(crate) const ALL: &[Self] = &[$(Self::$code),+];

            /// The code as AWS writes it.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => stringify!($code)),+
                }
            }
        }
    };
}

codes! {
    AccessDenied,
    ExpiredTokenException,
    IDPCommunicationError,
    InvalidAction,
    InvalidIdentityToken,
    MalformedHttpRequestException,
    MalformedPolicyDocument,
    PackedPolicyTooLarge,
    RegionDisabledException,
    ServiceUnavailable,
    ValidationError,
}

/// An error with AWS's status and code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StsError {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl StsError {
    fn new(status: StatusCode, code: Code, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
        }
    }

    pub(crate) fn access_denied() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            Code::AccessDenied,
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        )
    }

    pub(crate) fn invalid_token(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidIdentityToken, message)
    }

    pub(crate) fn expired_token(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::ExpiredTokenException, message)
    }

    pub(crate) fn validation(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::ValidationError, message)
    }

    pub(crate) fn invalid_action(version: &str) -> Self {
        let message = format!("Could not find operation AssumeRoleWithWebIdentity for version {version}");
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidAction, &message)
    }

    /// HTTP knows such a request, and STS does not (the API references of AWS, "Common Errors").
    pub(crate) fn malformed_request(message: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            Code::MalformedHttpRequestException,
            message,
        )
    }

    pub(crate) fn malformed_policy(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::MalformedPolicyDocument, message)
    }

    pub(crate) fn packed_policy_too_large(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::PackedPolicyTooLarge, message)
    }

    pub(crate) fn region_disabled(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, Code::RegionDisabledException, message)
    }

    /// Real AWS is behind the front, and has a host of its own for everything else.
    pub(crate) fn only_web_identity() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            Code::InvalidAction,
            "Only AssumeRoleWithWebIdentity is answered here: other actions belong to AWS's own endpoints",
        )
    }

    /// The cluster's keys could not be had; SDKs try again.
    pub(crate) fn idp_communication(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::IDPCommunicationError, message)
    }

    /// The emulator does not answer; SDKs try again.
    pub(crate) fn unavailable(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::ServiceUnavailable, message)
    }

    pub(crate) fn into_response(self) -> Response {
        let kind = if self.status.is_server_error() {
            "Receiver"
        } else {
            "Sender"
        };
        let text = format!(
            "<ErrorResponse xmlns=\"{NAMESPACE}\">\n  <Error>\n    <Type>{kind}</Type>\n    <Code>{}</Code>\n    <Message>{}</Message>\n  \
             </Error>\n  <RequestId>{}</RequestId>\n</ErrorResponse>\n",
            self.code.as_str(),
            escape(&self.message),
            Uuid::new_v4()
        );
        xml(self.status, text)
    }
}

/// The complete answer to a successful exchange.
pub(crate) fn assumed(role: &RoleArn, verified: &Verified, opened: &Session) -> String {
    let (account, name, session) = (role.account(), role.name(), escape(&opened.name));
    let credentials = &opened.credentials;
    let arn = format!(
        "arn:{}:sts::{account}:assumed-role/{name}/{session}",
        role.partition()
    );
    let expiration = credentials
        .expiration()
        .fmt(aws_sdk_sts::primitives::DateTimeFormat::DateTime)
        .unwrap_or_default();
    format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"{NAMESPACE}\">\n  <AssumeRoleWithWebIdentityResult>\n    \
         <SubjectFromWebIdentityToken>{}</SubjectFromWebIdentityToken>\n    <Audience>{}</Audience>\n    \
         <AssumedRoleUser>\n      <Arn>{arn}</Arn>\n      <AssumedRoleId>{}:{session}</AssumedRoleId>\n    </AssumedRoleUser>\n    \
         <Credentials>\n      <AccessKeyId>{}</AccessKeyId>\n      <SecretAccessKey>{}</SecretAccessKey>\n      \
         <SessionToken>{}</SessionToken>\n      <Expiration>{expiration}</Expiration>\n    </Credentials>\n    \
         <Provider>arn:{}:iam::{account}:oidc-provider/{}</Provider>\n  </AssumeRoleWithWebIdentityResult>\n  \
         <ResponseMetadata>\n    <RequestId>{}</RequestId>\n  </ResponseMetadata>\n</AssumeRoleWithWebIdentityResponse>\n",
        escape(verified.subject.to_string()),
        escape(&opened.audience),
        escape(&opened.role_id),
        escape(credentials.access_key_id()),
        escape(credentials.secret_access_key()),
        escape(credentials.session_token()),
        role.partition(),
        escape(verified.provider()),
        Uuid::new_v4()
    )
}

/// Characters of IAM's unique ids (RFC 4648, section 6: base 32).
const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Characters of a unique id behind its prefix (IAM User Guide, "Unique identifiers").
const ID_LENGTH: usize = 17;

/// An id in the form of IAM's unique ids, the same for the same role: SHA-256 over JSON, so that no compiler has a say.
pub(super) fn role_id(role: &RoleArn) -> String {
    let digest = Sha256::digest(json!([role.account(), role.name()]).to_string());
    let characters = digest.iter().take(ID_LENGTH);
    let characters = characters.map(|byte| char::from(ID_ALPHABET[usize::from(byte % 32)]));
    format!("AROA{}", characters.collect::<String>())
}

pub(crate) fn xml(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

#[cfg(test)]
mod tests {
    use aws_sdk_sts::types::Credentials;

    use super::*;

    #[test]
    fn a_good_answer_is_complete() {
        let verified = Verified::sample();
        let credentials = Credentials::builder()
            .access_key_id("LSIA")
            .secret_access_key("s<e>c")
            .session_token("t")
            .expiration(aws_sdk_sts::primitives::DateTime::from_secs(1_790_000_000))
            .build()
            .unwrap();
        let role = RoleArn::parse("arn:aws:iam::123456789012:role/team/app").unwrap();
        let opened = Session {
            credentials,
            name: "pod-1".into(),
            role_id: role_id(&role),
            audience: "sts.amazonaws.com".into(),
        };
        let text = assumed(&role, &verified, &opened);
        let masked: Vec<&str> = text.lines().filter(|line| !line.contains("RequestId>")).collect();
        insta::assert_snapshot!(masked.join("\n"));
    }

    #[test]
    fn the_id_of_a_role_stays_the_same_and_has_the_form_of_iams() {
        let role = |arn| role_id(&RoleArn::parse(arn).unwrap());
        let id = role("arn:aws:iam::123456789012:role/app");
        assert_eq!(id, "AROAHC3WZXJCJDDFLGRQ2");
        assert_eq!(
            id,
            role("arn:aws:iam::123456789012:role/team/app"),
            "names are unique in an account"
        );
        assert_ne!(id, role("arn:aws:iam::123456789013:role/app"));
        assert_ne!(id, role("arn:aws:iam::123456789012:role/app2"));
    }

    #[tokio::test]
    async fn messages_are_escaped() {
        let error = StsError::validation("<script>&");
        let response = error.into_response();
        assert_eq!(
            (
                response.status().as_u16(),
                response.headers()["content-type"].to_str().unwrap()
            ),
            (400, "text/xml")
        );
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("<Message>&lt;script&gt;&amp;</Message>"), "{body}");
    }
}
