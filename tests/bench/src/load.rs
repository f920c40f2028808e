//! The load: reviews over connections that stay open, and what each response took.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use irsa_emu_core::contract::env;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::cluster::{account_name, role_arn};
use crate::reviews::{self, Size};
use crate::server::{self, Cpu, Server};

/// Before the first review of an open loop: every connection waits by then.
const LEAD: Duration = Duration::from_millis(500);
/// How long reviews that were due in time may still wait for their response.
const DRAIN: Duration = Duration::from_secs(2);
/// How long a server may take to know all ServiceAccounts.
const WARM: Duration = Duration::from_mins(1);

/// One review for each ServiceAccount.
pub(crate) struct Reviews {
    pub(crate) size: Size,
    all: Arc<[Review]>,
}

#[derive(Clone)]
struct Review {
    uid: String,
    body: Bytes,
}

impl Reviews {
    pub(crate) fn make(size: Size, accounts: usize) -> Self {
        let all = (0..accounts).map(|index| {
            let uid = format!("2f0c3c0e-6b1d-4b7e-9f5b-{index:012}");
            let body = reviews::review(size, &account_name(index), &uid)
                .to_string()
                .into();
            Review { uid, body }
        });
        Self {
            size,
            all: all.collect(),
        }
    }

    /// Bytes of each.
    pub(crate) fn bytes(&self) -> usize {
        self.all.first().map_or(0, |review| review.body.len())
    }
}

/// How reviews are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Load {
    /// Each connection sends the next review when it has the response to the last.
    Closed {
        /// How many connections.
        connections: usize,
    },
    /// Reviews are due at a fixed rate whatever the server does, and their time runs from when they were due.
    Open {
        /// How many connections.
        connections: usize,
        /// Reviews each second.
        rate: u32,
    },
}

/// What a run took.
pub(crate) struct Run {
    /// The time of each response, shortest first.
    pub(crate) latencies: Vec<Duration>,
    /// Open loop: how late each review was sent, shortest first. This is the generator's part of the latency, and
    /// what waited for a free connection.
    pub(crate) late: Vec<Duration>,
    pub(crate) elapsed: Duration,
    pub(crate) server: Cpu,
    /// What sending and checking took on this side, on the same processors.
    pub(crate) client: Cpu,
    /// Resident memory of the server at the end, in bytes.
    pub(crate) resident: u64,
    /// Open loop: reviews that had no response in time.
    pub(crate) unanswered: usize,
}

impl Load {
    pub(crate) async fn run(self, server: &Server, reviews: &Reviews, time: Duration) -> Result<Run> {
        let (Self::Closed { connections } | Self::Open { connections, .. }) = self;
        let mut open = Vec::new();
        for _ in 0..connections {
            open.push(Connection::open(server).await?);
        }
        let before = (server.cpu()?, server::cpu("self")?);
        let lead = if matches!(self, Self::Open { .. }) {
            LEAD
        } else {
            Duration::ZERO
        };
        let started = Instant::now() + lead;
        let (answers, unanswered) = match self {
            Self::Closed { .. } => (closed(open, reviews, started + time).await?, 0),
            Self::Open { rate, .. } => paced(open, reviews, rate, started, time).await?,
        };
        let elapsed = started.elapsed();
        let (mut latencies, mut late): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
        latencies.sort_unstable();
        late.sort_unstable();
        Ok(Run {
            latencies,
            late,
            elapsed,
            server: server.cpu()?.since(before.0),
            client: server::cpu("self")?.since(before.1),
            resident: server.memory("VmRSS")?,
            unanswered,
        })
    }
}

/// Time of a response, and how late its review was sent.
type Answered = (Duration, Duration);

async fn closed(open: Vec<Connection>, reviews: &Reviews, end: Instant) -> Result<Vec<Answered>> {
    let mut tasks = JoinSet::new();
    let stride = reviews.all.len() / open.len();
    for (index, mut connection) in open.into_iter().enumerate() {
        let all = Arc::clone(&reviews.all);
        tasks.spawn(async move {
            let mut answers = Vec::new();
            for review in all.iter().cycle().skip(index * stride) {
                let sent = Instant::now();
                if sent >= end {
                    break;
                }
                connection.ask(review).await?;
                answers.push((sent.elapsed(), Duration::ZERO));
            }
            anyhow::Ok(answers)
        });
    }
    joined(tasks).await
}

