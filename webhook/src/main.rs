//! `irsa-emu-webhook`: one process, three jobs. Admission patches Pods, the STS front exchanges their tokens, and the
//! keeper makes the AWS resources of every Recipe true. It is the only component that holds rights in the cluster.

mod admission;
mod args;
mod aws;
mod connections;
mod directory;
mod events;
mod health;
mod keeper;
mod leader;
mod metrics;
mod one_object;
mod sts;
mod target;
mod telemetry;
mod throttle;
mod tls;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{AbortHandle, JoinSet};

use crate::admission::in_force::InForce;
use crate::admission::paths::Paths;
use crate::admission::registration;
use crate::args::{Args, Settings};
use crate::directory::Directory;
use crate::events::Events;
use crate::health::Readiness;
use crate::metrics::Metrics;

/// A Service still sends connections here for a while after the process got SIGTERM: until the kubelet has seen
/// that it is not ready, and every node has heard of it.
const LINGER: Duration = Duration::from_secs(4);
/// What the process cannot do without is tried again after this.
const RETRY: Duration = Duration::from_secs(1);
/// How long requests in flight may take once the process got SIGTERM.
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
    let client = kube::Client::try_default()
        .await
        .context("cannot find the Kubernetes API server")?;
    let parts = Parts {
        client,
        settings: Arc::new(settings),
        metrics: Arc::new(Metrics::new()),
        readiness: Readiness::default(),
        admission: axum_server::Handle::new(),
        sts: axum_server::Handle::new(),
    };
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut tasks = JoinSet::new();
    let duties = tokio::select! {
        started = parts.start(&mut tasks) => started?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = tasks.join_next() => {
            ended.transpose().context("a task panicked")?.transpose()?;
            anyhow::bail!("a task that never ends has ended");
        }
    }
    // The Lease is given back, so that another replica takes over as soon as it looks.
    duties.abort();
    parts.stop().await;
    tasks.shutdown().await;
    Ok(())
}

/// Tries until it works: after a restart of the node the API server is not there yet, and ending would only put off the
/// next try.
async fn retry_until_ok<T>(what: &str, attempt: impl AsyncFn() -> anyhow::Result<T>) -> T {
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => tracing::warn!(error = format!("{error:#}"), "cannot {what} yet; trying again"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// What the parts of the process share.
struct Parts {
    client: kube::Client,
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    readiness: Readiness,
    admission: axum_server::Handle<SocketAddr>,
    sts: axum_server::Handle<SocketAddr>,
}

impl Parts {
    /// Starts everything in the order in which one needs the other; returns the duties of the leader.
    async fn start(&self, tasks: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<AbortHandle> {
        let (client, settings, metrics) = (&self.client, &self.settings, &self.metrics);
        tasks.spawn(health::serve(
            settings.listen_health,
            self.readiness.clone(),
            Arc::clone(metrics),
        ));
        let (directory, watching) = Directory::watch(client, settings, Arc::clone(metrics));
        let directory = Arc::new(directory);
        tasks.spawn(watching);
        let certificates = retry_until_ok("make certificates", || {
            tls::Certificates::establish(client, &settings.install.namespace, Arc::clone(metrics))
        })
        .await;
        tasks.spawn(
            certificates
                .clone()
                .keep_valid(client.clone(), settings.install.namespace.clone()),
        );
        directory.synced().await.context("the watches ended")?;
        let inject = InForce::follow(client, settings, tasks).await?;

        let (registered, following) = registration::follow(client);
        tasks.spawn(following);
        let (events, writing) = Events::new(client.clone());
        tasks.spawn(writing);
        let admission = admission::Admission::new(
            Arc::clone(&directory) as Arc<_>,
            settings,
            inject,
            Arc::clone(metrics),
            events.clone(),
            self.readiness.clone(),
            Paths::new(certificates.path(), registered.clone()),
        );
        tasks.spawn(admission::serve(
            settings.listen_admission,
            certificates.tls(),
            self.admission.clone(),
            admission,
        ));
        let front = sts::Front::new(
            client.clone(),
            Arc::clone(&directory),
            Arc::clone(settings),
            Arc::clone(metrics),
            events,
        );
        tasks.spawn(sts::serve(
            settings.listen_sts,
            front,
            self.sts.clone(),
            self.readiness.clone(),
        ));
        self.admission
            .listening()
            .await
            .context("the admission server does not listen")?;

        tasks.spawn(registration::keep_ready(
            registered.clone(),
            certificates.clone(),
            self.readiness.clone(),
        ));
        Ok(tasks.spawn(self.lead(directory, certificates, registered)))
    }

    /// What only one replica does: the registration, and the AWS resources of the Recipes.
    fn lead(
        &self,
        directory: Arc<Directory>,
        certificates: tls::Certificates,
        registered: registration::Registered,
    ) -> impl Future<Output = anyhow::Result<()>> + Send + 'static {
        let (client, settings, metrics) = (
            self.client.clone(),
            Arc::clone(&self.settings),
            Arc::clone(&self.metrics),
        );
        let duties = {
            let (client, settings, metrics) = (client.clone(), Arc::clone(&settings), Arc::clone(&metrics));
            move || {
                let registering = registration::keep(
                    client.clone(),
                    Arc::clone(&settings),
                    certificates.clone(),
                    registered.clone(),
                );
                let keeping = keeper::keep(
                    client.clone(),
                    Arc::clone(&directory),
                    Arc::clone(&settings),
                    Arc::clone(&metrics),
                );
                async move { futures::future::try_join(registering, keeping).await.map(|_| ()) }
            }
        };
        let (namespace, replica) = (settings.install.namespace.clone(), settings.replica.clone());
        leader::lead(client, namespace, replica, metrics, duties)
    }

    /// Stops so that nobody notices: first no new connections are sent here, then the last are served.
    async fn stop(&self) {
        tracing::info!("stopping");
        self.readiness.stopping();
        tokio::time::sleep(LINGER).await;
        self.admission.graceful_shutdown(Some(DRAIN));
        self.sts.graceful_shutdown(Some(DRAIN));
        let drained = async {
            while self.admission.connection_count() + self.sts.connection_count() > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = tokio::time::timeout(DRAIN, drained).await;
    }
}
