//! The STS front: answers `AssumeRoleWithWebIdentity` as AWS would, and passes every other action to the emulator.
//! Who a token speaks for is decided here; what comes of its role, in [`backend`].

mod backend;
mod keys;
mod query;
mod response;
mod token;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Request, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum_server::Handle;
use irsa_emu_core::grant::grant_for;
use irsa_emu_core::role_arn::RoleArn;
use kube::Client;

use crate::args::Settings;
use crate::connections::{self, Door, Limits};
use crate::directory::{Directory, Lookup};
use crate::events::{EventType, Events};
use crate::health::{Readiness, close_when_stopping};
use crate::metrics::{Metrics, Port};
use crate::target;
use crate::throttle::Throttle;
use backend::{Backend, Refusal};
use keys::Verifier;
use query::AssumeRole;
use response::StsError;
use token::{Subject, Verified};

/// A request holds a token of about 1 KB; nothing near this size is one.
const MAX_BODY: usize = 64 * 1024;
/// The same as a query string, with its headers.
const MAX_HEAD: usize = 96 * 1024;

/// A head and a body of the largest size on every connection are 40 MiB of the 128 that the process may have. Pods ask once
/// in hours, and close; two replicas serve more of them at once than nodes run. Nobody is known here, as anybody who can
/// create a Pod can make an exchange.
const LIMITS: Limits = Limits {
    connections: 256,
    first_request: Duration::from_secs(5),
    idle: Duration::from_secs(5),
    head: MAX_HEAD,
};
/// The longest that anything takes here; SDKs give up after a minute.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The state of the STS front.
pub(crate) struct Front {
    directory: Arc<Directory>,
    settings: Arc<Settings>,
    verifier: Verifier,
    backend: Backend,
    metrics: Arc<Metrics>,
    events: Events,
    /// Who is refused again and again fills no log.
    refusals: Throttle<String>,
}

impl Front {
    pub(crate) fn new(
        client: Client,
        directory: Arc<Directory>,
        settings: Arc<Settings>,
        metrics: Arc<Metrics>,
        events: Events,
    ) -> Arc<Self> {
        Arc::new(Self {
            verifier: Verifier::new(client.clone()),
            backend: Backend::new(client, &settings, events.clone()),
            directory,
            settings,
            metrics,
            events,
            refusals: Throttle::default(),
        })
    }

    /// One exchange: token, annotation, role, credentials.
    async fn assume_role(&self, request: AssumeRole) -> Result<String, StsError> {
        // The signature comes first: what nobody signed costs the API server nothing.
        let verified = self.verifier.verify(&request.token).await?;
        let subject = &verified.subject;
        let lookup = self.account_of(&verified).await;
        let annotations = match &lookup {
            Lookup::Found(account) => {
                verified.require_account(account.uid())?;
                Some(account.annotations())
            }
            Lookup::Missing => None,
            Lookup::Failed(_) => {
                return Err(StsError::unavailable(
                    "The cluster did not say whether the ServiceAccount exists",
                ));
            }
        };
        let grant = annotations.and_then(|annotations| {
            let tables = self.directory.tables();
            grant_for(
                &subject.namespace,
                &subject.name,
                Some(annotations),
                &tables,
                &self.settings.grants,
            )
        });
        let audience = grant
            .as_ref()
            .map_or(&self.settings.grants.audience, |grant| &grant.audience);
        verified.require_audience(audience)?;
        let own_role = grant.as_ref().and_then(|grant| grant.role_arn());
        check_annotation(own_role, &request.role_arn, annotations.is_some())
            .map_err(|why| self.refuse(subject, &request.role_arn, &why))?;
        let opened = self.backend.open_session(&request, &verified, audience).await;
        let session = opened.map_err(|refusal| match refusal {
            Refusal::Answer(error) => error,
            Refusal::Denied(why) => self.refuse(subject, &request.role_arn, &why),
        })?;
        tracing::info!(subject = %verified.subject, role = %request.role_arn, session = session.name, "credentials handed out");
        Ok(response::assumed(
            &request.role_arn,
            &verified,
            audience,
            &session,
        ))
    }

