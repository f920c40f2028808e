//! The emulator: it hands out credentials of any role to anyone, so the role and its trust policy are judged before.

use std::collections::BTreeMap;

use aws_sdk_sts::types::Credentials;
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, header};
use axum::response::Response;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use irsa_emu_core::causes::chain;
use irsa_emu_core::trust_policy::{self, IssuerAlias, TrustPolicy, WebIdentityRequest, evaluate};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::error::StsError;
use super::super::query::AssumeRole;
use super::super::token::Verified;
use super::providers::Providers;
use super::roles::Roles;
use super::session::{Named, Refusal, Session, managed_policies, role_id};
use crate::args::Settings;
use crate::aws::{Emulator, explain_call, unsigned_client};
use crate::events::Events;
use crate::target;

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
pub(in crate::sts) struct Emulated {
    url: String,
    /// Made once: making one costs more than what it does.
    sts: aws_sdk_sts::Client,
    client: Client<HttpConnector, Body>,
    providers: Providers,
    roles: Roles,
    aliases: Vec<IssuerAlias>,
}

impl Emulated {
    pub(super) fn new(settings: &Settings, events: Events) -> Self {
        let url = &settings.install.emulator_url;
        let emulator = Emulator::new(url);
        Self {
            url: url.trim_end_matches('/').to_owned(),
            client: unsigned_client(),
            providers: Providers::new(emulator.clone(), events.clone(), settings),
            roles: Roles::new(emulator.clone(), events, settings),
            aliases: settings.issuer_aliases.clone(),
            sts: emulator.sts(),
        }
    }

    /// Credentials of the role, in the role's own account, if AWS would hand them out.
    pub(super) async fn open_session(
        &self,
        request: &AssumeRole,
        verified: &Verified,
        named: &Named,
    ) -> Result<Session, Refusal> {
        let arn = &request.role_arn;
        let audience = self.providers.require(arn, verified, &named.audience).await?;
        let role = match self.roles.find(arn).await? {
            Some(role) => role,
            None => self.roles.make(arn, verified, &audience, named).await?,
        };
        request.check_duration(role.max_session)?;
        match &role.trust {
            Ok(trust) => self.check_trust(trust, request, verified)?,
            Err(problem) => {
                let why = format!("IAM does not accept its trust policy: {problem}");
                return Err(Refusal::Denied(why));
            }
        }
        Ok(Session {
            credentials: self.credentials(request).await?,
            name: request.session_name.clone(),
            role_id: role_id(arn),
            audience,
        })
    }

    /// Whether the role's trust policy lets the token in, as AWS would evaluate it.
    fn check_trust(
        &self,
        trust: &TrustPolicy,
        request: &AssumeRole,
        verified: &Verified,
    ) -> Result<(), Refusal> {
        let decision = evaluate(
            trust,
            &WebIdentityRequest {
                role: &request.role_arn,
                provider: verified.provider(),
                aliases: &self.aliases,
                subject: &verified.subject.to_string(),
                audiences: &verified.audiences,
                session_name: &request.session_name,
                claims: &BTreeMap::new(),
                keys: &time_keys(OffsetDateTime::now_utc()),
            },
        );
        if !decision.is_allowed() {
            let why = format!("its trust policy does not allow it: {decision}");
            return Err(Refusal::Denied(why));
        }
        for warning in &decision.warnings {
            tracing::warn!(subject = %verified.subject, role = %request.role_arn, %warning, "an open trust policy");
        }
        Ok(())
    }

    async fn credentials(&self, request: &AssumeRole) -> Result<Credentials, StsError> {
        let answer = self
            .sts
            .assume_role_with_web_identity()
            .role_arn(request.role_arn.to_string())
            .role_session_name(&request.session_name)
            .web_identity_token(request.token.expose())
            .duration_seconds(request.duration)
            .set_policy(request.policy.clone())
            .set_policy_arns(managed_policies(request))
            .send()
            .await;
        let answer = answer.map_err(|error| {
            tracing::warn!(
                error = explain_call(&error),
                "the emulator hands out no credentials"
            );
            StsError::unavailable("The emulator's STS does not respond")
        })?;
        answer
            .credentials
            .ok_or_else(|| StsError::unavailable("The emulator's STS responded without credentials"))
    }

