//! Many attackers at once, and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::shot::{Shot, Then};

/// Attackers at once.
const THREADS: usize = 16;
/// Connections that are kept open by each, and never used again.
const HELD: usize = 32;
/// Longer than any response may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Who is attacked, and how hard.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    address: SocketAddr,
    requests: usize,
    seed: u64,
}

impl Target {
    /// An attack with the usual seed.
    #[must_use]
    pub fn new(address: SocketAddr, requests: usize) -> Self {
        Self {
            address,
            requests,
            seed: 1,
        }
    }
}

/// What came of an attack.
#[derive(Debug, Default)]
pub struct Report {
    /// Requests, by the kind of harm that they mean.
    sent: BTreeMap<&'static str, usize>,
    /// Returns, by their status.
    answers: BTreeMap<u16, usize>,
    /// Connections that were closed without a response.
    closed: usize,
    /// Requests that had neither a response nor an end in time.
    pub unanswered: usize,
    took: Duration,
}

impl Report {
    /// How many responses had this status.
    #[must_use]
    pub fn answered(&self, status: u16) -> usize {
        self.answers.get(&status).copied().unwrap_or_default()
    }

    fn add(&mut self, other: Self) {
        for (kind, count) in other.sent {
            *self.sent.entry(kind).or_default() += count;
        }
        for (status, count) in other.answers {
            *self.answers.entry(status).or_default() += count;
        }
        self.closed += other.closed;
        self.unanswered += other.unanswered;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent: usize = self.sent.values().sum();
        writeln!(
            f,
            "{sent} hostile requests in {:.1} s: {:?}",
            self.took.as_secs_f64(),
            self.sent
        )?;
        write!(
            f,
            "answers by status {:?}; {} closed without one, {} left hanging",
            self.answers, self.closed, self.unanswered
        )
    }
}

/// Connections that are still open. They cost the attacked something until they are dropped.
#[derive(Debug, Default)]
pub struct Held(Vec<TcpStream>);

/// Attacks with what `make` makes.
pub(super) fn attack(target: &Target, make: impl Fn(&mut StdRng) -> Shot + Sync) -> Result<(Report, Held)> {
    let began = Instant::now();
    let (mut report, mut held) = (Report::default(), Held::default());
    std::thread::scope(|scope| {
        let attackers: Vec<_> = (0..THREADS)
            .map(|number| {
                let make = &make;
                scope.spawn(move || attacker(target, number, make))
            })
            .collect();
        for attacker in attackers {
            let (part, open) = attacker.join().map_err(|_| anyhow!("an attacker panicked"))?;
            report.add(part);
            held.0.extend(open);
        }
        anyhow::Ok(())
    })?;
    report.took = began.elapsed();
    Ok((report, held))
}

fn attacker(target: &Target, number: usize, make: &impl Fn(&mut StdRng) -> Shot) -> (Report, Vec<TcpStream>) {
    let mut random = StdRng::seed_from_u64(target.seed * 1000 + number as u64);
    let (mut report, mut held) = (Report::default(), Vec::new());
    for _ in 0..target.requests / THREADS {
        let shot = make(&mut random);
        *report.sent.entry(shot.kind).or_default() += 1;
        let Ok(mut stream) = TcpStream::connect_timeout(&target.address, RESPONSE_TIMEOUT) else {
            report.unanswered += 1;
            continue;
        };
        let _ = stream.set_read_timeout(Some(RESPONSE_TIMEOUT));
        let _ = stream.set_write_timeout(Some(RESPONSE_TIMEOUT));
        // A server that has seen enough closes; then the rest cannot be written.
        let _ = stream.write_all(&shot.bytes);
        match shot.then {
            Then::Read => match status(&mut stream) {
                Ok(Some(status)) => *report.answers.entry(status).or_default() += 1,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => report.unanswered += 1,
                Ok(None) | Err(_) => report.closed += 1,
            },
            Then::Hold if held.len() < HELD => held.push(stream),
            Then::HangUp | Then::Hold => {}
        }
    }
    (report, held)
}

/// The status of the response, if there is one.
fn status(stream: &mut TcpStream) -> std::io::Result<Option<u16>> {
    let mut head = [0; 12];
    let mut filled = 0;
    while filled < head.len() {
        match stream.read(&mut head[filled..])? {
            0 => return Ok(None),
            read => filled += read,
        }
    }
    let text = String::from_utf8_lossy(&head);
    Ok(text.split(' ').nth(1).and_then(|status| status.parse().ok()))
}
