//! How `up` makes its own cluster: again if it differs from what is asked for, and whole if a run before was cut off.

use irsa_emu_cluster::docker::Docker;
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_cluster::kubernetes::POLL;
use irsa_emu_cluster::kubernetes::kubeconfig::CurrentContexts;
use irsa_emu_cluster::local::config_file::ConfigFile;
use irsa_emu_cluster::local::drift::{self, Asks};
use irsa_emu_cluster::local::family::Family;
use irsa_emu_cluster::local::nodes::Node;
use irsa_emu_cluster::local::provider::{ClusterProvider, Wanted};
use irsa_emu_cluster::local::{orphan, ownership};
use irsa_emu_cluster::progress::seconds;
use tokio::time::Instant;

use super::attempt::{Made, Up};
use super::place::nodes;
use crate::console::prompt::{self, YesArgs};
use crate::error::{Attempt, CliError};

impl Up<'_> {
    /// The containers of the cluster, when nobody is at work on it any more; none where it is to be made.
    pub(super) async fn settled(
        &self,
        provider: &dyn ClusterProvider,
        docker: &Docker,
    ) -> Result<Vec<Node>, CliError> {
        if self.app.state().is_begun() {
            self.wait_for_orphan(provider).await?;
        }
        let listed = provider
            .exists()
            .await
            .map_err(|error| CliError::hinted(format!("looking for the {}", provider.title()), error))?;
        let found = nodes(docker, provider).await?;
        let known = self.app.session.kubeconfigs().know(provider.context());
        // The context is the last thing that is written: with it, the creation came to its end.
        let half_made =
            self.app.state().is_begun() && !known.attempting(|| "reading the kubeconfig".to_owned())?;
        if (listed || !found.is_empty()) && half_made {
            self.app
                .progress
                .detail("an earlier run was cut off while it created the cluster: starting over");
            self.delete(provider).await?;
            return Ok(Vec::new());
        }
        Ok(if listed { found } else { Vec::new() })
    }

    /// Lets a program end its work that was started by a run that is gone.
    async fn wait_for_orphan(&self, provider: &dyn ClusterProvider) -> Result<(), CliError> {
        let Some((family, name)) = provider.containers() else {
            return Ok(());
        };
        let before = self.app.session.kubeconfigs().remember_current();
        let mut waited = false;
        while let Some(process) = orphan::creator(family, name) {
            waited = true;
            self.app.progress.detail(&format!(
                "process {process} of an earlier run still creates it: waiting for it to end"
            ));
            if Instant::now() >= self.deadline() {
                let why = format!(
                    "process {process}, which an earlier run started, was not done within {}",
                    seconds(self.args.timeout)
                );
                let attempted = format!("waiting for the {}", provider.title());
                return Err(
                    CliError::because(ExitStatus::Timeout, attempted, why).next(format!("kill {process}"))
                );
            }
            tokio::time::sleep(POLL).await;
        }
        if waited {
            self.keep_current(&before)
        } else {
            Ok(())
        }
    }

    /// The differences between the cluster and what is asked, as lines; an error where it may not be recreated.
    pub(super) async fn differences(
        &self,
        provider: &dyn ClusterProvider,
        found: &[Node],
    ) -> Result<Option<String>, CliError> {
        if found.is_empty() {
            return Ok(None);
        }
        let app = self.app;
        let asks = Asks {
            host_port: self.args.host_port,
            node_image: self.args.node_image.as_deref(),
        };
        let drift = drift::between(asks, found);
        if drift.is_empty() {
            return Ok(None);
        }
        let attempted = format!("using the existing {}", provider.title());
        let list: Vec<String> = drift.iter().map(|drift| format!("\n    {drift}")).collect();
        let list = list.concat();
        let why = format!("it differs from what you ask for:{list}");
        if !self.args.recreate && !self.is_asked_to_recreate(provider, found, &why).await {
            let asked: Vec<String> = drift
                .iter()
                .map(|drift| format!(" {} {}", drift.option, drift.wanted))
                .collect();
            let next = format!(
                "{}{} --recreate  (deletes the cluster and all that is in it)",
                app.session.command("up"),
                asked.concat()
            );
            return Err(CliError::because(ExitStatus::Unsafe, attempted, why)
                .code(Code::ClusterDiffers)
                .next(next));
        }
        let (kubeconfigs, context) = (app.session.kubeconfigs(), provider.context());
        if !ownership::made_by_up(&kubeconfigs, context, &app.session.instance, found).await {
            let why = format!("{why}\n  and irsa-emu did not create it, so it is not deleted");
            let next = format!("{} --delete-cluster", app.session.command("down"));
            return Err(CliError::because(ExitStatus::Unsafe, attempted, why)
                .code(Code::ClusterNotOurs)
                .next(next));
        }
        Ok(Some(list))
    }

    /// Asks, where somebody can be asked, whether a cluster that `up` made is to be deleted and recreated.
    async fn is_asked_to_recreate(&self, provider: &dyn ClusterProvider, found: &[Node], why: &str) -> bool {
        let app = self.app;
        if self.args.dry_run || !prompt::is_possible(&app.printer) {
            return false;
        }
        let (kubeconfigs, context) = (app.session.kubeconfigs(), provider.context());
        if !ownership::made_by_up(&kubeconfigs, context, &app.session.instance, found).await {
            return false;
        }
        app.progress.note(&format!("the {}: {why}", provider.title()));
        let question = "Delete it with all that is in it, and recreate it?";
        let yes = YesArgs { yes: false };
        let again = app.session.command("up");
        prompt::confirm(&app.printer, yes, question, "deleting it", &again)
            .await
            .is_ok()
    }

    /// Deletes the cluster if it differs from what is asked for; returns whether it did.
    pub(super) async fn replace_if_different(
        &self,
        provider: &dyn ClusterProvider,
        found: &[Node],
    ) -> Result<bool, CliError> {
        let Some(list) = self.differences(provider, found).await? else {
            return Ok(false);
        };
        self.app.progress.detail(&format!("recreating it:{list}"));
        self.delete(provider).await?;
        Ok(true)
    }

    async fn delete(&self, provider: &dyn ClusterProvider) -> Result<(), CliError> {
        let before = self.app.session.kubeconfigs().remember_current();
        provider
            .delete()
            .await
            .map_err(|error| CliError::hinted(format!("removing the {}", provider.title()), error))?;
        if before.in_force() != Some(provider.context()) {
            self.keep_current(&before)?;
        }
        Ok(())
    }

    /// The user's own configuration of the cluster.
    pub(super) fn cluster_config(
        &self,
        provider: &dyn ClusterProvider,
    ) -> Result<Option<ConfigFile>, CliError> {
        let Some(path) = self.args.cluster_config.clone() else {
            return Ok(None);
        };
        let config =
            ConfigFile::read(path).and_then(|config| config.require(family(provider)).map(|()| config));
        let config = config.map_err(|error| {
            let attempted = "reading the configuration of the cluster";
            CliError::new(ExitStatus::Usage, attempted, error).next("irsa-emu up --help")
        })?;
        Ok(Some(config))
    }

    pub(super) async fn create(
        &self,
        provider: &dyn ClusterProvider,
        port: u16,
        config: Option<&ConfigFile>,
    ) -> Result<(), CliError> {
        let (app, title) = (self.app, provider.title());
        let attempted = format!("creating the {title}");
        app.progress.step(&attempted);
        let before = app.session.kubeconfigs().remember_current();
        app.state().begin().attempting(|| attempted.clone())?;
        self.record(Made::HalfCluster(family(provider)));
        let wanted = Wanted {
            host_port: port,
            node_image: self.args.node_image.as_deref(),
            config,
            timeout: self.args.timeout,
        };
        let on_step = |step: &str| app.progress.detail(step);
        let created = tokio::time::timeout_at(self.deadline(), provider.create(wanted, &on_step)).await;
        // kind makes its context the current one, even where it fails later.
        self.keep_current(&before)?;
        match created {
            Ok(Ok(())) => {
                app.progress
                    .done(&format!("port {port} of 127.0.0.1 is the emulator's"));
                Ok(())
            }
            Ok(Err(error)) => Err(CliError::hinted(attempted, error)),
            Err(_) => {
                let why = format!("it was not done within {}", seconds(self.args.timeout));
                let next = format!("{} --timeout 15m", app.session.command("up"));
                Err(CliError::because(ExitStatus::Timeout, attempted, why).next(next))
            }
        }
    }

    /// Notes that the cluster is whole.
    pub(super) fn created(&self, provider: &dyn ClusterProvider) {
        self.record(Made::Cluster(family(provider)));
        self.app.state().end();
    }

    /// Puts the current context back, unless it was asked to become this cluster's.
    pub(super) fn keep_current(&self, before: &CurrentContexts) -> Result<(), CliError> {
        if self.args.switch_context {
            return Ok(());
        }
        let restored = before.restore();
        restored
            .attempting(|| "restoring the current context".to_owned())
            .map(|_| ())
    }
}

fn family(provider: &dyn ClusterProvider) -> Family {
    provider.containers().map_or(Family::Kind, |(family, _)| family)
}
