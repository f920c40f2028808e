//! `/healthz` and `/readyz`. Ready means: a Pod that is created now would be patched.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

/// Whether the process can do its job.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub(crate) fn ready(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn stopping(&self) {
        self.0.store(false, Ordering::Release);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Serves until dropped.
pub(crate) async fn serve(address: SocketAddr, readiness: Readiness) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    axum::serve(listener, router(readiness))
        .await
        .context("the health server ended")
}

fn router(readiness: Readiness) -> Router {
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
    Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    #[tokio::test]
    async fn ready_only_between_the_first_registration_and_the_end() {
        let readiness = Readiness::default();
        let status = async || {
            let request = Request::get("/readyz").body(Body::empty()).unwrap();
            router(readiness.clone())
                .oneshot(request)
                .await
                .unwrap()
                .status()
                .as_u16()
        };
        assert_eq!(status().await, 503);
        readiness.ready();
        assert_eq!(status().await, 200);
        readiness.stopping();
        assert_eq!(status().await, 503);
    }
}
