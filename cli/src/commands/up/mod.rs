//! `irsa-emu up`: makes a cluster ready. Each step looks first whether it is done already.

mod again;
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
use crate::images::{self, Bundle, ImageArgs};
use crate::manifests::auth_token::AuthToken;
use crate::manifests::options::BackendKind;
use crate::progress::seconds;

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
    let up = Up::new(&args, app)?;
    let result = tokio::select! {
        result = up.run() => result,
        signal = app.signals.received() => Err(CliError::interrupted("making the cluster ready", signal)),
    };
    let error = match result {
        Ok(exit) => return Ok(exit),
        Err(error) => error,
    };
    app.progress.failed();
    let interrupted = matches!(error.exit(), ExitStatus::Interrupted | ExitStatus::Terminated);
    up.undo(interrupted, &before).await;
    Err(error.or_next(|| app.command(if interrupted { "up" } else { "doctor" })))
}

/// The bundle that was given, and the images that are meant.
fn images(args: &UpArgs) -> Result<(Option<Bundle>, ImageArgs), CliError> {
    let mut images = args.images.clone();
    let Some(path) = &args.bundle else {
        return Ok((None, images));
    };
    let failed = |error| CliError::hinted("reading the bundle of images", error);
    let bundle = Bundle::open(path).map_err(failed)?;
    let reference = |role| {
        bundle
            .image(role)
            .map(|image| image.reference.clone())
            .map_err(failed)
    };
    images.webhook_image = Some(reference(images::WEBHOOK)?);
    images.sidecar_image = Some(reference(images::SIDECAR)?);
    if args.install.backend == BackendKind::Emulator {
        images.emulator_image = reference(images::EMULATOR)?;
    }
    Ok((Some(bundle), images))
}

struct Up<'a> {
    args: &'a UpArgs,
    /// The images, where a bundle was given those of the bundle.
    images: ImageArgs,
    bundle: Option<Bundle>,
    /// The emulator's token, where one comes from here.
    token: Option<AuthToken>,
    app: &'a App,
    since: Instant,
    made: Mutex<Made>,
}

impl<'a> Up<'a> {
    fn new(args: &'a UpArgs, app: &'a App) -> Result<Self, CliError> {
        let (bundle, images) = images(args)?;
        let token = emulator::token(args, app)?;
        Ok(Self {
            images,
            bundle,
            token,
            args,
            app,
            since: Instant::now(),
            made: Mutex::default(),
        })
    }

    async fn run(&self) -> Result<ExitStatus, CliError> {
        if self.args.dry_run {
            self.base_credentials()?;
            return self.plan(&self.recipes().await?).await;
        }
        let (place, changes) = self.make_ready().await?;
        if self.args.switch_context {
            switch_to(&self.app.kubeconfigs(), &place.cluster.context)
                .attempting(|| format!("making {} the current context", place.cluster.context))?;
        }
        self.finish(&place, changes).await?;
        Ok(ExitStatus::Ok)
    }

    /// Everything but what is said at the end; answers how many objects were created or changed.
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
            return Err(error.next(format!("{} --timeout 15m", app.command("up"))));
        };
        let mut changes = applied?;
        self.wait(&place.cluster).await?;
        self.mind_host_port(&place).await;
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
