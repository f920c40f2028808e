//! The container credentials endpoint of AWS SDKs, on loopback, for one command and what it starts.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use irsa_emu_core::contract::SIDECAR_PATH;
use irsa_emu_install::sts::Session;
use serde_json::json;
use time::OffsetDateTime;
use tokio::net::{TcpListener, TcpStream};

use super::IdentityError;
use super::renewal::Fresh;

/// Open connections at once; more wait. Each ends with its one response.
const CONNECTIONS: usize = 64;
/// A client that takes longer to send its request holds up others.
const HEAD: Duration = Duration::from_secs(5);
/// The largest head that is read; an `Authorization` of ours has 64 bytes.
const MAX_HEAD: usize = 16 * 1024;

/// The endpoint, before it serves.
pub struct Endpoint {
    listener: TcpListener,
    authorization: String,
}

impl Endpoint {
    /// Opens a port of 127.0.0.1, with a secret of its own.
    pub async fn open() -> std::io::Result<Self> {
        let random = || uuid::Uuid::new_v4().simple().to_string();
        Ok(Self {
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
            authorization: random() + &random(),
        })
    }

    /// Its URL.
    pub fn url(&self) -> std::io::Result<String> {
        Ok(format!("http://{}{SIDECAR_PATH}", self.listener.local_addr()?))
    }

    /// What it wants in `Authorization`.
    #[must_use]
    pub fn authorization(&self) -> &str {
        &self.authorization
    }

    /// Serves until it is dropped.
    pub async fn serve<R>(&self, fresh: &Fresh<R>, on_trouble: &dyn Fn(&IdentityError)) -> Infallible
    where
        R: AsyncFn() -> Result<Session, IdentityError>,
    {
        let mut open = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if open.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => open.push(self.connection(stream, fresh, on_trouble)),
                    // Out of file descriptors, most likely; they come back.
                    Err(error) => {
                        tracing::debug!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(()) = open.next(), if !open.is_empty() => {}
            }
        }
    }

    async fn connection<R>(&self, stream: TcpStream, fresh: &Fresh<R>, on_trouble: &dyn Fn(&IdentityError))
    where
        R: AsyncFn() -> Result<Session, IdentityError>,
    {
        let service = service_fn(async |request: Request<Incoming>| {
            let response = match refusal(&request, &self.authorization) {
                Some(refusal) => refusal,
                None => answer(fresh.get(OffsetDateTime::now_utc(), on_trouble).await, on_trouble),
            };
            Ok::<_, Infallible>(response)
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(MAX_HEAD)
            // SDKs ask once in minutes.
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "a connection for credentials ended");
        }
    }
}

/// Why a request gets nothing, if it is not one of the command's own.
fn refusal<B>(request: &Request<B>, authorization: &str) -> Option<Response<Full<Bytes>>> {
    let header = |name| {
        request
            .headers()
            .get(name)
            .map_or(&[][..], |value| value.as_bytes())
    };
    let (status, why) = if !is_loopback(header(header::HOST)) {
        (
            StatusCode::FORBIDDEN,
            "the Host header must name a loopback address",
        )
    } else if !same(header(header::AUTHORIZATION), authorization.as_bytes()) {
        (
            StatusCode::UNAUTHORIZED,
            "the Authorization header is not that of this command",
        )
    } else if request.uri().path() != SIDECAR_PATH {
        (StatusCode::NOT_FOUND, "only /v1/credentials is served here")
    } else if request.method() != Method::GET {
        (StatusCode::METHOD_NOT_ALLOWED, "only GET is served here")
    } else {
        return None;
    };
    Some(error(status, "AccessDenied", why))
}

/// The credentials, or why there are none, in the words of AWS's container credentials provider.
fn answer(
    session: Result<Session, IdentityError>,
    on_trouble: &dyn Fn(&IdentityError),
) -> Response<Full<Bytes>> {
    match session {
        Ok(session) => respond(
            StatusCode::OK,
            &json!({
                "AccessKeyId": session.access_key_id, "SecretAccessKey": session.secret_access_key,
                "Token": session.session_token, "AccountId": session.account_id(),
                "Expiration": session.expiration_text(),
            }),
        ),
        Err(why) => {
            on_trouble(&why);
            let status = match why {
                IdentityError::Refused { .. } => StatusCode::FORBIDDEN,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            error(status, why.aws_code(), &why.to_string())
        }
    }
}

fn error(status: StatusCode, code: &str, message: &str) -> Response<Full<Bytes>> {
    respond(status, &json!({"code": code, "message": message}))
}

fn respond(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    response
}

/// Whether `Host` is an address or name of loopback: a page of another site in a browser cannot send that.
fn is_loopback(host: &[u8]) -> bool {
    let host = std::str::from_utf8(host).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name == "127.0.0.1" || name == "localhost"
}

/// Compares in a time that does not show how much was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_command_itself_is_served() {
        let ask = |method: Method, path: &str, host: &str, authorization: &str| {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("host", host)
                .header("authorization", authorization)
                .body(())
                .unwrap();
            refusal(&request, "right").map(|refusal| refusal.status().as_u16())
        };
        let path = "/v1/credentials";
        assert_eq!(ask(Method::GET, path, "127.0.0.1:1", "right"), None);
        assert_eq!(ask(Method::GET, path, "localhost", "right"), None);
        for (method, path, host, authorization, status) in [
            (Method::GET, path, "127.0.0.1", "wrong", 401),
            (Method::GET, path, "127.0.0.1", "", 401),
            (Method::GET, path, "127.0.0.1", "right-and-more", 401),
            (Method::GET, path, "evil.example", "right", 403),
            (Method::GET, path, "127.0.0.1.evil.example", "right", 403),
            (Method::GET, path, "", "right", 403),
            (Method::GET, "/", "127.0.0.1", "right", 404),
            (Method::POST, path, "127.0.0.1", "right", 405),
        ] {
            let asked = format!("{method} {path} {host} {authorization}");
            assert_eq!(ask(method, path, host, authorization), Some(status), "{asked}");
        }
    }

    #[tokio::test]
    async fn each_endpoint_has_a_secret_of_its_own() {
        let (a, b) = (Endpoint::open().await.unwrap(), Endpoint::open().await.unwrap());
        assert_eq!(a.authorization().len(), 64);
        assert_ne!(a.authorization(), b.authorization());
        assert!(a.url().unwrap().starts_with("http://127.0.0.1:"));
    }
}
