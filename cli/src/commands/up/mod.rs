//! `irsa-emu up`: makes a cluster ready. Each step looks first whether it is done already.

mod backend;
mod finish;
mod install;
pub(crate) mod options;
mod place;
mod recipes;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub use self::options::UpArgs;
use crate::app::App;
use crate::cluster::kind::Kind;
use crate::cluster::kubeconfig::{CurrentContexts, switch_to};
use crate::error::{Attempt, CliError, ExitStatus};

/// What this run made, and would have to undo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Made {
    /// Nothing that a signal should undo.
    #[default]
    Nothing,
    /// A cluster that is half there.
    HalfCluster,
    /// A whole cluster.
    Cluster,
    /// Objects in a cluster that was there before.
    Objects,
}

/// Makes a cluster ready. A signal undoes what this run made.
pub async fn run(args: Box<UpArgs>, app: &App) -> Result<ExitStatus, CliError> {
    let before = app.kubeconfigs().remember_current();
    let up = Up {
        args: &args,
        app,
        since: Instant::now(),
        made: Mutex::default(),
    };
    let result = tokio::select! {
        result = up.run() => result,
        signal = app.signals.received() => Err(CliError::interrupted("making the cluster ready", signal)),
    };
    let Err(error) = result else {
        return Ok(ExitStatus::Ok);
    };
    app.progress.failed();
    let made = up.made();
    let interrupted = matches!(error.exit(), ExitStatus::Interrupted | ExitStatus::Terminated);
    match made {
        Made::HalfCluster => roll_back(app, &before).await,
        Made::Cluster if interrupted => roll_back(app, &before).await,
        Made::Cluster => {
            app.progress.note(&format!(
                "the cluster is kept: look with `{}`, or remove it with `{}`",
                app.command("doctor"),
                app.command("down")
            ));
        }
        Made::Objects if interrupted => {
            app.progress.note(&format!(
                "what was applied stays in the cluster: `{}` goes on, `{}` removes it",
                app.command("up"),
                app.command("down")
            ));
        }
        Made::Nothing | Made::Objects => {}
    }
    Err(error.or_next(|| app.command(if interrupted { "up" } else { "doctor" })))
}

/// Deletes the cluster that this run made, and says so.
async fn roll_back(app: &App, before: &CurrentContexts) {
    app.progress.step(&format!(
        "removing the cluster {} that this run had begun",
        app.instance
    ));
    let removed = async {
        let kind = Kind::find(app.runner.as_ref(), app.kubeconfig.clone())?;
        kind.delete(&app.instance).await?;
        // What kind had asked Docker for when it was stopped may appear only now.
        tokio::time::sleep(Duration::from_millis(700)).await;
        kind.delete(&app.instance).await?;
        // kind had made its context the current one, and leaves none.
        before.restore()?;
        anyhow::Ok(())
    };
    match removed.await {
        Ok(()) => app.progress.done("removed"),
        Err(error) => {
            app.progress.failed();
            app.progress.warn(&format!(
                "it could not be removed ({error}); remove it with: {}",
                app.command("down")
            ));
        }
    }
}

struct Up<'a> {
    args: &'a UpArgs,
    app: &'a App,
    since: Instant,
    made: Mutex<Made>,
}

impl Up<'_> {
    async fn run(&self) -> Result<(), CliError> {
        let base_credentials = self.base_credentials()?;
        let recipes = self.recipes().await?;
        let place = self.place().await?;
        self.load(&place).await?;
        let mut changes = self.apply(&place, base_credentials.as_ref()).await?;
        self.wait(&place.cluster).await?;
        changes += self.apply_recipes(&place.cluster, &recipes).await?;
        if self.args.switch_context {
            switch_to(&self.app.kubeconfigs(), &place.cluster.context)
                .attempting(|| format!("making {} the current context", place.cluster.context))?;
        }
        self.finish(&place, changes).await
    }

    fn deadline(&self) -> Instant {
        self.since + self.args.timeout
    }

    fn made(&self) -> Made {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, made: Made) {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = made;
    }
}
