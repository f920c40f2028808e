//! STS errors, in AWS's XML.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use quick_xml::escape::escape;
use uuid::Uuid;

/// The namespace of every document that STS returns.
pub(super) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

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
            "Only AssumeRoleWithWebIdentity is served here: other actions belong to AWS's own endpoints",
        )
    }

    /// The cluster's keys could not be had; SDKs try again.
    pub(crate) fn idp_communication(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::IDPCommunicationError, message)
    }

    /// The emulator does not respond; SDKs try again.
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

/// A response of STS: an XML document.
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
    use super::*;

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
