//! The HTTP side of admission: what is accepted, what is returned, what is logged.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request as HttpRequest, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use irsa_emu_core::plan::{PlanOutcome, SkipReason};

use super::decide::Admission;
use super::paths::Mode;
use super::review::{Answer, Request, Review};
use crate::connections::Connection;
use crate::health::close_when_stopping;
use crate::target;

/// A request for an object of etcd's largest size (1.5 MiB), old and new, fits.
const MAX_BODY: usize = 3 * 1024 * 1024;
/// The API server gives up after five seconds.
const TIMEOUT: Duration = Duration::from_secs(4);

pub(crate) fn router(admission: Admission) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .fallback(review)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(in_time))
        .layer(from_fn(close_on_strangers))
        .layer(from_fn_with_state(
            admission.readiness.clone(),
            close_when_stopping,
        ))
        .with_state(admission)
}

/// Whatever is slow, a body that never ends among it, ends here.
async fn in_time(request: HttpRequest, next: Next) -> Response {
    match tokio::time::timeout(TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the review took too long\n").into_response(),
    }
}

/// A connection is kept for API servers only: whoever has not shown a path of the registration gets one response by it.
async fn close_on_strangers(request: HttpRequest, next: Next) -> Response {
    let connection = request.extensions().get::<Connection>().cloned();
    let mut response = next.run(request).await;
    if connection.is_some_and(|connection| !connection.is_known()) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// The path is looked at before the body is read: a Pod that found the port can neither fill the memory nor have Events
/// written.
impl FromRequestParts<Admission> for Mode {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, admission: &Admission) -> Result<Self, StatusCode> {
        if target::refusal(&parts.method, &parts.uri).is_some() {
            return Err(StatusCode::BAD_REQUEST);
        }
        let mode = admission
            .paths
            .mode(parts.uri.path())
            .ok_or(StatusCode::NOT_FOUND)?;
        if let Some(connection) = parts.extensions.get::<Connection>() {
            connection.make_known();
        }
        if parts.method != Method::POST {
            return Err(StatusCode::METHOD_NOT_ALLOWED);
        }
        Ok(mode)
    }
}

async fn review(mode: Mode, State(admission): State<Admission>, headers: HeaderMap, body: Bytes) -> Response {
    let began = Instant::now();
    if headers
        .get(header::CONTENT_TYPE)
        .is_none_or(|value| value != "application/json")
    {
        return (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Invalid Content-Type, expected `application/json`\n",
        )
            .into_response();
    }
    let (review, request) = match Review::parse(&body) {
        Ok(parsed) => parsed,
        Err(message) => {
            tracing::warn!(problem = message, "a body that is no AdmissionReview");
            admission.metrics.no_review();
            return json(Answer::malformed(&message));
        }
    };
    let outcome = admission.decide(&request).await;
    let refused = is_refused(&outcome, mode);
    log(&request, &outcome, refused);
    admission.metrics.reviewed(&outcome, refused, began.elapsed());
    if let Ok(pod) = &request.pod
        && !request.dry_run
    {
        admission.events.mistakes(pod, request.namespace(), &outcome);
    }
    json(review.answer(&request, &outcome, refused))
}

/// The response as it is: axum's own type would write it again.
fn json(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.into_bytes()));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Whether a Pod that could not be judged may not run.
fn is_refused(outcome: &PlanOutcome, mode: Mode) -> bool {
    let unjudged = matches!(
        outcome,
        PlanOutcome::Skipped {
            reason: SkipReason::LookupFailed,
            ..
        }
    );
    mode == Mode::Enforced && unjudged
}

/// One line for every review, with nothing of the Pod but its names.
fn log(request: &Request<'_>, outcome: &PlanOutcome, refused: bool) {
    let (uid, namespace) = (&*request.uid, request.namespace());
    let (pod, service_account) = request
        .pod
        .as_ref()
        .map_or(("", ""), |pod| (pod.name(), pod.service_account()));
    match outcome {
        PlanOutcome::Patched {
            patch,
            method,
            warnings,
        } => {
            let (method, operations) = (method.as_str(), patch.operations());
            tracing::info!(
                uid,
                namespace,
                pod,
                service_account,
                method,
                operations,
                ?warnings,
                "patched"
            );
        }
        PlanOutcome::Skipped { reason, warnings } => {
            let message = if refused { "refused" } else { "left alone" };
            tracing::info!(
                uid,
                namespace,
                pod,
                service_account,
                reason = reason.as_str(),
                ?warnings,
                message
            );
        }
        PlanOutcome::Malformed(problem) => {
            tracing::warn!(uid, namespace, problem, "the object cannot be read as a Pod");
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
