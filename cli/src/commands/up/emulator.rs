//! What the emulator's container gets beside its image: variables, and the token of a licence.

use irsa_emu_cluster::kubernetes::apply::{ApplyError, Manifest};
use irsa_emu_cluster::kubernetes::connect::Cluster;
use irsa_emu_core::install::Backend;
use irsa_emu_install::objects::auth_token;
use irsa_emu_install::objects::install::Install;

use super::attempt::Up;
use crate::error::{Attempt, CliError};

impl Up<'_> {
    /// What the emulator's token is known by: the one from here, else the one that the cluster keeps.
    pub(super) async fn token_mark(&self, cluster: &Cluster) -> Result<Option<String>, CliError> {
        if self.args.install.backend != Backend::Emulator {
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
