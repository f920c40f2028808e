//! The forms in which HTTP lets a client name what it asks for (RFC 9112, section 3.2), sent to the STS front.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::World;

/// What the stand-in for the emulator says to what is passed on to it.
const PASSED_ON: &str = "no such action";

/// The response to a request with this first line.
async fn ask(address: SocketAddr, line: &str) -> String {
    let request = format!("{line} HTTP/1.1\r\nHost: sts\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_names_no_path_is_refused_as_the_clients_mistake_and_an_absolute_uri_is_served() {
    let world = World::start().await;
    for line in [
        "GET /",
        "GET //x",
        "PUT /../x",
        "GET http://sts/",
        "PUT http://127.0.0.1:1/x?y",
        "GET http://sts",
    ] {
        let answer = ask(world.sts, line).await;
        assert!(answer.ends_with(PASSED_ON), "{line}: {answer}");
    }
    for line in [
        "OPTIONS *",
        "GET *",
        "CONNECT sts:80",
        "CONNECT /",
        "CONNECT http://127.0.0.1:1/",
        "CONNECT *",
        "GET ftp://sts/",
    ] {
        let answer = ask(world.sts, line).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ")
                && answer.contains("<Code>MalformedHttpRequestException</Code>"),
            "{line}: {answer}"
        );
    }
    // HTTP's own library has no word for what this would be.
    let answer = ask(world.sts, "GET sts:80").await;
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && !answer.ends_with(PASSED_ON),
        "{answer}"
    );
}
