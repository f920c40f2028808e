//! `irsa-emu down`: removes what `up` made, and looks whether it is gone.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use irsa_emu_cluster::docker::Docker;
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_cluster::kubernetes::connect::{Cluster, require_safe};
use irsa_emu_cluster::local;
use irsa_emu_cluster::local::family::Family;
use irsa_emu_cluster::local::nodes::Node;
use irsa_emu_cluster::local::ownership;
use irsa_emu_cluster::local::provider::ClusterProvider;
use irsa_emu_cluster::local::proxies::Proxies;
use irsa_emu_cluster::progress::seconds;
use irsa_emu_doctor::injected::Which;
use irsa_emu_install::removal::{self, Owned, RemovalError};
use serde::Serialize;
use tokio::time::Instant;

use crate::app::App;
use crate::commands::restart_injected;
use crate::console::output::OutputArgs;
use crate::error::{Attempt, CliError};
use crate::options::words;

/// How long an API server that may be dead already is asked.
const LAST_WORD: Duration = Duration::from_secs(5);

/// Options of `irsa-emu down`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct DownArgs {
    /// Only list what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Keep the cluster that `up` created, and remove only the install
    #[arg(long)]
    keep_cluster: bool,
    /// Delete the kind or k3d cluster even if `up` did not create it
    #[arg(long, conflicts_with = "keep_cluster")]
    delete_cluster: bool,
    /// If the cluster stays, replace its injected Pods, so that they lose the injected settings
    #[arg(long)]
    restart_injected: bool,
    /// How long it may take, such as 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = words::duration)]
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
    /// Prints the result: with --dry-run what would be removed is data, else `told` is all that is printed.
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
    let result = tokio::select! {
        result = remove(&args, app) => result,
        signal = app.signals.received() => {
            let error = signal.interrupted("removing");
            Err(error.next(app.session.command("down")))
        }
    };
    result.map_err(|error| error.or_next(|| app.session.command("doctor")))
}

async fn remove(args: &DownArgs, app: &App) -> Result<ExitStatus, CliError> {
    let deadline = Instant::now() + args.timeout;
    let _held = app.state().hold("down", deadline, app.progress.as_ref()).await?;
    let whole = whole_cluster(args, app).await?;
    let context = match &whole {
        Some(cluster) => Some(cluster.provider.context().to_owned()),
        None => app
            .session
            .context_name()
            .ok()
            .or_else(|| app.session.context.clone()),
    };
    let proxies = Proxies::leaving(
        app.session.runner.as_ref(),
        &app.session.instance,
        context.as_deref(),
    )
    .await;
    let proxies =
        proxies.map_err(|error| CliError::hinted("looking for the containers of irsa-emu", error))?;
    match whole {
        Some(cluster) => cluster.remove(args, app, &proxies).await,
        None => objects(args, app, &proxies).await,
    }
}

/// A cluster of containers that goes as a whole.
struct Whole<'a> {
    provider: Box<dyn ClusterProvider + 'a>,
    family: Family,
    name: String,
    docker: Docker,
    nodes: Vec<Node>,
    in_kubeconfig: bool,
}

/// The cluster that is to go as a whole; `None` where only what is in it goes.
async fn whole_cluster<'a>(args: &DownArgs, app: &'a App) -> Result<Option<Whole<'a>>, CliError> {
    if args.keep_cluster || (app.session.context.is_some() && !args.delete_cluster) {
        return Ok(None);
    }
    let candidates = match &app.session.context {
        None => Family::ALL
            .map(|family| (family, app.session.instance.clone()))
            .to_vec(),
        Some(context) => {
            require_safe(context, &app.session.allowed_contexts)?;
            let named = Family::of_context(context).map(|(family, name)| (family, name.to_owned()));
            named.into_iter().collect()
        }
    };
    let kubeconfigs = app.session.kubeconfigs();
    let know = |context: &str| {
        kubeconfigs
            .know(context)
            .attempting(|| "reading the kubeconfig".to_owned())
    };
    let docker = match Docker::connect(app.session.runner.as_ref()).await {
        Ok(docker) => docker,
        // Without Docker there may still be an install in a cluster that is elsewhere.
        Err(error) => {
            let own = Family::ALL.map(|family| family.context(&app.session.instance));
            let elsewhere = app
                .session
                .context_name()
                .is_ok_and(|context| !own.contains(&context));
            return if elsewhere {
                Ok(None)
            } else {
                Err(CliError::hinted("finding Docker", error))
            };
        }
    };
    for (family, name) in candidates {
        let nodes = docker.nodes(family, &name).await;
        let nodes = nodes.map_err(|error| CliError::hinted("listing the nodes", error))?;
        let context = family.context(&name);
        let in_kubeconfig = know(&context)?;
        if nodes.is_empty() && !in_kubeconfig {
            continue;
        }
        let ours = nodes.is_empty()
            || app.state().is_begun()
            || ownership::made_by_up(&kubeconfigs, &context, &app.session.instance, &nodes).await;
        if !ours && !args.delete_cluster {
            app.progress.note(&format!(
                "irsa-emu did not create the {} cluster {name}, so it stays; to delete it, too: {} --delete-cluster",
                family.program(),
                app.session.command("down")
            ));
            return Ok(None);
        }
        return Ok(Some(Whole {
            provider: local::own(
                family,
                &name,
                app.session.runner.as_ref(),
                app.session.kubeconfig.as_deref(),
            ),
            family,
            name,
            docker,
            nodes,
            in_kubeconfig,
        }));
    }
    Ok(None)
}

