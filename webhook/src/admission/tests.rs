//! The admission port, asked over TLS.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio::task::{JoinSet, spawn_blocking};

use super::router::tests::{admission, review};
use super::*;
use crate::metrics::Metrics;
use crate::tls;

type Client = StreamOwned<ClientConnection, TcpStream>;

/// Longer than any test takes: what ends earlier was ended.
const LONG: Duration = Duration::from_mins(1);

struct Served {
    address: SocketAddr,
    roots: RootCertStore,
    metrics: Arc<Metrics>,
    _task: JoinSet<()>,
}

impl Served {
    async fn start(limits: Limits) -> Self {
        let ((config, roots), handle, admission) = (tls::sample(), Handle::new(), admission());
        let metrics = Arc::clone(&admission.metrics);
        let mut task = JoinSet::new();
        task.spawn({
            let handle = handle.clone();
            async move {
                let address = (Ipv4Addr::LOCALHOST, 0).into();
                serve_within(&limits, address, config, handle, admission)
                    .await
                    .unwrap();
            }
        });
        Self {
            address: handle.listening().await.unwrap(),
            roots,
            metrics,
            _task: task,
        }
    }

    /// A client that could speak HTTP/2, too.
    fn client(&self) -> Client {
        let mut config = ClientConfig::builder()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let name = ServerName::try_from("irsa-emu-webhook.irsa-emu.svc").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LONG / 2)).unwrap();
        StreamOwned::new(connection, stream)
    }
}

/// The response to one review, by a connection that is kept if the webhook keeps it.
fn ask(client: &mut Client, path: &str) -> io::Result<String> {
    let body = review("app");
    write!(
        client,
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    let mut part = [0; 4096];
    while !answer.contains("\r\n\r\n") || (answer.contains(" 200 ") && !answer.ends_with("}}")) {
        match client.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => answer.push_str(&String::from_utf8_lossy(&part[..read])),
        }
    }
    Ok(answer)
}

/// Waits until the other side ends the connection.
fn end_of(mut stream: impl io::Read) {
    match stream.read(&mut [0; 16]) {
        Ok(read) => assert_eq!(read, 0, "it says something"),
        Err(error) => assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "it does not end"),
    }
}

#[tokio::test]
async fn an_api_server_is_served_however_many_connections_others_open() {
    let limits = Limits {
        connections: 3,
        first_request: LONG,
        idle: LONG,
        ..LIMITS
    };
    let served = Served::start(limits).await;
    spawn_blocking(move || {
        let mut api_server = served.client();
        assert!(
            ask(&mut api_server, "/mutate/secret")
                .unwrap()
                .contains("JSONPatch")
        );
        assert_eq!(api_server.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        let silent: Vec<TcpStream> = (0..10)
            .map(|_| TcpStream::connect(served.address).unwrap())
            .collect();
        let mut stranger = served.client();
        let refused = ask(&mut stranger, "/mutate/other").unwrap();
        assert!(
            refused.contains(" 404 ") && refused.contains("connection: close"),
            "{refused}"
        );
        end_of(&mut stranger);
        end_of(&silent[0]);
        assert!(
            ask(&mut api_server, "/mutate/secret")
                .unwrap()
                .contains("JSONPatch")
        );
        let mut second = served.client();
        assert!(ask(&mut second, "/mutate/secret").unwrap().contains("JSONPatch"));
        let text = served.metrics.text();
        assert!(
            !text.contains("irsa_emu_connections_ended_total{port=\"admission\"} 0"),
            "{text}"
        );
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_handshake_or_a_request_that_does_not_come_ends_the_connection() {
    let limits = Limits {
        first_request: Duration::from_secs(1),
        idle: LONG,
        ..LIMITS
    };
    let served = Served::start(limits).await;
    spawn_blocking(move || {
        let silent = TcpStream::connect(served.address).unwrap();
        silent.set_read_timeout(Some(LONG / 2)).unwrap();
        let mut without_request = served.client();
        let Client { conn, sock } = &mut without_request;
        conn.complete_io(sock).unwrap();
        end_of(&silent);
        end_of(&mut without_request);
    })
    .await
    .unwrap();
}
