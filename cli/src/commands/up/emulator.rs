//! What the emulator's container gets beside its image: variables, and the token of a licence.

use super::{Up, UpArgs};
use crate::app::App;
use crate::cluster::target::Cluster;
use crate::error::{Attempt, CliError, ExitStatus};
use crate::manifests::auth_token::{self, AUTH_TOKEN, AuthToken};
use crate::manifests::options::BackendKind;
use crate::manifests::{ApplyError, Install, Manifest};

/// Refuses what the container must not get, before anything is made; reads a token that comes from here.
pub(super) fn token(args: &UpArgs, app: &App) -> Result<Option<AuthToken>, CliError> {
    if args.install.backend != BackendKind::Emulator {
        return Ok(None);
    }
    let up = app.command("up");
    if let Some(why) = args.emulator.refused() {
        let attempted = "reading the variables for the emulator";
        return Err(CliError::because(ExitStatus::Usage, attempted, why).next(format!("{up} --help")));
    }
    let file = args.emulator_auth_token_file.as_deref();
    AuthToken::read(file, std::env::var(AUTH_TOKEN).ok()).map_err(|error| {
        let attempted = "reading the token of the emulator";
        CliError::new(ExitStatus::Usage, attempted, error)
            .next(format!("{up} --emulator-auth-token-file FILE"))
    })
}

impl Up<'_> {
    /// What the emulator's token is known by: the one from here, else the one that the cluster keeps.
    pub(super) async fn token_mark(&self, cluster: &Cluster) -> Result<Option<String>, CliError> {
        if self.args.install.backend != BackendKind::Emulator {
            return Ok(None);
        }
        match &self.token {
            Some(token) => Ok(Some(token.mark())),
            None => auth_token::kept(&cluster.client).await.attempting(|| {
                format!(
                    "looking for the token of the emulator in the cluster of context `{}`",
                    cluster.context
                )
            }),
        }
    }

    /// All objects, each after those it needs: the token is there before the Pod that reads it.
    pub(super) fn manifests(&self, install: &Install) -> Result<Vec<Manifest>, ApplyError> {
        let mut manifests = install.manifests()?;
        if let Some(token) = &self.token {
            // Behind the Namespace.
            manifests.insert(1, token.manifest(install)?);
        }
        Ok(manifests)
    }
}
