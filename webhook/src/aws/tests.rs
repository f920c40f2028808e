//! What becomes of a call when the Pod of the emulator that served the last one is ending.

use std::io;

use axum::http::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: 167\r\n\r\n\
    <GetOpenIDConnectProviderResponse><GetOpenIDConnectProviderResult><Url>kubernetes.default.svc</Url>\
    </GetOpenIDConnectProviderResult></GetOpenIDConnectProviderResponse>";
const EMPTY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const STOPPING: &str = "HTTP/1.1 503 SERVICE UNAVAILABLE\r\ncontent-length: 0\r\n\r\n";
const PAGE: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 18\r\n\r\n<html>proxy</html>";

/// Serves the first request of each connection with one response and each later one with another, or never if that is
/// empty; the URL.
async fn serve(first: &'static str, later: &'static str) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(respond(stream, first, later));
        }
    });
    Ok(url)
}

async fn respond(mut stream: TcpStream, first: &str, later: &str) -> io::Result<()> {
    read_request(&mut stream).await?;
    stream.write_all(first.as_bytes()).await?;
    loop {
        read_request(&mut stream).await?;
        stream.write_all(later.as_bytes()).await?;
    }
}

/// Reads a head and the body of the length that it names.
async fn read_request(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.map(|_| ())
}

/// A call as the keeper makes it.
async fn call(emulator: &Emulator) -> Result<(), String> {
    let iam = emulator.iam("123456789012", "aws");
    let provider = "arn:aws:iam::123456789012:oidc-provider/kubernetes.default.svc";
    let request = iam
        .get_open_id_connect_provider()
        .open_id_connect_provider_arn(provider);
    match request.send().await {
        Ok(found) if found.url() == Some("kubernetes.default.svc") => Ok(()),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(explain_call(&error)),
    }
}

#[tokio::test]
async fn no_call_uses_the_connection_of_an_earlier_one() {
    for later in [EMPTY, STOPPING, ""] {
        let emulator = Emulator::new(&serve(GOOD, later).await.unwrap());
        for number in 1..=3 {
            assert_eq!(call(&emulator).await, Ok(()), "call {number}, then {later:?}");
        }
    }
}

#[tokio::test]
async fn no_request_that_is_passed_on_uses_the_connection_of_an_earlier_one() {
    let url = serve(GOOD, STOPPING).await.unwrap();
    let client = unsigned_client();
    for number in 1..=3 {
        let request = Request::get(&url).body(Body::empty()).unwrap();
        let response = client.request(request).await.unwrap();
        assert_eq!(response.status(), 200, "request {number}");
        axum::body::to_bytes(Body::new(response), 1_024).await.unwrap();
    }
}

#[tokio::test]
async fn a_response_that_is_none_of_aws_is_named() {
    for (response, expected) in [
        (
            STOPPING,
            "the emulator returned HTTP 503 without a body: service error: unhandled error: error parsing XML: no root element",
        ),
        (EMPTY, "the emulator returned HTTP 200 without a body: "),
        (
            PAGE,
            "the emulator returned HTTP 200 with 18 bytes of text/html: ",
        ),
    ] {
        let emulator = Emulator::new(&serve(response, response).await.unwrap());
        let why = call(&emulator).await.unwrap_err();
        assert!(why.starts_with(expected), "{why}");
        assert!(
            !why.contains("proxy"),
            "the text of a response is not shown: {why}"
        );
    }
}
