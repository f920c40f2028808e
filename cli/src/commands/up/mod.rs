//! `irsa-emu up`: makes a cluster ready. Each step looks first whether it is done already.

pub mod again;
mod attempt;
mod backend;
mod choose;
mod create;
mod emulator;
mod finish;
mod host;
mod install;
pub(crate) mod options;
mod place;
mod plan;
mod proxy;
mod recipes;
mod token;
mod undo;

use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_cluster::kubernetes::kubeconfig::switch_to;
use irsa_emu_cluster::progress::seconds;

use self::attempt::Up;
pub use self::options::UpArgs;
use self::place::Place;
use crate::app::App;
use crate::error::{Attempt, CliError};

/// Makes a cluster ready. A signal undoes what this run made.
pub async fn run(args: Box<UpArgs>, app: &App) -> Result<ExitStatus, CliError> {
    let before = app.session.kubeconfigs().remember_current();
    let up = Up::new(&args, app)?;
    let result = tokio::select! {
        result = up.run() => result,
        signal = app.signals.received() => Err(signal.interrupted("making the cluster ready")),
    };
    let error = match result {
        Ok(exit) => return Ok(exit),
        Err(error) => error,
    };
    app.progress.failed();
    let interrupted = matches!(error.exit(), ExitStatus::Interrupted | ExitStatus::Terminated);
    up.undo(interrupted, &before).await;
    Err(error.or_next(|| app.session.command(if interrupted { "up" } else { "doctor" })))
}

impl Up<'_> {
    async fn run(&self) -> Result<ExitStatus, CliError> {
        if self.args.dry_run {
            self.base_credentials()?;
            return self.plan(&self.recipes().await?).await;
        }
        let (place, changes) = self.make_ready().await?;
        if self.args.switch_context {
            switch_to(&self.app.session.kubeconfigs(), &place.cluster.context)
                .attempting(|| format!("making {} the current context", place.cluster.context))?;
        }
        self.finish(&place, changes).await?;
        Ok(ExitStatus::Ok)
    }

    /// Everything but the output at the end; returns how many objects were created or changed.
    async fn make_ready(&self) -> Result<(Place, usize), CliError> {
        let base_credentials = self.base_credentials()?;
        let recipes = self.recipes().await?;
        let app = self.app;
        let _held = app
            .state()
            .hold("up", self.deadline(), app.progress.as_ref())
            .await?;
        let mut place = self.place().await?;
        // What comes now has no deadline of its own: a pull may hang, an API server may stall.
        let applied = tokio::time::timeout_at(self.deadline(), async {
            self.load(&place).await?;
            let opened = self.open_host_port(&mut place).await?;
            let applied = self.apply(&place, base_credentials.as_ref()).await?;
            Ok::<_, CliError>(opened + applied)
        });
        let Ok(applied) = applied.await else {
            let why = format!(
                "images and objects were not there within {}",
                seconds(self.args.timeout)
            );
            let error = CliError::because(ExitStatus::Timeout, "installing irsa-emu", why);
            return Err(error.next(format!("{} --timeout 15m", app.session.command("up"))));
        };
        let mut changes = applied?;
        self.wait(&place.cluster).await?;
        self.warn_about_host_port(&place).await;
        changes += self.apply_recipes(&place.cluster, &recipes).await?;
        Ok((place, changes))
    }
}
