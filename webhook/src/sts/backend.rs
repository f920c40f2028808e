//! Where credentials come from: the emulator's own STS.

use aws_sdk_sts::types::{Credentials, PolicyDescriptorType};
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{Request, header};
use axum::response::Response;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::query::AssumeRole;
use super::response::StsError;
use crate::aws::{Emulator, explain};

/// Headers that belong to one connection and are never passed on (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [header::HeaderName; 6] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONTENT_LENGTH,
];

/// The emulator behind the front.
pub(crate) struct Backend {
    url: String,
    emulator: Emulator,
    client: Client<HttpConnector, Body>,
}

impl Backend {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            emulator: Emulator::new(url),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Credentials of the role, in the role's own account.
    pub(crate) async fn credentials(&self, request: &AssumeRole) -> Result<Credentials, StsError> {
        let answer = self
            .emulator
            .sts()
            .assume_role_with_web_identity()
            .role_arn(request.role_arn.to_string())
            .role_session_name(&request.session_name)
            .web_identity_token(request.token.expose())
            .duration_seconds(request.duration)
            .set_policy(request.policy.clone())
            .set_policy_arns(policy_arns(request))
            .send()
            .await;
        let answer = answer.map_err(|error| {
            tracing::warn!(error = explain(&error), "the emulator hands out no credentials");
            StsError::unavailable("The emulator's STS does not answer")
        })?;
        answer
            .credentials
            .ok_or_else(|| StsError::unavailable("The emulator's STS answered without credentials"))
    }

    /// Passes a request of another action on as it came, and its answer back.
    pub(crate) async fn pass_on(&self, parts: Parts, body: Bytes) -> Response {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder()
            .method(parts.method)
            .uri(format!("{}{path}", self.url));
        for (name, value) in parts
            .headers
            .iter()
            .filter(|(name, _)| !HOP_BY_HOP.contains(name))
        {
            request = request.header(name, value);
        }
        let Ok(request) = request.body(Body::from(body)) else {
            return StsError::validation("the request cannot be passed on").into_response();
        };
        match self.client.request(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                tracing::warn!(error = explain(&error), "the emulator does not answer");
                StsError::unavailable("The emulator does not answer").into_response()
            }
        }
    }
}

fn policy_arns(request: &AssumeRole) -> Option<Vec<PolicyDescriptorType>> {
    let arns = request
        .policy_arns
        .iter()
        .map(|arn| PolicyDescriptorType::builder().arn(arn).build());
    (!request.policy_arns.is_empty()).then(|| arns.collect())
}
