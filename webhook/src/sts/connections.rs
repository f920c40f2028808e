//! Bounds the connections of the front, which anybody in the cluster can open. Those beyond wait for one that ends: one
//! that says nothing does so soon.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

/// Connections that are served at once; each takes about 10 KiB, and what it sends.
const CONNECTIONS: usize = 1024;

/// Accepts connections while there are not too many.
#[derive(Debug, Clone)]
pub(super) struct Bounded(Arc<Semaphore>);

impl Bounded {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(CONNECTIONS)))
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Bounded {
    type Stream = TcpStream;
    type Service = Counted<S>;
    type Future = BoxFuture<'static, io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let permits = Arc::clone(&self.0);
        async move {
            let permit = permits.acquire_owned().await.map_err(io::Error::other)?;
            stream.set_nodelay(true)?;
            Ok((
                stream,
                Counted {
                    service,
                    _permit: Arc::new(permit),
                },
            ))
        }
        .boxed()
    }
}

/// The service of one connection; it counts until its last clone is dropped.
#[derive(Debug, Clone)]
pub(super) struct Counted<S> {
    service: S,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl<S: Service<R>, R> Service<R> for Counted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.service.call(request)
    }
}
