//! Carries connections from a port to an address: all that the proxy container does.

use std::convert::Infallible;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::net::{TcpListener, TcpStream};

/// How long the other side may take to accept.
const ACCEPTANCE: Duration = Duration::from_secs(10);
/// How long to wait after a connection could not be taken, as when too many files are open.
const PAUSE: Duration = Duration::from_millis(200);

/// Where connections go, and how many at a time.
#[derive(Debug, Clone, Copy)]
pub struct Route<'a> {
    /// `HOST:PORT`. The name is looked up for each connection: a node that is started again may have another address.
    pub to: &'a str,
    /// How many are carried at a time; those beyond wait in the queue of the system.
    pub most: usize,
}

/// Carries connections until it is dropped. Trouble that does not change is reported once, until a connection succeeds.
pub async fn serve(listener: &TcpListener, route: Route<'_>, on_trouble: &dyn Fn(&str)) -> Infallible {
    let mut open = FuturesUnordered::new();
    let mut told = String::new();
    let mut tell = |trouble: Option<String>| {
        let trouble = trouble.unwrap_or_default();
        if !trouble.is_empty() && trouble != told {
            on_trouble(&trouble);
        }
        told = trouble;
    };
    loop {
        tokio::select! {
            accepted = listener.accept(), if open.len() < route.most => match accepted {
                Ok((stream, _)) => open.push(carry(stream, route.to)),
                Err(error) => {
                    tell(Some(format!("taking a connection: {error}")));
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(carried) = open.next(), if !open.is_empty() => tell(carried.err()),
        }
    }
}

/// Carries one connection to its end; only that it could not begin is trouble.
async fn carry(mut stream: TcpStream, to: &str) -> Result<(), String> {
    let failed = |why: &dyn std::fmt::Display| format!("connecting to {to}: {why}");
    let mut other = match tokio::time::timeout(ACCEPTANCE, TcpStream::connect(to)).await {
        Ok(Ok(other)) => other,
        Ok(Err(error)) => return Err(failed(&error)),
        Err(_) => return Err(failed(&format!("no response within {} s", ACCEPTANCE.as_secs()))),
    };
    // Small requests must not wait for more; where that cannot be set, they wait.
    let _ = (stream.set_nodelay(true), other.set_nodelay(true));
    // Either side may simply go away.
    let carried = tokio::io::copy_bidirectional(&mut stream, &mut other).await;
    tracing::debug!(?carried, "a connection has ended");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Sends back on each connection what it read to the end.
    async fn echo(listener: TcpListener) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await.unwrap();
            });
        }
    }

    /// Serves a route while the test goes on, and returns the trouble that was reported.
    async fn serving<F: Future>(
        to: &str,
        most: usize,
        test: impl FnOnce(SocketAddr) -> F,
    ) -> (F::Output, Vec<String>) {
        let told = Mutex::new(Vec::new());
        let (listener, address) = listen().await;
        let on_trouble = |text: &str| told.lock().unwrap().push(text.to_owned());
        let answer = tokio::select! {
            never = serve(&listener, Route { to, most }, &on_trouble) => match never {},
            answer = test(address) => answer,
        };
        (answer, told.into_inner().unwrap())
    }

    #[tokio::test]
    async fn bytes_go_both_ways_and_the_end_of_one_side_is_passed_on() {
        let (target, to) = listen().await;
        let echoing = tokio::spawn(echo(target));
        let (answer, told) = serving(&to.to_string(), 8, |address| async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(&vec![7; 100_000]).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            answer
        })
        .await;
        echoing.abort();
        assert_eq!(answer, vec![7; 100_000]);
        assert_eq!(told, [""; 0]);
    }

    #[tokio::test]
    async fn trouble_is_told_once_until_a_connection_succeeds() {
        let (target, to) = listen().await;
        drop(target);
        let ((), told) = serving(&to.to_string(), 8, |address| async move {
            let ended = async || {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let _ = stream.shutdown().await;
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
            };
            ended().await;
            ended().await;
            let target = TcpListener::bind(to).await.unwrap();
            let echoing = tokio::spawn(echo(target));
            ended().await;
            echoing.abort();
            let _ = echoing.await;
            ended().await;
        })
        .await;
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with(&format!("connecting to {to}: ")), "{told:?}");
    }

    #[tokio::test]
    async fn no_more_connections_are_carried_than_allowed_and_the_rest_waits() {
        let (target, to) = listen().await;
        let echoing = tokio::spawn(echo(target));
        let ((), _) = serving(&to.to_string(), 1, |address| async move {
            let asks = async |stream: &mut TcpStream| {
                stream.write_all(b"x").await.unwrap();
                let mut one = [0];
                let read = stream.read_exact(&mut one);
                tokio::time::timeout(Duration::from_millis(300), read)
                    .await
                    .is_ok()
            };
            let mut first = TcpStream::connect(address).await.unwrap();
            assert!(asks(&mut first).await);
            let mut second = TcpStream::connect(address).await.unwrap();
            assert!(!asks(&mut second).await, "the second waits");
            assert!(asks(&mut first).await, "the first goes on");
            drop(first);
            assert!(asks(&mut second).await, "the second is next");
        })
        .await;
        echoing.abort();
    }
}
