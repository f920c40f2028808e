//! Admission: an AdmissionReview in, a JSONPatch out.

mod decide;
pub(crate) mod in_force;
pub(crate) mod paths;
pub(crate) mod registration;
mod review;
mod router;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};

use crate::connections::{self, Acceptor, Limits};
use crate::metrics::Port;
#[cfg(test)]
pub(crate) use decide::Accounts;
pub(crate) use decide::Admission;

/// An API server keeps 25 connections and opens more while it has more Pods to create at once; 256 heads of unknown peers
/// with their TLS sessions are 30 MiB of the 128 that the process may have. An API server closes what it has not used for 90
/// seconds, and a review that meets our end of a connection is not sent again: so this end comes later.
const LIMITS: Limits = Limits {
    connections: 256,
    first_request: Duration::from_secs(5),
    idle: Duration::from_mins(2),
    head: 64 * 1024,
};

/// Serves admission over TLS until dropped.
pub(crate) async fn serve(
    address: SocketAddr,
    tls: RustlsConfig,
    handle: Handle<SocketAddr>,
    admission: Admission,
) -> anyhow::Result<()> {
    serve_within(&LIMITS, address, tls, handle, admission).await
}

async fn serve_within(
    limits: &Limits,
    address: SocketAddr,
    tls: RustlsConfig,
    handle: Handle<SocketAddr>,
    admission: Admission,
) -> anyhow::Result<()> {
    let acceptor = Acceptor::new(Port::Admission, limits, Arc::clone(&admission.metrics));
    let acceptor = RustlsAcceptor::new(tls)
        .handshake_timeout(limits.first_request)
        .acceptor(acceptor);
    connections::server(address, handle, limits, acceptor)
        .serve(router::router(admission).into_make_service())
        .await
        .with_context(|| format!("cannot serve admission on {address}"))
}

#[cfg(test)]
mod tests;
