//! The STS front: answers `AssumeRoleWithWebIdentity` as AWS would, and passes every other action to the emulator.

mod backend;
mod query;
mod response;
mod roles;
mod token;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use irsa_emu_core::grant::grant_for;
use irsa_emu_core::role_arn::RoleArn;
use kube::Client;
use tokio::sync::watch;

use crate::args::Settings;
use crate::directory::{Directory, Lookup};
use crate::metrics::Metrics;
use query::AssumeRole;
use response::StsError;
use token::{Subject, Verifier};

/// A request holds a token of about 1 KB; nothing near this size is one.
const MAX_BODY: usize = 64 * 1024;

/// The state of the STS front.
pub(crate) struct Front {
    directory: Arc<Directory>,
    settings: Arc<Settings>,
    verifier: Verifier,
    roles: roles::Roles,
    backend: backend::Backend,
    metrics: Arc<Metrics>,
}

impl Front {
    pub(crate) fn new(
        client: Client,
        directory: Arc<Directory>,
        settings: Arc<Settings>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            verifier: Verifier::new(client.clone()),
            roles: roles::Roles::new(client, &settings),
            backend: backend::Backend::new(&settings.emulator_url),
            directory,
            settings,
            metrics,
        })
    }

    /// One exchange: token, annotation, role, credentials.
    async fn assume_role(&self, request: AssumeRole) -> Result<String, StsError> {
        // The signature comes first: what nobody signed costs the API server nothing.
        let verified = self.verifier.verify(&request.token).await?;
        let subject = &verified.subject;
        let lookup = self
            .directory
            .service_account(&subject.namespace, &subject.name)
            .await;
        let annotations = match &lookup {
            Lookup::Found(account) => Some(account.annotations()),
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
        check_annotation(
            &verified.subject,
            grant.as_ref().and_then(|grant| grant.role_arn()),
            &request.role_arn,
            annotations.is_some(),
        )?;
        self.roles.ensure(&request.role_arn, &verified, audience).await?;
        let credentials = self.backend.credentials(&request).await?;
        tracing::info!(subject = %verified.subject, role = %request.role_arn, session = request.session_name, "credentials handed out");
        Ok(response::assumed(&request, &verified, audience, &credentials))
    }
}

/// Whether the ServiceAccount's own annotation names the role: nothing else lets a Pod in.
fn check_annotation(
    subject: &Subject,
    annotated: Option<&str>,
    requested: &RoleArn,
    exists: bool,
) -> Result<(), StsError> {
    let why = match annotated {
        Some(role) if role == requested.to_string() => return Ok(()),
        Some(role) => format!("its annotation names {role}"),
        None if exists => "it has no role-arn annotation".to_owned(),
        None => "it does not exist".to_owned(),
    };
    tracing::warn!(%subject, requested = %requested, why, "refused: the ServiceAccount may not assume this role");
    Err(StsError::access_denied())
}

/// Serves until dropped, or told to stop.
pub(crate) async fn serve(
    address: SocketAddr,
    front: Arc<Front>,
    mut stop: watch::Receiver<()>,
) -> anyhow::Result<()> {
    let router = Router::new()
        .fallback(answer)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(front);
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    let stopped = async move {
        let _ = stop.changed().await;
    };
    axum::serve(listener, router)
        .with_graceful_shutdown(stopped)
        .await
        .context("the STS front ended")
}

async fn answer(State(front): State<Arc<Front>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
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
            tracing::info!(code = error.code, message = error.message, "exchange refused");
            error.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_role_of_the_own_annotation_is_let_in() {
        let subject = Subject {
            namespace: "n".into(),
            name: "s".into(),
        };
        let role = RoleArn::parse("arn:aws:iam::123456789012:role/app").unwrap();
        let refused = |annotated, exists| {
            check_annotation(&subject, annotated, &role, exists)
                .unwrap_err()
                .code
        };
        assert!(check_annotation(&subject, Some("arn:aws:iam::123456789012:role/app"), &role, true).is_ok());
        assert_eq!(
            refused(Some("arn:aws:iam::123456789012:role/other"), true),
            "AccessDenied"
        );
        assert_eq!(
            refused(Some("arn:aws:iam::999999999999:role/app"), true),
            "AccessDenied"
        );
        assert_eq!(refused(None, true), "AccessDenied");
        assert_eq!(refused(None, false), "AccessDenied");
    }
}
