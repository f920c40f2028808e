//! `irsa-emu down`: removes what `up` made, and looks whether it is gone.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::time::Instant;

use crate::app::App;
use crate::args;
use crate::cluster::kind::Kind;
use crate::cluster::ready::POLL;
use crate::cluster::target::{Cluster, kind_context};
use crate::docker::Docker;
use crate::error::{Attempt, CliError, Code, ExitStatus};
use crate::manifests::removal::{self, Owned};
use crate::output::OutputArgs;
use crate::progress::seconds;

/// How long an API server that may be dead already is asked.
const LAST_WORD: Duration = Duration::from_secs(5);

/// Options of `irsa-emu down`.
#[derive(Debug, Args)]
pub struct DownArgs {
    /// Only list what would be removed
    #[arg(long)]
    dry_run: bool,
    /// How long it may take, such as 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = args::duration)]
    timeout: Duration,
    #[command(flatten)]
    output: OutputArgs,
}

/// What was removed, or would be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Removal {
    context: String,
    dry_run: bool,
    removed: Vec<String>,
}

impl Removal {
    /// Gives the answer: with --dry-run what would be removed is data, else `told` says it all.
    fn answer(self, app: &App, told: &str) -> Result<ExitStatus, CliError> {
        app.answer(&self, |printer| {
            for thing in self.removed.iter().filter(|_| self.dry_run) {
                printer.data(thing);
            }
        })?;
        if !told.is_empty() {
            app.printer.talk(told);
        }
        Ok(ExitStatus::Ok)
    }
}

/// Removes what `up` made.
pub async fn run(args: DownArgs, app: &App) -> Result<ExitStatus, CliError> {
    let removal = async {
        if app.context.is_some() {
            from_existing(&args, app).await
        } else {
            kind_cluster(&args, app).await
        }
    };
    let result = tokio::select! {
        result = removal => result,
        signal = app.signals.received() => {
            let error = CliError::interrupted("removing", signal);
            Err(error.next(app.command("down")))
        }
    };
    result.map_err(|error| error.or_next(|| app.command("doctor")))
}

/// Removes the kind cluster of the install, with all that is in it.
async fn kind_cluster(args: &DownArgs, app: &App) -> Result<ExitStatus, CliError> {
    let name = app.instance.as_str();
    let docker = Docker::connect(app.runner.as_ref())
        .await
        .map_err(|error| CliError::hinted("finding Docker", error))?;
    let kind = Kind::find(app.runner.as_ref(), app.kubeconfig.clone())
        .map_err(|error| CliError::hinted("finding kind", error))?;
    let listing = |error| CliError::hinted("listing the nodes", error);
    let removed = |removed| Removal {
        context: kind_context(name),
        dry_run: args.dry_run,
        removed,
    };
    let nodes = docker.kind_nodes(name).await.map_err(listing)?;
    let in_kubeconfig = knows(app, name)?;
    if nodes.is_empty() && !in_kubeconfig {
        let told = format!("nothing to remove: there is no cluster {name}");
        return removed(Vec::new()).answer(app, &told);
    }
    let volumes: Vec<String> = nodes.iter().flat_map(|node| node.volumes.clone()).collect();
    let containers = nodes.iter().map(|node| format!("container {}", node.name));
    let entry = in_kubeconfig.then(|| format!("kubeconfig entry {}", kind_context(name)));
    let things: Vec<String> = containers
        .chain(volumes.iter().map(|volume| format!("volume {volume}")))
        .chain(entry)
        .collect();
    if args.dry_run {
        return removed(things).answer(app, "");
    }
    if in_kubeconfig && nodes.iter().any(|node| node.running) {
        unregister(app, name).await;
    }
    app.progress.step(&format!("removing the kind cluster {name}"));
    let before = app.kubeconfigs().remember_current();
    let attempted = format!("removing the kind cluster {name}");
    let deleted = tokio::time::timeout(args.timeout, kind.delete(name)).await;
    deleted
        .attempting(|| attempted.clone())?
        .map_err(|error| CliError::hinted(attempted.clone(), error))?;
    let left = left_behind(app, &docker, &volumes).await?;
    if !left.is_empty() {
        let why = format!("kind reported success, but this is left: {}", left.join(", "));
        let error = CliError::because(ExitStatus::Failed, attempted, why).code(Code::LeftBehind);
        return Err(error.next(format!("docker rm --force --volumes {name}-control-plane")));
    }
    // kind takes its own context out; a current context that is another stays.
    if before
        .in_force()
        .is_some_and(|context| context != kind_context(name))
    {
        before
            .restore()
            .attempting(|| "restoring the current context".to_owned())?;
    }
    app.progress
        .done("containers, volumes and kubeconfig entry are gone");
    removed(things).answer(app, "")
}

