//! `irsa-emu restart-injected`: replaces Pods whose AWS identity is missing or out of date.

use std::time::Duration;

use clap::Args;
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_cluster::kubernetes::connect::Cluster;
use irsa_emu_cluster::kubernetes::replace::{self, ReplaceError};
use irsa_emu_cluster::kubernetes::workload::Workload;
use irsa_emu_cluster::progress::seconds;
use irsa_emu_core::kubectl::kubectl;
use irsa_emu_doctor::injected::{self, Found, ReplacementPlan, Which};
use serde::Serialize;
use tokio::time::Instant;

use crate::app::App;
use crate::console::output::OutputArgs;
use crate::console::prompt::{self, YesArgs};
use crate::error::{Attempt, CliError};
use crate::options::words;

/// Options of `irsa-emu restart-injected`.
#[derive(Debug, Args)]
#[command(
    after_help = "Pods of Deployments, StatefulSets and DaemonSets are replaced one after the other; for others the command prints how.
After `irsa-emu down --keep-cluster`, new Pods no longer have the injected settings."
)]
pub struct RestartArgs {
    /// Namespaces to look in [default: all]
    #[arg(short, long, value_name = "NAMESPACE", value_delimiter = ',')]
    namespace: Vec<String>,
    /// Replace every Pod that has an identity, also if it is up to date
    #[arg(long)]
    all: bool,
    /// Only list what would be replaced
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    yes: YesArgs,
    /// Do not wait until the new Pods are ready
    #[arg(long)]
    no_wait: bool,
    /// How long it may take, such as 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = words::duration)]
    timeout: Duration,
    #[command(flatten)]
    output: OutputArgs,
}

/// What was replaced, or would be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    context: &'a str,
    dry_run: bool,
    replaced: Vec<Replaced<'a>>,
    left: &'a [Found],
}

/// A workload whose Pods were replaced, or would be.
#[derive(Debug, Serialize)]
struct Replaced<'a> {
    #[serde(flatten)]
    workload: &'a Workload,
    pods: &'a [Found],
}

/// Replaces the Pods, if the user confirms.
pub async fn run(args: RestartArgs, app: &App) -> Result<ExitStatus, CliError> {
    let deadline = Instant::now() + args.timeout;
    let cluster = app.session.connect().await?;
    let which = if args.all { Which::All } else { Which::Outdated };
    let plan = look(&cluster, &args.namespace, which).await?;
    tell_left(&plan, &cluster, app);
    let answer = Answer {
        context: &cluster.context,
        dry_run: args.dry_run,
        replaced: plan
            .workloads
            .iter()
            .map(|(workload, pods)| Replaced { workload, pods })
            .collect(),
        left: &plan.left,
    };
    if plan.workloads.is_empty() {
        app.printer.talk("nothing to restart");
    } else if !args.dry_run {
        for (workload, pods) in &plan.workloads {
            app.progress.note(&line(workload, pods));
        }
        let again = again(&args, app);
        prompt::confirm(
            &app.printer,
            args.yes,
            "Replace their Pods?",
            "replacing Pods",
            &again,
        )
        .await?;
        let waits = !args.no_wait && plan.has_install;
        carry_out(&plan, &cluster, app, waits.then_some(deadline)).await?;
    }
    app.answer(&answer, |printer| {
        for (workload, pods) in plan.workloads.iter().filter(|_| args.dry_run) {
            printer.data(&line(workload, pods));
        }
    })?;
    Ok(ExitStatus::Ok)
}

/// The command line that means the same Pods.
fn again(args: &RestartArgs, app: &App) -> String {
    let mut line = app.session.command("restart-injected");
    if !args.namespace.is_empty() {
        line.push_str(" --namespace ");
        line.push_str(&args.namespace.join(","));
    }
    if args.all {
        line.push_str(" --all");
    }
    line
}

/// Looks for Pods to replace.
pub(crate) async fn look(
    cluster: &Cluster,
    namespaces: &[String],
    which: Which,
) -> Result<ReplacementPlan, CliError> {
    let found = injected::find(&cluster.client, &kubectl(&cluster.context), namespaces, which).await;
    let found =
        found.attempting(|| format!("looking for Pods in the cluster of context `{}`", cluster.context))?;
    Ok(found)
}

/// Warns of Pods that nothing replaces.
pub(crate) fn tell_left(plan: &ReplacementPlan, cluster: &Cluster, app: &App) {
    for pod in &plan.left {
        app.progress.warn(&format!(
            "Pod {}/{}: {}\n  {}",
            pod.namespace,
            pod.name,
            pod.why,
            pod.by_hand(&kubectl(&cluster.context))
        ));
    }
}

/// Replaces the Pods; with a deadline, waits until the new ones are at work.
pub(crate) async fn carry_out(
    plan: &ReplacementPlan,
    cluster: &Cluster,
    app: &App,
    deadline: Option<Instant>,
) -> Result<(), CliError> {
    if plan.workloads.is_empty() {
        return Ok(());
    }
    let progress = app.progress.as_ref();
    let failed = |workload: &Workload, error: ReplaceError| {
        let attempted = format!("replacing the Pods of {}", workload.title());
        let next = error.next(workload, &kubectl(&cluster.context));
        let error = match error {
            error @ ReplaceError::Late(_) => {
                CliError::new(ExitStatus::Timeout, attempted, error).code(Code::NotReady)
            }
            error => CliError::failed(attempted, error),
        };
        error.next(next)
    };
    let since = Instant::now();
    let (mut begun, mut first_error) = (Vec::new(), None);
    for workload in plan.workloads.keys() {
        progress.step(&format!("replacing the Pods of {}", workload.title()));
        match replace::begin(&cluster.client, workload, deadline, progress).await {
            Ok(()) => begun.push(workload),
            // The others are none the worse for it.
            Err(error) => {
                let error = failed(workload, error);
                progress.failed();
                if first_error.is_none() {
                    first_error = Some(error);
                } else {
                    progress.warn(&error.render());
                }
            }
        }
    }
    let Some(deadline) = deadline else {
        if first_error.is_none() {
            progress.done("begun");
        }
        return first_error.map_or(Ok(()), Err);
    };
    for workload in begun {
        let done = replace::wait(&cluster.client, workload, deadline, progress).await;
        done.map_err(|error| failed(workload, error))?;
    }
    if let Some(error) = first_error {
        return Err(error);
    }
    progress.done(&format!("done in {}", seconds(since.elapsed())));
    Ok(())
}

/// A workload, how many of its Pods are meant, and why.
pub(crate) fn line(workload: &Workload, pods: &[Found]) -> String {
    let count = match pods.len() {
        1 => "1 Pod".to_owned(),
        count => format!("{count} Pods"),
    };
    let why = pods.first().map_or("", |pod| pod.why.as_str());
    format!("{}: {count}: {why}", workload.title())
}
