//! `irsa-emu up`: makes a cluster ready. Each step looks first whether it is done already.

mod again;
mod backend;
mod choose;
mod create;
mod finish;
mod install;
pub(crate) mod options;
mod place;
mod recipes;
mod undo;

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

pub use self::again::again;
pub use self::options::UpArgs;
use self::place::Place;
use crate::app::App;
use crate::cluster::Family;
use crate::cluster::kubeconfig::switch_to;
use crate::cluster::target::Cluster;
use crate::error::{Attempt, CliError, ExitStatus};

/// What this run made, and would have to undo.
#[derive(Clone, Default)]
enum Made {
    /// Nothing that a signal should undo.
    #[default]
    Nothing,
    /// A cluster that is half there.
    HalfCluster(Family),
    /// A whole cluster.
    Cluster(Family),
    /// An install in a cluster that was there before and had none.
    Install(Cluster),
    /// Changes of an install that was there before.
    Changes,
}

/// Makes a cluster ready. A signal undoes what this run made.
pub async fn run(args: Box<UpArgs>, app: &App) -> Result<ExitStatus, CliError> {
    let before = app.kubeconfigs().remember_current();
    let up = Up::new(&args, app);
    let result = tokio::select! {
        result = up.run() => result,
        signal = app.signals.received() => Err(CliError::interrupted("making the cluster ready", signal)),
    };
    let Err(error) = result else {
        return Ok(ExitStatus::Ok);
    };
    app.progress.failed();
    let interrupted = matches!(error.exit(), ExitStatus::Interrupted | ExitStatus::Terminated);
    up.undo(interrupted, &before).await;
    Err(error.or_next(|| app.command(if interrupted { "up" } else { "doctor" })))
}

struct Up<'a> {
    args: &'a UpArgs,
    app: &'a App,
    since: Instant,
    made: Mutex<Made>,
}

impl<'a> Up<'a> {
    fn new(args: &'a UpArgs, app: &'a App) -> Self {
        Self {
            args,
            app,
            since: Instant::now(),
            made: Mutex::default(),
        }
    }

    async fn run(&self) -> Result<(), CliError> {
        let (place, changes) = self.install().await?;
        if self.args.switch_context {
            switch_to(&self.app.kubeconfigs(), &place.cluster.context)
                .attempting(|| format!("making {} the current context", place.cluster.context))?;
        }
        self.finish(&place, changes).await
    }

    /// Everything but what is said at the end; answers how many objects were created or changed.
    async fn install(&self) -> Result<(Place, usize), CliError> {
        let base_credentials = self.base_credentials()?;
        let recipes = self.recipes().await?;
        let app = self.app;
        let _held = app
            .state()
            .hold("up", self.deadline(), app.progress.as_ref())
            .await?;
        let place = self.place().await?;
        self.load(&place).await?;
        let mut changes = self.apply(&place, base_credentials.as_ref()).await?;
        self.wait(&place.cluster).await?;
        changes += self.apply_recipes(&place.cluster, &recipes).await?;
        Ok((place, changes))
    }

    fn deadline(&self) -> Instant {
        self.since + self.args.timeout
    }

    fn made(&self) -> Made {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn record(&self, made: Made) {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = made;
    }
}
