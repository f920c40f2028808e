//! Reports how far a Pod gets to a URL: to a name's address, to a connection, to a response. `irsa-emu doctor`
//! asks this from a Pod of its own.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use irsa_emu_core::contract::reach;
use serde_json::{Value, json};
use tokio::net::{TcpStream, lookup_host};
use url::Url;

/// How long each part may take.
const STAGE_TIMEOUT: Duration = Duration::from_secs(3);

/// Refused connections are tried again for so long: right after a rollout, nodes still learn where a Service's Pods are.
const REFUSED: Duration = Duration::from_secs(2);
/// How soon they are tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// The part that failed, and why.
type Failed = (&'static str, String);

/// One line of JSON for each URL.
pub(crate) async fn report(urls: &[String]) -> String {
    let mut lines = Vec::new();
    for url in urls {
        lines.push(line(url, go(url).await).to_string());
    }
    lines.join("\n")
}

fn line(url: &str, reached: Result<String, Failed>) -> Value {
    let (stage, detail) = match reached {
        Ok(status) => (reach::DONE, status),
        Err((stage, why)) => (stage, why),
    };
    json!({reach::URL: url, reach::STAGE: stage, reach::DETAIL: detail})
}

/// The status of the response: any response shows that someone is there.
async fn go(text: &str) -> Result<String, Failed> {
    let url = Url::parse(text).map_err(|error| (reach::NAME, error.to_string()))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let found = within(reach::NAME, lookup_host((host.as_str(), port))).await?;
    let addresses: Vec<_> = found.collect();
    let stream = within(reach::CONNECTION, connected(&addresses)).await?;
    let (mut sender, connection) = within(
        reach::ANSWER,
        hyper::client::conn::http1::handshake(TokioIo::new(stream)),
    )
    .await?;
    tokio::spawn(connection);
    let request = Request::get("/")
        .header(header::HOST, format!("{host}:{port}"))
        .body(Empty::<Bytes>::new())
        .map_err(|error| (reach::ANSWER, error.to_string()))?;
    let response = within(reach::ANSWER, sender.send_request(request)).await?;
    Ok(response.status().to_string())
}

async fn connected(addresses: &[SocketAddr]) -> std::io::Result<TcpStream> {
    let end = Instant::now() + REFUSED;
    loop {
        match TcpStream::connect(addresses).await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused && Instant::now() < end => {
                tokio::time::sleep(PAUSE).await;
            }
            tried => return tried,
        }
    }
}

async fn within<T, E: std::fmt::Display>(
    stage: &'static str,
    part: impl Future<Output = Result<T, E>>,
) -> Result<T, Failed> {
    match tokio::time::timeout(STAGE_TIMEOUT, part).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err((stage, error.to_string())),
        Err(_) => Err((stage, format!("nothing within {} s", STAGE_TIMEOUT.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn stage_of(url: &str) -> String {
        let line: Value = serde_json::from_str(&report(&[url.to_owned()]).await).unwrap();
        assert_eq!(line[reach::URL], url);
        line[reach::STAGE].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_connection_that_is_refused_at_first_is_tried_again() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let late = async {
            tokio::time::sleep(PAUSE * 2).await;
            let listener = TcpListener::bind(address).await.unwrap();
            listener.accept().await.unwrap();
        };
        let addresses = [address];
        let (connected, ()) = tokio::join!(connected(&addresses), late);
        assert!(connected.is_ok());
    }

    #[tokio::test]
    async fn each_part_of_the_way_can_fail_by_itself() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = |answer: &'static [u8]| async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(answer).await.unwrap();
        };
        let url = format!("http://127.0.0.1:{port}");
        let (stage, ()) = tokio::join!(
            stage_of(&url),
            serve(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        );
        assert_eq!(stage, reach::DONE);
        let (stage, ()) = tokio::join!(stage_of(&url), serve(b"nonsense\r\n\r\n"));
        assert_eq!(stage, reach::ANSWER);
        drop(listener);
        assert_eq!(stage_of(&url).await, reach::CONNECTION);
        assert_eq!(stage_of("http://no-such-name.invalid").await, reach::NAME);
        assert_eq!(stage_of("no url").await, reach::NAME);
    }
}
