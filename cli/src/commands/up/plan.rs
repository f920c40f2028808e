//! `irsa-emu up --dry-run`: what would be made or changed.

use irsa_emu_cluster::docker::Docker;
use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_cluster::images::{self, Sources};
use irsa_emu_cluster::kubernetes::apply;
use irsa_emu_cluster::kubernetes::apply::Applied;
use irsa_emu_cluster::kubernetes::connect::{Cluster, require_safe};
use irsa_emu_cluster::local::nodes::Node;
use irsa_emu_cluster::local::provider::ClusterProvider;
use irsa_emu_core::install::Backend;
use irsa_emu_install::objects::auth_token::AuthToken;
use irsa_emu_install::session::connecting;
use serde::Serialize;

use super::attempt::Up;
use super::place::nodes;
use super::recipes::Wanted;
use crate::error::{Attempt, CliError};

/// What would be done.
#[derive(Debug, Default, Serialize)]
struct ChangePlan {
    context: String,
    changes: Vec<Change>,
}

/// One thing that would be made or changed.
#[derive(Debug, Serialize)]
struct Change {
    action: &'static str,
    what: String,
}

impl ChangePlan {
    fn add(&mut self, action: &'static str, what: impl Into<String>) {
        let what = what.into();
        self.changes.push(Change { action, what });
    }
}

impl Up<'_> {
    /// Prints what would be made or changed, and changes nothing.
    pub(super) async fn plan(&self, recipes: &[Wanted]) -> Result<ExitStatus, CliError> {
        let app = self.app;
        let provider = self.provider().await?;
        app.progress.step("checking what exists");
        let sources = self.images.sources().await?;
        let mut plan = ChangePlan {
            context: provider.context().to_owned(),
            ..ChangePlan::default()
        };
        let there = self.plan_cluster(provider.as_ref(), &mut plan).await?;
        match there {
            Some((docker, nodes)) => {
                self.plan_inside(provider.as_ref(), &sources, docker.as_ref(), &nodes, &mut plan)
                    .await?;
            }
            None => self.plan_all(&sources, &mut plan)?,
        }
        for recipe in recipes {
            plan.add("apply", recipe.title());
        }
        app.progress.done(&match plan.changes.len() {
            0 => "nothing to do".to_owned(),
            count => format!("{count} to do"),
        });
        app.answer(&plan, |printer| {
            for change in &plan.changes {
                printer.data(&format!("{} {}", change.action, change.what));
            }
        })?;
        Ok(if self.args.detailed_exitcode && !plan.changes.is_empty() {
            ExitStatus::Pending
        } else {
            ExitStatus::Ok
        })
    }

    /// Looks at the cluster; returns its containers, or nothing where it would be made first.
    async fn plan_cluster(
        &self,
        provider: &dyn ClusterProvider,
        plan: &mut ChangePlan,
    ) -> Result<Option<(Option<Docker>, Vec<Node>)>, CliError> {
        let docker = Docker::connect(self.app.session.runner.as_ref()).await;
        if !provider.is_own() {
            self.app.session.require_context(provider.context())?;
            require_safe(provider.context(), &self.app.session.allowed_contexts)?;
            let docker = docker.ok();
            let found = match &docker {
                Some(docker) => nodes(docker, provider).await?,
                None => Vec::new(),
            };
            return Ok(Some((docker, found)));
        }
        let docker = docker.map_err(|error| CliError::hinted("finding Docker", error))?;
        provider
            .require()
            .map_err(|error| CliError::hinted("finding the provider of the cluster", error))?;
        self.cluster_config(provider)?;
        let found = nodes(&docker, provider).await?;
        if found.is_empty() {
            plan.add("create", provider.title());
            return Ok(None);
        }
        if self.differences(provider, &found).await?.is_some() {
            plan.add("recreate", provider.title());
            return Ok(None);
        }
        if found.iter().any(|node| !node.running) {
            plan.add("start", provider.title());
            return Ok(None);
        }
        Ok(Some((Some(docker), found)))
    }

    /// What would come into a cluster that cannot be asked.
    fn plan_all(&self, sources: &Sources, plan: &mut ChangePlan) -> Result<(), CliError> {
        for reference in self.references(sources) {
            plan.add("load", reference);
        }
        let install = self
            .install(sources, None, self.args.host_port)
            .with_token(self.token.as_ref().map(AuthToken::mark));
        for manifest in self
            .manifests(&install)
            .attempting(|| "planning the objects".to_owned())?
        {
            plan.add("apply", manifest.title());
        }
        Ok(())
    }

    /// What would change in a cluster that responds.
    async fn plan_inside(
        &self,
        provider: &dyn ClusterProvider,
        sources: &Sources,
        docker: Option<&Docker>,
        nodes: &[Node],
        plan: &mut ChangePlan,
    ) -> Result<(), CliError> {
        let context = provider.context();
        let cluster = Cluster::connect(&self.app.session.kubeconfigs(), context)
            .await
            .map_err(|error| CliError::hinted(connecting(context), error))?;
        if let Some(docker) = docker {
            for reference in self.references(sources) {
                for node in nodes.iter().filter(|node| node.runs_pods) {
                    let found = images::id_on(docker, node, &reference).await;
                    if found.attempting(|| format!("looking for {reference}"))?.is_none() {
                        plan.add("load", format!("{reference} on {}", node.name));
                    }
                }
            }
        }
        let host_port = match docker {
            Some(docker) => self.plan_host_port(&cluster.context, docker, nodes, plan).await?,
            None => None,
        };
        let attempted = || format!("asking the cluster of context `{}`", cluster.context);
        let install = self
            .install(sources, Some(&cluster), host_port)
            .with_token(self.token_mark(&cluster).await?);
        for manifest in self.manifests(&install).attempting(attempted)? {
            match apply::foresee(&cluster.client, &manifest)
                .await
                .attempting(attempted)?
            {
                Applied::Created => plan.add("create", manifest.title()),
                Applied::Changed => plan.add("change", manifest.title()),
                Applied::Unchanged => {}
            }
        }
        Ok(())
    }

    /// The port of this machine for the emulator afterwards.
    async fn plan_host_port(
        &self,
        context: &str,
        docker: &Docker,
        nodes: &[Node],
        plan: &mut ChangePlan,
    ) -> Result<Option<u16>, CliError> {
        if nodes.is_empty() {
            return Ok(None);
        }
        let host_port = self.host_port(context, docker, nodes).await?;
        let (change, port) = self.foresee(docker, &host_port).await;
        if let Some(change) = change {
            plan.add(change, format!("container {}", host_port.container()));
        }
        Ok(port)
    }

    fn references(&self, sources: &Sources) -> Vec<String> {
        let mut references = vec![
            sources.webhook.reference().to_owned(),
            sources.sidecar.reference().to_owned(),
        ];
        if self.args.install.backend == Backend::Emulator {
            references.push(self.images.emulator_image.clone());
        }
        references
    }
}
