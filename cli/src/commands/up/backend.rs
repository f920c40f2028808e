//! What the credentials of Pods are good for: the emulator that `up` deploys, or real AWS.

use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_cluster::kubernetes::apply::{self, Applied};
use irsa_emu_cluster::kubernetes::connect::Cluster;
use irsa_emu_core::contract::{AWS_CREDENTIALS_SECRET, NAMESPACE};
use irsa_emu_core::install::Backend;
use irsa_emu_install::objects::base_credentials::{self, BaseCredentials};
use irsa_emu_install::objects::install::Install;
use irsa_emu_install::removal;

use super::attempt::Up;
use crate::error::{Attempt, CliError};
use crate::options::words::BaseCredentialsFrom;

const ATTEMPTED: &str = "choosing the backend";

impl Up<'_> {
    /// Refuses options that do not go together, before anything is made; reads base credentials that come from here.
    pub(super) fn base_credentials(&self) -> Result<Option<BaseCredentials>, CliError> {
        let args = self.args;
        let wrong = |why: &str| {
            Err(CliError::because(ExitStatus::Usage, ATTEMPTED, why)
                .next(format!("{} --backend aws", self.app.session.command("up"))))
        };
        if let Some(why) = args.install.contradiction() {
            return wrong(why);
        }
        let from_here = args.base_credentials == BaseCredentialsFrom::Env;
        if args.install.backend == Backend::Emulator {
            return if from_here {
                wrong("--base-credentials goes with --backend aws")
            } else {
                Ok(None)
            };
        }
        if !from_here {
            return Ok(None);
        }
        let read = BaseCredentials::from_variables(|name| std::env::var(name).ok());
        let credentials = read.map_err(|error| {
            CliError::new(
                ExitStatus::Prerequisite,
                "reading the base credentials for real AWS",
                error,
            )
            .next(r#"eval "$(aws configure export-credentials --format env)""#)
        })?;
        Ok(Some(credentials))
    }

    /// What backend `aws` needs beside the objects that every install has. Returns how much was changed.
    pub(super) async fn prepare_aws(
        &self,
        cluster: &Cluster,
        install: &Install,
        credentials: Option<&BaseCredentials>,
    ) -> Result<usize, CliError> {
        let client = &cluster.client;
        let attempted = || {
            format!(
                "preparing real AWS in the cluster of context `{}`",
                cluster.context
            )
        };
        let mut changes = 0;
        if let Some(credentials) = credentials {
            let manifest = credentials.manifest(install).attempting(attempted)?;
            let applied = apply::apply(client, &manifest).await.attempting(attempted)?;
            changes += usize::from(applied != Applied::Unchanged);
        }
        if !base_credentials::are_there(client).await.attempting(attempted)? {
            let why = format!(
                "the Secret {NAMESPACE}/{AWS_CREDENTIALS_SECRET} with the base credentials is not there"
            );
            let next = format!(
                "{} --backend aws --base-credentials env",
                self.app.session.command("up")
            );
            return Err(CliError::because(ExitStatus::Prerequisite, attempted(), why).next(next));
        }
        // An emulator that nobody asks any more would look as if it counted.
        changes += removal::emulator(client, &install.settings.instance)
            .await
            .attempting(attempted)?;
        Ok(changes)
    }
}