impl Whole<'_> {
    async fn remove(self, args: &DownArgs, app: &App, proxies: &Proxies) -> Result<ExitStatus, CliError> {
        let attempted = format!("removing the {}", self.provider.title());
        self.provider
            .require()
            .map_err(|error| CliError::hinted(attempted.clone(), error))?;
        let volumes = self.volumes();
        let removal = Removal {
            context: self.provider.context().to_owned(),
            dry_run: args.dry_run,
            removed: [proxies.titles(), self.things(&volumes)].concat(),
        };
        if args.dry_run {
            return removal.answer(app, "");
        }
        if self.in_kubeconfig && self.nodes.iter().any(|node| node.running) {
            self.unregister(app).await;
        }
        app.progress.step(&attempted);
        // On the network of the cluster nothing may be left, or k3d does not remove it.
        take_away(proxies).await?;
        let before = app.session.kubeconfigs().remember_current();
        let deleted = tokio::time::timeout(args.timeout, self.provider.delete()).await;
        let Ok(deleted) = deleted else {
            let why = format!("it was not done within {}", seconds(args.timeout));
            return Err(
                CliError::because(ExitStatus::Timeout, attempted, why).next(app.session.command("down"))
            );
        };
        deleted.map_err(|error| CliError::hinted(attempted.clone(), error))?;
        let left = self.left_behind(app, &volumes).await?;
        if !left.is_empty() {
            let why = format!(
                "{} reported success, but this is left: {}",
                self.family.program(),
                left.join(", ")
            );
            let error = CliError::because(ExitStatus::Failed, attempted, why).code(Code::LeftBehind);
            let containers: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
            return Err(error.next(format!("docker rm --force --volumes {}", containers.join(" "))));
        }
        // The program takes its own context out; a current context that is another stays.
        if before
            .in_force()
            .is_some_and(|context| context != self.provider.context())
        {
            before
                .restore()
                .attempting(|| "restoring the current context".to_owned())?;
        }
        app.state().end();
        app.progress
            .done("containers, volumes and kubeconfig entry are gone");
        removal.answer(app, "")
    }

    fn volumes(&self) -> BTreeSet<String> {
        self.nodes.iter().flat_map(|node| node.volumes.clone()).collect()
    }

    fn things(&self, volumes: &BTreeSet<String>) -> Vec<String> {
        let containers = self.nodes.iter().map(|node| format!("container {}", node.name));
        let volumes = volumes.iter().map(|volume| format!("volume {volume}"));
        let entry = self
            .in_kubeconfig
            .then(|| format!("kubeconfig entry {}", self.provider.context()));
        containers.chain(volumes).chain(entry).collect()
    }

    /// Takes the webhook's registration out first, so that nothing of ours can hold up the end of the cluster.
    async fn unregister(&self, app: &App) {
        let unregistered = tokio::time::timeout(LAST_WORD, async {
            let cluster = Cluster::connect(&app.session.kubeconfigs(), self.provider.context())
                .await
                .ok()?;
            for registration in removal::registrations(&cluster.client, &app.session.instance)
                .await
                .ok()?
            {
                registration.delete(&cluster.client).await.ok()?;
            }
            Some(())
        });
        if !matches!(unregistered.await, Ok(Some(()))) {
            app.progress
                .note("the API server does not respond; the cluster is removed without it");
        }
    }

    async fn left_behind(&self, app: &App, volumes: &BTreeSet<String>) -> Result<Vec<String>, CliError> {
        let nodes = self.docker.nodes(self.family, &self.name).await;
        let nodes = nodes.map_err(|error| CliError::hinted("checking that the cluster is gone", error))?;
        let mut left: Vec<String> = nodes
            .into_iter()
            .map(|node| format!("container {}", node.name))
            .collect();
        let volumes = self.docker.volumes_left(volumes).await;
        left.extend(volumes.into_iter().map(|volume| format!("volume {volume}")));
        let known = app.session.kubeconfigs().know(self.provider.context());
        if known.attempting(|| "reading the kubeconfig".to_owned())? {
            left.push(format!("kubeconfig entry {}", self.provider.context()));
        }
        Ok(left)
    }
}

