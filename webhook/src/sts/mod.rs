//! The STS front: serves `AssumeRoleWithWebIdentity` as AWS would, and passes every other action to the emulator.
//! Who a token speaks for is decided here; what comes of its role, in [`backend`]. As on AWS, the role's trust policy
//! decides who may assume it. What the ServiceAccount's annotation names matters only where a role is made, and for real
//! AWS.

mod backend;
pub(crate) mod error;
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
use irsa_emu_core::grant::{Grant, Identity, grant_for};
use irsa_emu_core::role_arn::RoleArn;
use kube::Client;

use crate::args::Settings;
use crate::connections::{self, Acceptor, Limits};
use crate::directory::{Directory, Lookup};
use crate::events::{EventType, Events};
use crate::health::{Readiness, close_when_stopping};
use crate::metrics::{Metrics, Port};
use crate::target;
use crate::throttle::Throttle;
use backend::{Backend, Named, Refusal};
use error::StsError;
use keys::Verifier;
use query::AssumeRole;
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

    /// One exchange: token, ServiceAccount, role, credentials.
    async fn assume_role(&self, request: AssumeRole) -> Result<String, StsError> {
        // The signature comes first: what nobody signed costs the API server nothing.
        let verified = self.verifier.verify(&request.token).await?;
        let (subject, role) = (&verified.subject, &request.role_arn);
        let account = match self.account_of(&verified).await {
            Lookup::Found(account) => account,
            Lookup::Missing => return Err(self.refuse(subject, role, "the ServiceAccount does not exist")),
            Lookup::Failed(_) => {
                return Err(StsError::unavailable(
                    "The cluster did not report whether the ServiceAccount exists",
                ));
            }
        };
        verified.require_account(account.uid())?;
        let named = self.named_for(subject, account.annotations());
        let opened = self.backend.open_session(&request, &verified, &named).await;
        let session = opened.map_err(|refusal| match refusal {
            Refusal::Answer(error) => error,
            Refusal::Denied(why) => self.refuse(subject, role, &why),
        })?;
        tracing::info!(%subject, %role, session = session.name, "credentials handed out");
        Ok(response::assumed(role, &verified, &session))
    }

    /// What the annotations of a ServiceAccount, or the role table, name for it.
    fn named_for(&self, subject: &Subject, annotations: &BTreeMap<String, String>) -> Named {
        let (tables, defaults) = (self.directory.tables(), &self.settings.grants);
        let grant = grant_for(
            &subject.namespace,
            &subject.name,
            Some(annotations),
            &tables,
            defaults,
        );
        match grant {
            Some(Grant {
                identity: Identity::WebIdentity { role_arn },
                audience,
                ..
            }) => Named {
                role: Some(role_arn),
                audience,
            },
            // The audience of an association is for its agent, not for STS.
            _ => Named {
                role: None,
                audience: defaults.audience.clone(),
            },
        }
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
    let acceptor = Acceptor::new(Port::Sts, &LIMITS, metrics);
    connections::server(address, handle, &LIMITS, acceptor)
        .serve(router.into_make_service())
        .await
        .with_context(|| format!("cannot serve STS on {address}"))
}

/// Whatever is slow, a body that never ends or an emulator that never responds among it, ends here.
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
            front.metrics.exchanged(Ok(()));
            error::xml(StatusCode::OK, xml)
        }
        Err(error) => {
            front.metrics.exchanged(Err(error.code));
            let code = error.code.as_str();
            if let Some(unsaid) = front.refusals.admit(code.to_owned(), Instant::now()) {
                tracing::info!(code, answer = error.message, unsaid, "exchange refused");
            }
            error.into_response()
        }
    }
}
