//! The container credentials endpoint on loopback, as AWS SDKs and the EKS Pod Identity agent know it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use irsa_emu_core::contract::SIDECAR_PATH;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::cache::{Cache, State};

/// The body of a good response; the names are AWS's.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    token: &'a str,
    account_id: &'a str,
    expiration: String,
}

/// Open connections at once. One more ends the oldest, which is most likely one that nobody uses: a response takes
/// microseconds.
const CONNECTIONS: usize = 128;
/// A client that takes longer to send its headers has gone, or never was one.
const HEADERS: Duration = Duration::from_secs(5);
/// The headers of a request; an `Authorization` of ours has 64 bytes.
const MAX_HEADERS: usize = 16 * 1024;

/// Serves until dropped.
pub(crate) async fn serve(listener: TcpListener, authorization: String, cache: Cache) {
    let mut open = VecDeque::with_capacity(CONNECTIONS);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely; they come back.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if open.len() == CONNECTIONS {
            open.retain(|connection: &AbortHandle| !connection.is_finished());
        }
        if open.len() == CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let connection = tokio::spawn(connection(stream, authorization.clone(), cache.clone()));
        open.push_back(connection.abort_handle());
    }
}

async fn connection(stream: TcpStream, authorization: String, cache: Cache) {
    let service = service_fn(|request: Request<Incoming>| {
        let mut cache = cache.clone();
        let refusal = refusal(&request, &authorization);
        async move {
            Ok::<_, Infallible>(match refusal {
                Some(refusal) => refusal,
                None => answer(&cache.state().await, OffsetDateTime::now_utc()),
            })
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(MAX_HEADERS)
        // SDKs ask once in minutes.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

/// Why a request gets nothing, if it is not one of this Pod's own.
fn refusal<B>(request: &Request<B>, authorization: &str) -> Option<Response<Full<Bytes>>> {
    if !is_loopback_host(request.headers()) {
        return Some(text(
            StatusCode::FORBIDDEN,
            "the Host header must name a loopback address",
        ));
    }
    if request.uri().path() != SIDECAR_PATH {
        return Some(text(StatusCode::NOT_FOUND, "only /v1/credentials is served here"));
    }
    if request.method() != Method::GET {
        return Some(text(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here"));
    }
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .map_or(&[][..], |value| value.as_bytes());
    let right = same(given, authorization.as_bytes());
    (!right).then(|| {
        text(
            StatusCode::UNAUTHORIZED,
            "the Authorization header does not hold this Pod's token",
        )
    })
}

/// The credentials, or why there are none.
fn answer(state: &State, now: OffsetDateTime) -> Response<Full<Bytes>> {
    match state.valid_at(now) {
        Some(credentials) => json(&Body {
            access_key_id: &credentials.access_key_id,
            secret_access_key: &credentials.secret_access_key,
            token: &credentials.session_token,
            account_id: &state.account,
            expiration: credentials.expiration_text(),
        }),
        None => text(
            StatusCode::SERVICE_UNAVAILABLE,
            state
                .problem
                .as_deref()
                .unwrap_or("the first exchange is running"),
        ),
    }
}

/// Whether `Host` is an address or name of loopback: a page of another site in a browser cannot send that.
fn is_loopback_host(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name == "127.0.0.1" || name == "localhost" || name == "[::1]"
}

/// Compares in a time that does not depend on how much was right.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

fn json(body: &Body<'_>) -> Response<Full<Bytes>> {
    respond(
        StatusCode::OK,
        "application/json",
        serde_json::to_vec(body).unwrap_or_default(),
    )
}

fn text(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    respond(
        status,
        "text/plain; charset=utf-8",
        format!("{message}\n").into_bytes(),
    )
}

fn respond(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(content_type),
    );
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::sample;
    use http_body_util::BodyExt;

    fn state() -> State {
        let end = OffsetDateTime::UNIX_EPOCH + time::Duration::hours(1);
        State {
            credentials: Some(sample(end)),
            problem: Some("STS refused it".into()),
            account: "123456789012".into(),
        }
    }

    fn ask(path: &str, host: &str, authorization: &str, state: &State, now: OffsetDateTime) -> (u16, String) {
        let request = Request::get(path)
            .header("host", host)
            .header("authorization", authorization)
            .body(())
            .unwrap();
        let response = refusal(&request, "right").unwrap_or_else(|| answer(state, now));
        let status = response.status().as_u16();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime
            .block_on(response.into_body().collect())
            .unwrap()
            .to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[test]
    fn the_right_token_gets_the_credentials_in_aws_form() {
        let (status, body) = ask("/v1/credentials", "127.0.0.1:14566", "right", &state(), NOW);
        assert_eq!(status, 200);
        assert_eq!(
            body,
            r#"{"AccessKeyId":"LSIAEXAMPLE","SecretAccessKey":"hush-secret","Token":"hush-token","AccountId":"123456789012","Expiration":"1970-01-01T01:00:00Z"}"#
        );
    }

    #[test]
    fn everyone_else_gets_nothing() {
        let refused = |path, host, authorization| ask(path, host, authorization, &state(), NOW);
        for (path, host, authorization, status) in [
            ("/v1/credentials", "127.0.0.1", "wrong", 401),
            ("/v1/credentials", "127.0.0.1", "", 401),
            ("/v1/credentials", "127.0.0.1", "right-and-more", 401),
            ("/v1/credentials", "evil.example", "right", 403),
            ("/v1/credentials", "127.0.0.1.evil.example", "right", 403),
            ("/", "localhost:1", "right", 404),
        ] {
            let (got, body) = refused(path, host, authorization);
            assert_eq!(got, status, "{path} {host} {authorization}");
            assert!(!body.contains("hush"), "{body}");
        }
    }

    #[test]
    fn expired_credentials_are_not_handed_out_and_the_reason_is_told() {
        let (status, body) = ask(
            "/v1/credentials",
            "localhost",
            "right",
            &state(),
            NOW + time::Duration::hours(2),
        );
        assert_eq!((status, body.as_str()), (503, "STS refused it\n"));
    }
}
