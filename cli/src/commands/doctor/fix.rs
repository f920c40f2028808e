//! `doctor --fix`: does what is safe to repeat, after asking.

use std::collections::BTreeMap;
use std::time::Duration;

use irsa_emu_cluster::kubernetes::replace;
use irsa_emu_cluster::kubernetes::workload::Workload;
use irsa_emu_core::contract::NAMESPACE;
use irsa_emu_doctor::checks::engine::CheckResult;
use irsa_emu_doctor::remedy::Remedy;
use tokio::time::Instant;

use crate::app::App;
use crate::commands::up;
use crate::console::prompt::{self, YesArgs};
use crate::error::CliError;

/// How long the Pods of one workload may take that have to be evicted one by one.
const EVICTION_TIMEOUT: Duration = Duration::from_mins(2);

/// What is to be done, each once, with the checks that it is done for.
pub(super) type RepairPlan = BTreeMap<Remedy, Vec<&'static str>>;

/// What can be done about the troubles that were found.
pub(super) fn plan(outcomes: &[CheckResult]) -> RepairPlan {
    let mut plan = RepairPlan::new();
    for outcome in outcomes {
        if let Some(remedy) = &outcome.remedy {
            plan.entry(remedy.clone()).or_default().push(outcome.id);
        }
    }
    // `up` replaces what it changes, and waits for it.
    if plan.contains_key(&Remedy::Up) {
        plan.retain(
            |remedy, _| !matches!(remedy, Remedy::Restart(workload) if workload.namespace == NAMESPACE),
        );
    }
    plan
}

/// Does all of it, if the user confirms. Returns whether anything was done.
pub(super) async fn apply(plan: &RepairPlan, yes: YesArgs, app: &App) -> Result<bool, CliError> {
    if plan.is_empty() {
        return Ok(false);
    }
    for (remedy, ids) in plan {
        app.progress
            .note(&format!("to do for {}: {}", ids.join(", "), title(remedy, app)));
    }
    let again = app.session.command("doctor --fix");
    prompt::confirm(&app.printer, yes, "Do this?", "repairing what was found", &again).await?;
    for remedy in plan.keys() {
        match remedy {
            Remedy::Up => Box::pin(up::again::again(app)).await?,
            Remedy::Restart(workload) => restart(workload, app).await?,
        }
    }
    Ok(true)
}

fn title(remedy: &Remedy, app: &App) -> String {
    match remedy {
        Remedy::Up => format!(
            "{}, with the settings that the install has",
            app.session.command("up")
        ),
        Remedy::Restart(workload) => format!("{} {}", app.session.kubectl(), workload.restart()),
    }
}

async fn restart(workload: &Workload, app: &App) -> Result<(), CliError> {
    let attempted = || format!("replacing the Pods of {}", workload.title());
    app.progress.step(&attempted());
    let client = app.session.connect().await?.client;
    replace::begin(
        &client,
        workload,
        Some(Instant::now() + EVICTION_TIMEOUT),
        app.progress.as_ref(),
    )
    .await
    .map_err(|error| {
        let next = error.next(workload, &app.session.kubectl());
        CliError::failed(attempted(), error).next(next)
    })?;
    app.progress.done("begun");
    Ok(())
}

#[cfg(test)]
mod tests {
    use irsa_emu_core::contract::WEBHOOK;
    use irsa_emu_doctor::checks::engine::{Mark, Phase};

    use super::*;

    fn outcome(id: &'static str, remedy: Option<Remedy>) -> CheckResult {
        CheckResult {
            id,
            phase: Phase::Webhook,
            mark: Mark::Error,
            message: String::new(),
            object: None,
            fix: Some(String::new()),
            remedy,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn each_thing_is_done_once_and_up_makes_restarts_of_ours_needless() {
        let webhook = Remedy::Restart(Workload::deployment(NAMESPACE, WEBHOOK));
        let app = Remedy::Restart(Workload::deployment("shop", "app"));
        let outcomes = [
            outcome("a", Some(webhook.clone())),
            outcome("b", Some(webhook.clone())),
            outcome("c", Some(app.clone())),
            outcome("d", None),
        ];
        let first = plan(&outcomes);
        assert_eq!(first.len(), 2);
        assert_eq!(first[&webhook], ["a", "b"]);
        let with_up = [&outcomes[..], &[outcome("e", Some(Remedy::Up))]].concat();
        assert_eq!(plan(&with_up).into_keys().collect::<Vec<_>>(), [Remedy::Up, app]);
    }
}
