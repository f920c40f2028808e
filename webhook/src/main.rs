//! `irsa-emu-webhook`: one process, three jobs. Admission patches Pods, the STS front exchanges their tokens, and the
//! keeper makes the AWS resources of every Recipe true. It is the only component that holds rights in the cluster.

mod admission;
mod args;
mod aws;
mod directory;
mod health;
mod keeper;
mod sts;
mod telemetry;
mod tls;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Args, Settings};
use crate::directory::Directory;
use crate::health::Readiness;

/// How long requests in flight may take once the process was told to stop.
const DRAIN: Duration = Duration::from_secs(8);

fn main() -> ExitCode {
    let settings = Settings::resolve(Args::parse());
    telemetry::init(&settings);
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(run(settings)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "cannot go on");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    // One crypto library for TLS here and in the Kubernetes client.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = Arc::new(settings);
    let client = kube::Client::try_default()
        .await
        .context("cannot find the Kubernetes API server")?;
    let readiness = Readiness::default();
    let (directory, watching) = Directory::watch(client.clone());
    let directory = Arc::new(directory);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(health::serve(settings.listen_health, readiness.clone()));
    tasks.spawn(watching);

    let certificates = tls::Certificates::establish(&client, &settings.namespace)
        .await
        .context("cannot make certificates")?;
    directory.synced().await.context("the watches ended")?;
    let admission = admission::Admission::new(directory.clone(), &settings);
    let sts = sts::Front::new(client.clone(), Arc::clone(&directory), Arc::clone(&settings));
    let handle = axum_server::Handle::new();

    tasks.spawn(admission::serve(
        settings.listen_admission,
        certificates.tls(),
        handle.clone(),
        admission,
    ));
    tasks.spawn(sts::serve(settings.listen_sts, sts));
    tasks.spawn(
        certificates
            .clone()
            .keep_valid(client.clone(), settings.namespace.clone()),
    );
    tasks.spawn(keeper::keep(
        client.clone(),
        Arc::clone(&directory),
        Arc::clone(&settings),
    ));
    tasks.spawn(admission::registration::keep(
        client,
        directory,
        settings,
        certificates,
        handle.clone(),
        readiness.clone(),
    ));

    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = tasks.join_next() => {
            ended.transpose().context("a task panicked")?.transpose()?;
            anyhow::bail!("a task that runs for ever has ended");
        }
    }
    tracing::info!("stopping");
    readiness.stopping();
    handle.graceful_shutdown(Some(DRAIN));
    let drained = async {
        while handle.connection_count() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = tokio::time::timeout(DRAIN, drained).await;
    tasks.shutdown().await;
    Ok(())
}
