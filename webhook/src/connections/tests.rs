//! Ports with real sockets, and clients that do not go.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::metrics::{Metrics, Port};

/// Longer than any test takes: what ends earlier was ended.
const LONG: Duration = Duration::from_mins(1);

struct Served {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    _task: JoinSet<()>,
}

impl Served {
    /// Serves `/`, and `/known` for those who know it.
    async fn start(limits: Limits) -> Self {
        let known = |Extension(connection): Extension<Connection>| async move {
            connection.make_known();
            "here\n"
        };
        let router = Router::new()
            .route("/", get(|| async { "here\n" }))
            .route("/known", get(known));
        let (metrics, handle) = (Arc::new(Metrics::new()), Handle::new());
        let acceptor = Acceptor::new(Port::Sts, &limits, Arc::clone(&metrics));
        let server = server((Ipv4Addr::LOCALHOST, 0).into(), handle.clone(), &limits, acceptor);
        let mut task = JoinSet::new();
        task.spawn(async move { server.serve(router.into_make_service()).await.unwrap() });
        Self {
            address: handle.listening().await.unwrap(),
            metrics,
            _task: task,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn connect_from(&self, address: [u8; 4]) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    fn ended(&self) -> String {
        let text = self.metrics.text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("irsa_emu_connections_ended_total{port=\"sts\"} "));
        line.unwrap().to_owned()
    }
}

fn room_for(connections: usize) -> Limits {
    Limits {
        connections,
        first_request: LONG,
        idle: LONG,
        head: 16 * 1024,
    }
}

/// One request, by a connection that is kept.
async fn ask(stream: &mut TcpStream, path: &str) -> io::Result<()> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"here\n") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// Waits until the other side ends the connection.
async fn end_of(stream: &mut TcpStream) {
    let read = tokio::time::timeout(LONG / 2, stream.read(&mut [0; 16])).await;
    assert!(matches!(read.unwrap(), Ok(0) | Err(_)), "it says something");
}

#[tokio::test]
async fn a_full_port_serves_the_next_one_and_ends_the_one_that_was_used_longest_ago() {
    let served = Served::start(room_for(2)).await;
    let mut oldest = served.connect().await;
    ask(&mut oldest, "/").await.unwrap();
    let mut silent = served.connect().await;
    let mut third = served.connect().await;
    ask(&mut third, "/").await.unwrap();
    end_of(&mut oldest).await;
    ask(&mut silent, "/").await.unwrap();
    let mut fourth = served.connect().await;
    ask(&mut fourth, "/").await.unwrap();
    end_of(&mut third).await;
    ask(&mut silent, "/").await.unwrap();
    assert_eq!(served.ended(), "2");
}

#[tokio::test]
async fn who_is_known_stays_while_unknown_peers_come_without_end() {
    let served = Served::start(room_for(3)).await;
    let mut known = served.connect().await;
    ask(&mut known, "/known").await.unwrap();
    let mut unknown = Vec::new();
    for _ in 0..10 {
        let mut one = served.connect().await;
        ask(&mut one, "/").await.unwrap();
        unknown.push(one);
    }
    ask(&mut known, "/").await.unwrap();
    end_of(&mut unknown[0]).await;
    // One that is not known yet comes through, too.
    let mut second = served.connect().await;
    ask(&mut second, "/known").await.unwrap();
}

#[tokio::test]
async fn an_address_that_opens_many_ends_its_own() {
    let served = Served::start(room_for(3)).await;
    let mut other = served.connect_from([127, 0, 0, 2]).await;
    ask(&mut other, "/").await.unwrap();
    let mut many = Vec::new();
    for _ in 0..10 {
        let mut one = served.connect_from([127, 0, 0, 3]).await;
        ask(&mut one, "/").await.unwrap();
        many.push(one);
    }
    ask(&mut other, "/").await.unwrap();
    end_of(&mut many[0]).await;
}

#[tokio::test]
async fn a_request_on_its_way_ends_with_its_connection() {
    let served = Served::start(room_for(1)).await;
    let mut slow = served.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    let mut next = served.connect().await;
    ask(&mut next, "/").await.unwrap();
    end_of(&mut slow).await;
}

#[tokio::test]
async fn a_connection_that_sends_no_request_or_no_other_one_ends() {
    let short = Duration::from_millis(300);
    let served = Served::start(Limits {
        first_request: short,
        ..room_for(10)
    })
    .await;
    let mut silent = served.connect().await;
    end_of(&mut silent).await;
    let mut half = served.connect().await;
    half.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    end_of(&mut half).await;

    let served = Served::start(Limits {
        idle: short,
        ..room_for(10)
    })
    .await;
    let mut idle = served.connect().await;
    ask(&mut idle, "/").await.unwrap();
    end_of(&mut idle).await;
}

#[tokio::test]
async fn http_2_is_not_spoken() {
    let served = Served::start(room_for(10)).await;
    let mut stream = served.connect().await;
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
        "{answer:?}"
    );
}
