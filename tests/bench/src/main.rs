//! Loads the real `irsa-emu-webhook` over keep-alive TLS and prints what it took; beside it, where it is there,
//! Amazon's own webhook, with the same Pods, the same cache and the same machine. Its STS front and the sidecar too.
//!
//! Needs a cluster with irsa-emu in it: `make bench` makes one. Numbers are printed and not judged.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark talks to its terminal"
)]

mod cluster;
mod load;
mod reviews;
mod server;
mod sidecar;
mod sts;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use cluster::Cluster;
use load::{Load, Reviews};
use reviews::Size;
use server::Server;

/// ServiceAccounts in the cache of the server.
const ACCOUNTS: usize = 1000;
/// What each server goes through, for each size of Pod.
const LOADS: [Load; 4] = [
    Load::Closed { connections: 1 },
    Load::Closed { connections: 16 },
    Load::Closed { connections: 64 },
    Load::Open {
        connections: 16,
        rate: 1000,
    },
];

/// What the environment says.
struct Settings {
    /// Program of the webhook.
    webhook: PathBuf,
    /// Program of Amazon's webhook, if there is one.
    peer: Option<PathBuf>,
    /// Program of the sidecar.
    sidecar: PathBuf,
    /// Where the emulator of the cluster is reached from here, if it is.
    emulator: Option<String>,
    /// The kubeconfig context that may be filled with ServiceAccounts.
    context: String,
    /// How long each line of the table is measured.
    time: Duration,
}

impl Settings {
    fn from_env() -> Result<Self> {
        let get =
            |name: &str| std::env::var(name).with_context(|| format!("{name} is not set; run `make bench`"));
        let seconds = std::env::var("BENCH_SECONDS").unwrap_or_else(|_| "5".to_owned());
        let seconds = seconds
            .parse()
            .with_context(|| format!("BENCH_SECONDS: `{seconds}` is no number of seconds"))?;
        Ok(Self {
            webhook: get("IRSA_EMU_WEBHOOK_BIN")?.into(),
            peer: std::env::var_os("BENCH_PEER_BIN")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            sidecar: get("IRSA_EMU_SIDECAR_BIN")?.into(),
            emulator: std::env::var("BENCH_EMULATOR_URL")
                .ok()
                .filter(|url| !url.is_empty()),
            context: get("BENCH_CONTEXT")?,
            time: Duration::from_secs(seconds),
        })
    }
}

fn main() -> ExitCode {
    let outcome = Settings::from_env().and_then(|settings| {
        let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
        runtime.block_on(run(&settings))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: &Settings) -> Result<()> {
    // One crypto library for TLS here and in the Kubernetes client.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cluster = Cluster::of_context(&settings.context).await?;
    cluster.make_accounts(ACCOUNTS).await?;
    println!(
        "{ACCOUNTS} ServiceAccounts in Namespace {}; {} s a line; {}",
        reviews::NAMESPACE,
        settings.time.as_secs(),
        table::machine()
    );
    let reviews: Vec<Reviews> = Size::ALL
        .iter()
        .map(|size| Reviews::make(*size, ACCOUNTS))
        .collect();
    for reviews in &reviews {
        println!(
            "a review of `{}` has {} bytes",
            reviews.size.name(),
            reviews.bytes()
        );
    }
    sts::measure(
        &settings.webhook,
        &cluster,
        settings.emulator.as_deref(),
        settings.time,
    )
    .await?;
    sidecar::measure(&settings.sidecar, settings.time).await?;
    println!("\n{}", table::HEAD);
    measure(
        &Server::ours(&settings.webhook, &cluster, None).await?,
        &reviews,
        settings.time,
    )
    .await?;
    match &settings.peer {
        Some(peer) => measure(&Server::peer(peer).await?, &reviews, settings.time).await?,
        None => println!("(Amazon's webhook is not installed: not measured)"),
    }
    Ok(())
}

/// All lines of one server. It is stopped at the end, with the value.
async fn measure(server: &Server, reviews: &[Reviews], time: Duration) -> Result<()> {
    let failed = || format!("{}; its log ends with:\n{}", server.name, server.end_of_log());
    for reviews in reviews {
        load::until_all_are_patched(server, reviews)
            .await
            .with_context(failed)?;
    }
    for reviews in reviews {
        for load in LOADS {
            let run = load.run(server, reviews, time).await.with_context(failed)?;
            println!("{}", table::line(server.name, reviews.size, load, &run));
        }
    }
    println!(
        "{}: resident {} with the cache full and no load yet, {} at most",
        server.name,
        table::mebibytes(server.idle()),
        table::mebibytes(server.memory("VmHWM")?)
    );
    Ok(())
}