    /// The ServiceAccount of a token. One that is not the one the token was made for may just be old news.
    async fn account_of(&self, verified: &Verified) -> Lookup {
        let Subject { namespace, name } = &verified.subject;
        let known = self.directory.service_account(namespace, name).await;
        match &known {
            Lookup::Found(account) if verified.require_account(account.uid()).is_err() => {
                self.directory.service_account_now(namespace, name).await
            }
            _ => known,
        }
    }

    /// A refusal: AWS gives no reason, so it goes into the log and an Event of the ServiceAccount.
    fn refuse(&self, subject: &Subject, role: &RoleArn, why: &str) -> StsError {
        if let Some(unsaid) = self.refusals.admit(subject.to_string(), Instant::now()) {
            tracing::warn!(%subject, %role, why, unsaid, "refused: the ServiceAccount may not assume this role");
        }
        self.events.exchange(
            &subject.namespace,
            &subject.name,
            EventType::Warning,
            "AccessDenied",
            format!("{role}: {why}"),
        );
        StsError::access_denied()
    }
}

/// Whether the ServiceAccount's own annotation names the role: without that, nothing lets a Pod in.
fn check_annotation(annotated: Option<&str>, requested: &RoleArn, exists: bool) -> Result<(), String> {
    match annotated {
        Some(role) if role == requested.to_string() => Ok(()),
        Some(role) => Err(format!("the ServiceAccount's annotation names {role}")),
        None if exists => Err("the ServiceAccount has no role-arn annotation".to_owned()),
        None => Err("the ServiceAccount does not exist".to_owned()),
    }
}

/// Serves until dropped.
pub(crate) async fn serve(
    address: SocketAddr,
    front: Arc<Front>,
    handle: Handle<SocketAddr>,
    readiness: Readiness,
) -> anyhow::Result<()> {
    let metrics = Arc::clone(&front.metrics);
    let router = Router::new()
        .fallback(answer)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(readiness, close_when_stopping))
        .with_state(front);
    let door = Door::new(Port::Sts, &LIMITS, metrics);
    connections::server(address, handle, &LIMITS, door)
        .serve(router.into_make_service())
        .await
        .with_context(|| format!("cannot serve STS on {address}"))
}

/// Whatever is slow, a body that never ends or an emulator that never answers among it, ends here.
async fn in_time(request: Request<Body>, next: Next) -> Response {
    match tokio::time::timeout(TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StsError::unavailable("The request took too long").into_response(),
    }
}

async fn answer(State(front): State<Arc<Front>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(why) = target::refusal(&parts.method, &parts.uri) {
        return StsError::malformed_request(why).into_response();
    }
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return StsError::validation("the request is larger than 64 KiB").into_response();
    };
    let parameters = query::parameters(parts.uri.query().unwrap_or_default(), &body);
    if parameters.get("Action").map(String::as_str) != Some("AssumeRoleWithWebIdentity") {
        return front.backend.pass_on(parts, body).await;
    }
    exchange(&front, &parameters).await
}

async fn exchange(front: &Front, parameters: &BTreeMap<String, String>) -> Response {
    let outcome = match AssumeRole::read(parameters) {
        Ok(request) => front.assume_role(request).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(xml) => {
            front.metrics.exchanged("ok");
            response::xml(StatusCode::OK, xml)
        }
        Err(error) => {
            front.metrics.exchanged(error.code);
            if let Some(unsaid) = front.refusals.admit(error.code.to_owned(), Instant::now()) {
                tracing::info!(
                    code = error.code,
                    answer = error.message,
                    unsaid,
                    "exchange refused"
                );
            }
            error.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_role_of_the_own_annotation_is_let_in() {
        let role = RoleArn::parse("arn:aws:iam::123456789012:role/app").unwrap();
        assert!(check_annotation(Some("arn:aws:iam::123456789012:role/app"), &role, true).is_ok());
        for (annotated, exists, why) in [
            (
                Some("arn:aws:iam::123456789012:role/other"),
                true,
                "annotation names arn:aws:iam::123456789012:role/other",
            ),
            (Some("arn:aws:iam::999999999999:role/app"), true, "999999999999"),
            (None, true, "no role-arn annotation"),
            (None, false, "does not exist"),
        ] {
            let refused = check_annotation(annotated, &role, exists).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