fn knows(app: &App, cluster: &str) -> Result<bool, CliError> {
    let config = app
        .kubeconfigs()
        .read()
        .attempting(|| "reading the kubeconfig".to_owned())?;
    Ok(config
        .contexts
        .iter()
        .any(|context| context.name == kind_context(cluster)))
}

/// Takes the webhook's registration out first, so that nothing of ours can hold up the end of the cluster.
async fn unregister(app: &App, name: &str) {
    let unregistered = tokio::time::timeout(LAST_WORD, async {
        let cluster = Cluster::connect(&app.kubeconfigs(), &kind_context(name))
            .await
            .ok()?;
        for registration in removal::registrations(&cluster.client, &app.instance)
            .await
            .ok()?
        {
            registration.delete(&cluster.client).await.ok()?;
        }
        Some(())
    });
    if !matches!(unregistered.await, Ok(Some(()))) {
        app.progress
            .note("the API server does not answer; the cluster is removed without asking it");
    }
}

async fn left_behind(app: &App, docker: &Docker, volumes: &[String]) -> Result<Vec<String>, CliError> {
    let listing = |error| CliError::hinted("looking whether the cluster is gone", error);
    let nodes = docker.kind_nodes(&app.instance).await.map_err(listing)?;
    let mut left: Vec<String> = nodes
        .into_iter()
        .map(|node| format!("container {}", node.name))
        .collect();
    left.extend(
        docker
            .volumes_left(volumes)
            .await
            .into_iter()
            .map(|volume| format!("volume {volume}")),
    );
    if knows(app, &app.instance)? {
        left.push(format!("kubeconfig entry {}", kind_context(&app.instance)));
    }
    Ok(left)
}

/// Removes what is ours from a cluster that stays.
async fn from_existing(args: &DownArgs, app: &App) -> Result<ExitStatus, CliError> {
    let Cluster { client, context, .. } = app.connect().await?;
    let attempted = || format!("removing irsa-emu from the cluster of context `{context}`");
    let registrations = removal::registrations(&client, &app.instance)
        .await
        .attempting(attempted)?;
    let owned = removal::owned(&client, &app.instance)
        .await
        .attempting(attempted)?;
    let removed = |removed| Removal {
        context: context.clone(),
        dry_run: args.dry_run,
        removed,
    };
    if registrations.is_empty() && owned.is_empty() {
        let told = format!(
            "nothing to remove: the cluster of context `{context}` has nothing of irsa-emu `{}`",
            app.instance
        );
        return removed(Vec::new()).answer(app, &told);
    }
    let all: Vec<Owned> = registrations.into_iter().chain(owned).collect();
    let things: Vec<String> = all.iter().map(Owned::title).collect();
    if args.dry_run {
        return removed(things).answer(app, "");
    }
    app.progress.step(&format!("removing irsa-emu from {context}"));
    for object in &all {
        app.progress.detail(&object.title());
        object.delete(&client).await.attempting(attempted)?;
    }
    let deadline = Instant::now() + args.timeout;
    loop {
        let mut left = Vec::new();
        for object in &all {
            if object.exists(&client).await.attempting(attempted)? {
                // The webhook puts its registration back for as long as it runs and may.
                object.delete(&client).await.attempting(attempted)?;
                left.push(object.title());
            }
        }
        let Some(first) = left.first() else { break };
        if Instant::now() >= deadline {
            let why = format!("still there after {}: {}", seconds(args.timeout), left.join(", "));
            return Err(CliError::because(ExitStatus::Timeout, attempted(), why)
                .code(Code::LeftBehind)
                .next(app.command("down")));
        }
        app.progress.detail(&format!("waiting for the end of {first}"));
        tokio::time::sleep(POLL).await;
    }
    app.progress
        .done(&format!("{} objects are gone; the cluster stays", all.len()));
    removed(things).answer(app, "")
}