async fn paced(
    open: Vec<Connection>,
    reviews: &Reviews,
    rate: u32,
    first: Instant,
    time: Duration,
) -> Result<(Vec<Answered>, usize)> {
    let (sender, due) = mpsc::unbounded_channel::<(Instant, usize)>();
    let due = Arc::new(Mutex::new(due));
    let last = first + time;
    let mut tasks = JoinSet::new();
    for mut connection in open {
        let (all, due) = (Arc::clone(&reviews.all), Arc::clone(&due));
        tasks.spawn(async move {
            let mut answers = Vec::new();
            loop {
                let next = due.lock().await.recv().await;
                let Some((when, index)) = next else { break };
                if Instant::now() > last + DRAIN {
                    break;
                }
                let late = when.elapsed();
                connection.ask(&all[index % all.len()]).await?;
                answers.push((when.elapsed(), late));
            }
            anyhow::Ok(answers)
        });
    }
    // A thread of its own: the timer of the runtime counts in milliseconds.
    let pace = tokio::task::spawn_blocking(move || {
        let mut sent = 0;
        for number in 0.. {
            let when = first + Duration::from_secs(1) * number / rate;
            if when >= last {
                break;
            }
            std::thread::sleep(when.saturating_duration_since(Instant::now()));
            if sender.send((when, sent)).is_err() {
                break;
            }
            sent += 1;
        }
        sent
    });
    let answers = joined(tasks).await?;
    let unanswered = pace.await?.saturating_sub(answers.len());
    Ok((answers, unanswered))
}

async fn joined(mut tasks: JoinSet<Result<Vec<Answered>>>) -> Result<Vec<Answered>> {
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.extend(done??);
    }
    Ok(all)
}

/// Asks for the Pod of every ServiceAccount until it comes back right, so that the cache is known to be full, and
/// looks at what comes back more closely than there is time for under load.
pub(crate) async fn until_all_are_patched(server: &Server, reviews: &Reviews) -> Result<()> {
    let deadline = Instant::now() + WARM;
    let mut connection = Connection::open(server).await?;
    for (index, review) in reviews.all.iter().enumerate() {
        let answer = loop {
            match connection.ask(review).await {
                Ok(answer) => break answer,
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        let account = account_name(index);
        is_right(&reviews::pod(reviews.size, &account), &answer, &role_arn(index))
            .with_context(|| format!("the Pod of the ServiceAccount {account}"))?;
    }
    Ok(())
}

/// Whether every container of the patched Pod has the role.
fn is_right(pod: &Value, answer: &[u8], role: &str) -> Result<()> {
    let answer: Answer<'_> = serde_json::from_slice(answer)?;
    let text = STANDARD.decode(answer.response.patch.unwrap_or_default())?;
    let mut patched = pod.clone();
    let patch: json_patch::Patch = serde_json::from_slice(&text)?;
    json_patch::patch(&mut patched, &patch)?;
    for container in patched["spec"]["containers"].as_array().into_iter().flatten() {
        let variables = container["env"].as_array();
        let found = variables
            .into_iter()
            .flatten()
            .any(|variable| variable["name"] == env::ROLE_ARN && variable["value"] == role);
        ensure!(found, "no {}={role} in {container}", env::ROLE_ARN);
    }
    Ok(())
}

/// A connection that stays open.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    path: String,
}

impl Connection {
    async fn open(server: &Server) -> Result<Self> {
        let (sender, connection) = handshake(TokioIo::new(server.connect().await?)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            host: server.host(),
            path: server.path().to_owned(),
        })
    }

    /// Sends a review; anything but a patch for it is an error.
    async fn ask(&mut self, review: &Review) -> Result<Bytes> {
        let request = Request::post(&self.path)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(review.body.clone()))?;
        self.sender.ready().await.context("the connection was closed")?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(
            status == 200,
            "status {status}: {}",
            String::from_utf8_lossy(&body)
        );
        let answer: Answer<'_> = serde_json::from_slice(&body).context("the answer is no review")?;
        let right = answer.response.uid == review.uid
            && answer.response.allowed
            && answer.response.patch.is_some_and(|patch| !patch.is_empty());
        if !right {
            bail!("not patched: {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    response: Response<'a>,
}

#[derive(Deserialize)]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    patch: Option<&'a str>,
}
