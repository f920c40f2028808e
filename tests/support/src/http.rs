//! Servers of stand-ins: each on a thread of its own, so that a test with a runtime has one as easily as a test without.

use std::fmt::Debug;
use std::io;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
pub use axum::http::StatusCode;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::serve::Listener;

/// Status and body of a response.
pub type Reply = (StatusCode, String);

/// Serves until the process ends. The listener is opened on the server's own thread.
pub(crate) fn serve<L>(open: impl FnOnce() -> io::Result<L> + Send + 'static, router: Router) -> Result<()>
where
    L: Listener,
    L::Addr: Debug,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::spawn(move || runtime.block_on(async { axum::serve(open()?, router).await }));
    Ok(())
}

/// A response that says that it is JSON.
pub(crate) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
