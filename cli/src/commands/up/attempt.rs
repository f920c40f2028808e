//! One run of `up`: its options, and what it made so far.

use std::sync::{Mutex, PoisonError};

use irsa_emu_cluster::images::{self, Bundle};
use irsa_emu_cluster::kubernetes::connect::Cluster;
use irsa_emu_cluster::local::family::Family;
use irsa_emu_install::objects::auth_token::AuthToken;
use tokio::time::Instant;

use super::options::UpArgs;
use super::token::token;
use crate::app::App;
use crate::error::CliError;
use crate::options::images::ImageArgs;
use irsa_emu_core::install::Backend;

/// What this run made, and would have to undo.
#[derive(Clone, Default)]
pub(super) enum Made {
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
    if args.install.backend == Backend::Emulator {
        images.emulator_image = reference(images::EMULATOR)?;
    }
    Ok((Some(bundle), images))
}

/// One run of `up`.
pub(super) struct Up<'a> {
    pub(super) args: &'a UpArgs,
    /// The images, where a bundle was given those of the bundle.
    pub(super) images: ImageArgs,
    pub(super) bundle: Option<Bundle>,
    /// The emulator's token, where one comes from here.
    pub(super) token: Option<AuthToken>,
    pub(super) app: &'a App,
    pub(super) since: Instant,
    made: Mutex<Made>,
}

impl<'a> Up<'a> {
    pub(super) fn new(args: &'a UpArgs, app: &'a App) -> Result<Self, CliError> {
        let (bundle, images) = images(args)?;
        let token = token(args, app)?;
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

    pub(super) fn deadline(&self) -> Instant {
        self.since + self.args.timeout
    }

    pub(super) fn made(&self) -> Made {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn record(&self, made: Made) {
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = made;
    }
}