    /// Passes a request of another action on as it came, and its response back.
    pub(super) async fn pass_on(&self, parts: Parts, body: Bytes) -> Response {
        let query = parts
            .uri
            .query()
            .map_or_else(String::new, |query| format!("?{query}"));
        let mut request = Request::builder()
            .uri(format!("{}{}{query}", self.url, parts.uri.path()))
            .method(parts.method.clone());
        if let Some(headers) = request.headers_mut() {
            *headers = passed_on(&parts);
        }
        let Ok(request) = request.body(Body::from(body)) else {
            return StsError::validation("the request cannot be passed on").into_response();
        };
        match self.client.request(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                tracing::warn!(error = chain(&error), "the emulator does not respond");
                StsError::unavailable("The emulator does not respond").into_response()
            }
        }
    }
}

/// The headers of a request that is passed on: all but those of its connection, and the host that it really names.
fn passed_on(parts: &Parts) -> HeaderMap {
    let mut headers = parts.headers.clone();
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    if let Some(host) = target::host(&parts.uri).and_then(|host| host.parse().ok()) {
        headers.insert(header::HOST, host);
    }
    headers
}

/// The condition keys of the time (IAM User Guide, "AWS global condition context keys").
fn time_keys(now: OffsetDateTime) -> BTreeMap<String, Vec<String>> {
    let text = now
        .replace_nanosecond(0)
        .unwrap_or(now)
        .format(&Rfc3339)
        .unwrap_or_default();
    trust_policy::time_keys(text, now.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use clap::Parser;
    use irsa_emu_test_support::emulator::{self as fake, Answer, Behaviour};

    use super::*;
    use crate::args::Args;

    /// A session of a role for a ServiceAccount for which `named` is named. Every ServiceAccount may assume the roles of this
    /// emulator, but for those that are called foreign.
    async fn open(role: &str, named: Option<&str>) -> Result<Session, Refusal> {
        let arn = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
        let behaviour = Behaviour::new(Duration::from_hours(1), &[Answer::Credentials]);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let emulator = fake::Emulator::start(address, behaviour).await.unwrap();
        let url = format!("http://{}", emulator.address);
        let args = ["w", "--sidecar-image", "i", "--emulator-url", &url];
        let settings = Settings::resolve(Args::parse_from(args));
        let asked = [
            ("Version", "2011-06-15"),
            ("RoleArn", &arn(role)),
            ("RoleSessionName", "session"),
            ("WebIdentityToken", "token"),
        ];
        let asked = asked.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let request = AssumeRole::read(&BTreeMap::from(asked)).unwrap();
        let named = Named {
            role: named.map(arn),
            audience: "sts.amazonaws.com".to_owned(),
        };
        let front = Emulated::new(&settings, Events::none());
        front.open_session(&request, &Verified::sample(), &named).await
    }

    #[tokio::test]
    async fn the_trust_policy_decides_whatever_is_named() {
        for named in [Some("app"), Some("other"), None] {
            let session = open("app", named).await.unwrap();
            assert_eq!(session.audience, "sts.amazonaws.com", "{named:?}");
        }
        for named in [Some("app-foreign"), None] {
            let refused = open("app-foreign", named).await.unwrap_err();
            assert!(
                matches!(&refused, Refusal::Denied(why) if why.starts_with("its trust policy does not allow it: ")),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn headers_of_the_connection_stay_behind_and_an_absolute_uri_names_the_host() {
        for (target, host) in [("/", "sts"), ("http://other:81/", "other:81")] {
            let request = Request::get(target)
                .header("host", "sts")
                .header("connection", "close")
                .header("x-amz-date", "now")
                .header("x-amz-date", "then")
                .body(());
            let headers = passed_on(&request.unwrap().into_parts().0);
            assert_eq!(headers[header::HOST], host);
            assert_eq!(headers.get_all("x-amz-date").iter().count(), 2);
            assert!(!headers.contains_key(header::CONNECTION));
        }
    }
}
