//! `AssumeRoleWithWebIdentity` through the STS front, and the same request at what is behind it: the difference is what
//! the front adds. Behind it is an STS that responds at once, and the real emulator.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use irsa_emu_test_support::emulator::{Answer, Behaviour, Emulator};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, account_name, role_arn};
use crate::server::Server;
use crate::table::{self, Extra, Times};

/// Connections that are measured, each with the next request when it has the response to the last.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

/// A whole request.
#[derive(Clone)]
pub(crate) struct Call {
    method: &'static str,
    path: &'static str,
    headers: Vec<(header::HeaderName, String)>,
    body: Bytes,
    /// What is in every good response.
    proof: &'static str,
}

impl Call {
    /// An exchange of this token for the role of the first ServiceAccount.
    fn exchange(token: &str) -> Self {
        let role = role_arn(0);
        let body = format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=bench&RoleArn={role}&WebIdentityToken={token}"
        );
        Self {
            method: "POST",
            path: "/",
            headers: vec![(
                header::CONTENT_TYPE,
                "application/x-www-form-urlencoded".to_owned(),
            )],
            body: body.into(),
            proof: "<AccessKeyId>",
        }
    }

    /// A question to the sidecar's endpoint.
    pub(crate) fn credentials(authorization: String) -> Self {
        Self {
            method: "GET",
            path: irsa_emu_core::contract::SIDECAR_PATH,
            headers: vec![(header::AUTHORIZATION, authorization)],
            body: Bytes::new(),
            proof: "AccessKeyId",
        }
    }
}

/// What each server takes, behind the front and by itself.
pub(crate) async fn measure(
    webhook: &Path,
    cluster: &Cluster,
    emulator: Option<&str>,
    time: Duration,
) -> Result<()> {
    let token = cluster.token(&account_name(0)).await?;
    let call = Call::exchange(&token);
    println!("\n{}", table::STS_HEAD);
    let behaviour = Behaviour::new(Duration::from_hours(1), &[Answer::Credentials]);
    let instant = Emulator::start(SocketAddr::from(([127, 0, 0, 1], 0)), behaviour).await?;
    pair(webhook, cluster, "instant STS", instant.address, &call, time).await?;
    let Some(url) = emulator else {
        println!("(BENCH_EMULATOR_URL is not set: the emulator is not measured)");
        return Ok(());
    };
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let address = address
        .parse()
        .with_context(|| format!("BENCH_EMULATOR_URL: `{url}` has no address and port"))?;
    pair(webhook, cluster, "LocalStack", address, &call, time).await
}

async fn pair(
    webhook: &Path,
    cluster: &Cluster,
    name: &str,
    behind: SocketAddr,
    call: &Call,
    time: Duration,
) -> Result<()> {
    let front = Server::ours(webhook, cluster, Some(&format!("http://{behind}"))).await?;
    let address = front.sts().context("the server has no STS front")?;
    // The keys, the role and the provider are asked for once and not in what is measured.
    run(address, call, 1, Duration::from_millis(500))
        .await
        .with_context(|| front.end_of_log())?;
    for connections in CONNECTIONS {
        let direct = run(behind, call, connections, time).await?;
        println!("{}", table::sts_line(name, connections, &direct, None, None));
        let before = front.cpu()?;
        let through = run(address, call, connections, time)
            .await
            .with_context(|| front.end_of_log())?;
        let used = front.cpu()?.since(before);
        let extra = Extra {
            cpu: used,
            resident: front.memory("VmRSS")?,
        };
        let line = table::sts_line(
            &format!("front, {name}"),
            connections,
            &through,
            Some(&direct),
            Some(&extra),
        );
        println!("{line}");
    }
    println!(
        "front: resident {} with the cache full and no load yet, {} at most",
        table::mebibytes(front.idle()),
        table::mebibytes(front.memory("VmHWM")?)
    );
    Ok(())
}

/// So many connections that send the call again and again. Any other response than a good one is an error.
pub(crate) async fn run(
    address: SocketAddr,
    call: &Call,
    connections: usize,
    time: Duration,
) -> Result<Times> {
    let began = Instant::now();
    let end = began + time;
    let call = Arc::new(call.clone());
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(connection(address, Arc::clone(&call), end));
    }
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done??);
    }
    latencies.sort_unstable();
    Ok(Times {
        latencies,
        elapsed: began.elapsed(),
    })
}

async fn connection(address: SocketAddr, call: Arc<Call>, end: Instant) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    let mut open = None;
    while Instant::now() < end {
        let began = Instant::now();
        let mut sender = match open.take() {
            Some(sender) => sender,
            None => connect(address).await?,
        };
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(header::HOST, address.to_string());
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let response = sender
            .send_request(request.body(Full::new(call.body.clone()))?)
            .await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        times.push(began.elapsed());
        ensure!(
            status == 200 && String::from_utf8_lossy(&body).contains(call.proof),
            "status {status}: {}",
            String::from_utf8_lossy(&body)
        );
        // The sidecar closes after each response; a new connection is part of what that takes.
        if sender.ready().await.is_ok() {
            open = Some(sender);
        }
    }
    Ok(times)
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
