//! Bounds the connections of a port, which anybody in the cluster can open: each costs a task, buffers, perhaps a TLS
//! session, and a file descriptor.
//!
//! A full port ends a connection for the next one, and lets none wait: who holds all of them would keep everybody else
//! out. Which one ends is decided in [`room`].

mod accept;
mod limits;
mod room;

use std::net::SocketAddr;

use axum_server::{Handle, Server};
use hyper_util::rt::TokioTimer;

pub(crate) use accept::Acceptor;
pub(crate) use limits::Limits;
pub(crate) use room::Connection;

/// A server that keeps within the limits. It speaks HTTP/1.1 alone, as API servers and SDKs do here: a connection of HTTP/2
/// carries requests without number, and nothing ends an idle one.
pub(crate) fn server<A>(
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    limits: &Limits,
    acceptor: A,
) -> Server<SocketAddr, A> {
    let mut server = axum_server::bind(address)
        .handle(handle)
        .acceptor(acceptor)
        .http1_only()
        .first_request_timeout(limits.first_request);
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        // Counted from the last response, so it is the deadline of a connection that nobody uses, too.
        .header_read_timeout(limits.idle)
        .max_buf_size(limits.head);
    server
}

#[cfg(test)]
mod tests;