/// Removes what is ours from a cluster that stays.
async fn objects(args: &DownArgs, app: &App, proxies: &Proxies) -> Result<ExitStatus, CliError> {
    let removal = |context: String, removed| Removal {
        context,
        dry_run: args.dry_run,
        removed,
    };
    if proxies.are_all_that_is_left() || (app.session.context.is_none() && !has_cluster(app)?) {
        return without_cluster(args, app, proxies).await;
    }
    let cluster = app.session.connect().await?;
    let Cluster { client, context, .. } = &cluster;
    let attempted = || format!("removing irsa-emu from the cluster of context `{context}`");
    let all = removal::everything(client, &app.session.instance)
        .await
        .attempting(attempted)?;
    if all.is_empty() && proxies.is_empty() {
        let told = format!(
            "nothing to remove: the cluster of context `{context}` has no objects of irsa-emu `{}`",
            app.session.instance
        );
        return removal(context.clone(), Vec::new()).answer(app, &told);
    }
    if args.dry_run {
        let mut things: Vec<String> = all.iter().map(Owned::title).chain(proxies.titles()).collect();
        if args.restart_injected {
            let plan = restart_injected::look(&cluster, &[], Which::All).await?;
            things.extend(
                plan.workloads
                    .keys()
                    .map(|workload| format!("Pods of {}", workload.title())),
            );
        }
        return removal(context.clone(), things).answer(app, "");
    }
    app.progress.step(&format!("removing irsa-emu from {context}"));
    let deadline = Instant::now() + args.timeout;
    match removal::remove(client, &app.session.instance, deadline, app.progress.as_ref()).await {
        Ok(gone) => {
            take_away(proxies).await?;
            app.progress
                .done(&format!("{} objects are gone; the cluster stays", gone.len()));
            let minded = warn_about_injected(args, &cluster, app).await;
            let answered = removal(context.clone(), [gone, proxies.titles()].concat()).answer(app, "");
            minded.and(answered)
        }
        Err(error @ RemovalError::Left(_)) => {
            let attempted = format!("{} within {}", attempted(), seconds(args.timeout));
            Err(CliError::new(ExitStatus::Timeout, attempted, error)
                .code(Code::LeftBehind)
                .next(app.session.command("down")))
        }
        Err(error) => Err(CliError::failed(attempted(), error)),
    }
}

/// Replaces the Pods that still have injected settings, or prints which these are.
async fn warn_about_injected(args: &DownArgs, cluster: &Cluster, app: &App) -> Result<(), CliError> {
    let looked = restart_injected::look(cluster, &[], Which::Outdated).await;
    if args.restart_injected {
        let plan = looked?;
        restart_injected::tell_left(&plan, cluster, app);
        // Many an app never gets ready without AWS.
        return restart_injected::carry_out(&plan, cluster, app, None).await;
    }
    // All that was asked for is done; who may not list Pods gets no message about them.
    let Ok(plan) = looked else { return Ok(()) };
    let pods = plan.workloads.values().map(Vec::len).sum::<usize>() + plan.left.len();
    if pods > 0 {
        app.progress.warn(&format!(
            "{pods} running Pod(s) keep the injected settings, which no longer work\n  next: {}",
            app.session.command("restart-injected")
        ));
    }
    Ok(())
}

async fn take_away(proxies: &Proxies) -> Result<(), CliError> {
    let removed = proxies.remove().await;
    removed.map_err(|error| CliError::hinted(format!("removing the {}", proxies.titles().join(", ")), error))
}

/// Removes what is left where the cluster itself is gone.
async fn without_cluster(args: &DownArgs, app: &App, proxies: &Proxies) -> Result<ExitStatus, CliError> {
    let removed = proxies.titles();
    if !args.dry_run && !removed.is_empty() {
        app.progress.step(&format!("removing the {}", removed.join(", ")));
        take_away(proxies).await?;
        app.progress.done("the cluster was gone before");
    }
    let told = if removed.is_empty() {
        format!("nothing to remove: there is no cluster {}", app.session.instance)
    } else {
        String::new()
    };
    let context = app.session.context.clone();
    Removal {
        context: context.unwrap_or_else(|| Family::Kind.context(&app.session.instance)),
        dry_run: args.dry_run,
        removed,
    }
    .answer(app, &told)
}

/// Whether there is any cluster that could have the install.
fn has_cluster(app: &App) -> Result<bool, CliError> {
    let read = app.session.kubeconfigs().read();
    read.map_err(|error| CliError::new(ExitStatus::Usage, "choosing the cluster", error))?;
    Ok(app.session.context_name().is_ok())
}
