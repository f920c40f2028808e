//! Accepts connections onto a port, and ends one for another when the port is full.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::Request;
use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower::Service;

use super::limits::Limits;
use super::room::{Connection, OpenConnections, Slot};
use crate::metrics::{Metrics, Port};

/// Lets connections into one port.
#[derive(Clone)]
pub(crate) struct Acceptor {
    connections: Arc<OpenConnections>,
    port: Port,
    metrics: Arc<Metrics>,
}

impl Acceptor {
    pub(crate) fn new(port: Port, limits: &Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            connections: Arc::new(OpenConnections::new(limits.connections)),
            port,
            metrics,
        }
    }

    fn admit<S>(&self, stream: TcpStream, service: S) -> io::Result<(Guarded, Used<S>)> {
        stream.set_nodelay(true)?;
        let (slot, ended) = Arc::clone(&self.connections).enter(stream.peer_addr()?.ip());
        if ended {
            self.metrics.ended_connection(self.port);
        }
        let service = Used {
            service,
            connections: Arc::clone(&self.connections),
            connection: slot.connection.clone(),
        };
        Ok((Guarded { stream, slot }, service))
    }
}

impl<S> Accept<TcpStream, S> for Acceptor {
    type Stream = Guarded;
    type Service = Used<S>;
    type Future = std::future::Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        std::future::ready(self.admit(stream, service))
    }
}

/// The service of one connection: it notes each request, and adds to the request where it came from.
#[derive(Debug, Clone)]
pub(crate) struct Used<S> {
    service: S,
    connections: Arc<OpenConnections>,
    connection: Connection,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Used<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        self.connections.used(&self.connection);
        request.extensions_mut().insert(self.connection.clone());
        self.service.call(request)
    }
}

/// A stream that fails once its connection was ended for another.
#[derive(Debug)]
pub(crate) struct Guarded {
    stream: TcpStream,
    slot: Slot,
}

impl Guarded {
    /// The stream, while it may be used.
    fn stream(self: Pin<&mut Self>, context: &Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        let this = self.get_mut();
        if this.slot.connection.has_ended(context) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(Pin::new(&mut this.stream))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream(context)?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream(context)?.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
