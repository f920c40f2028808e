//! `/healthz`, `/readyz` and `/metrics`. Ready means: a Pod that is created now would be patched.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use axum_server::Handle;

use crate::connections::{self, Acceptor, Limits};
use crate::metrics::{Metrics, Port};

/// The kubelet and Prometheus ask here, each by a connection or two.
const LIMITS: Limits = Limits {
    connections: 32,
    first_request: Duration::from_secs(5),
    idle: Duration::from_secs(5),
    head: 16 * 1024,
};
/// The text form of `OpenMetrics`, as Prometheus asks for it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the process can do its job. Once it is stopping it never can again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readiness(Arc<State>);

#[derive(Debug, Default)]
struct State {
    able: AtomicBool,
    stopping: AtomicBool,
}

impl Readiness {
    pub(crate) fn set(&self, able: bool) {
        if self.0.able.swap(able, Ordering::AcqRel) != able {
            tracing::info!(able, "whether Pods that are created now are patched");
        }
    }

    pub(crate) fn stopping(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Acquire)
    }

    fn is_ready(&self) -> bool {
        self.0.able.load(Ordering::Acquire) && !self.is_stopping()
    }
}

/// Asks clients that keep their connections to open another one next time, once this replica is stopping. API servers
/// speak HTTP/1.1 to webhooks, and do not repeat a request that meets the end of an idle connection.
pub(crate) async fn close_when_stopping(
    Shared(readiness): Shared<Readiness>,
    request: Request,
    next: Next,
) -> Response {
    // In HTTP/2 the server announces it by itself, and nothing is lost.
    let keeps = request.version() <= Version::HTTP_11;
    let mut response = next.run(request).await;
    if keeps && readiness.is_stopping() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// Serves until dropped.
pub(crate) async fn serve(
    address: SocketAddr,
    readiness: Readiness,
    metrics: Arc<Metrics>,
) -> anyhow::Result<()> {
    let acceptor = Acceptor::new(Port::Health, &LIMITS, Arc::clone(&metrics));
    connections::server(address, Handle::new(), &LIMITS, acceptor)
        .serve(router(readiness, metrics).into_make_service())
        .await
        .with_context(|| format!("cannot serve health on {address}"))
}

fn router(readiness: Readiness, metrics: Arc<Metrics>) -> Router {
    let ready = move || async move {
        if readiness.is_ready() {
            (StatusCode::OK, "ready\n")
        } else {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "caches, certificate or registration are not in place\n",
            )
        }
    };
    let text = move || async move { ([(header::CONTENT_TYPE, OPEN_METRICS)], metrics.text()) };
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    #[tokio::test]
    async fn ready_only_while_registered_and_never_again_once_stopping() {
        let readiness = Readiness::default();
        let status = async || {
            let request = Request::get("/readyz").body(Body::empty()).unwrap();
            router(readiness.clone(), Arc::new(Metrics::new()))
                .oneshot(request)
                .await
                .unwrap()
                .status()
                .as_u16()
        };
        assert_eq!(status().await, 503);
        readiness.set(true);
        assert_eq!(status().await, 200);
        readiness.set(false);
        assert_eq!(status().await, 503);
        readiness.stopping();
        readiness.set(true);
        assert_eq!(status().await, 503);
    }
}
