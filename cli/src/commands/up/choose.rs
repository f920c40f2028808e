//! Which cluster `up` works on.

use std::time::Duration;

use irsa_emu_cluster::docker::Docker;
use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_cluster::kubernetes::connect::{Cluster, is_safe};
use irsa_emu_cluster::local;
use irsa_emu_cluster::local::choice::{Candidates, Choice, ChoiceError, choose};
use irsa_emu_cluster::local::family::Family;
use irsa_emu_cluster::local::provider::ClusterProvider;
use irsa_emu_core::contract::{INSTANCE_LABEL, NAMESPACE};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

use super::attempt::Up;
use crate::error::{Attempt, CliError};
use crate::options::words::ClusterFrom;

/// How long the cluster of the current context is asked; it may be gone for good.
const CURRENT_CONTEXT_TIMEOUT: Duration = Duration::from_secs(3);

impl Up<'_> {
    /// Chooses the cluster, and reports which one and why.
    pub(super) async fn provider(&self) -> Result<Box<dyn ClusterProvider + '_>, CliError> {
        let app = self.app;
        let seen = self.seen().await?;
        let chosen = choose(self.args.cluster.asked(), &app.session.instance, &seen);
        let (choice, why) = chosen.map_err(|error| {
            let next = match &error {
                ChoiceError::Conflict { .. } => "irsa-emu up --context NAME",
                ChoiceError::NoContext => "kubectl config get-contexts",
            };
            CliError::new(ExitStatus::Usage, "choosing the cluster", error).next(next)
        })?;
        let provider = match &choice {
            Choice::Own(family) => local::own(
                *family,
                &app.session.instance,
                app.session.runner.as_ref(),
                app.session.kubeconfig.as_deref(),
            ),
            Choice::Existing(context) => local::existing(context),
        };
        if self.args.cluster == ClusterFrom::Auto && seen.named.is_none() {
            app.progress
                .note(&format!("using the {}: {why}", provider.title()));
            self.mention_current(&choice, &seen);
        }
        Ok(provider)
    }

    /// Prints how to use the current cluster instead, if a new one is about to be made beside it.
    fn mention_current(&self, choice: &Choice, seen: &Candidates) {
        let makes_one = matches!(choice, Choice::Own(_)) && seen.own.is_empty();
        if let Some(current) = seen
            .current
            .as_deref()
            .filter(|current| makes_one && is_safe(current))
        {
            self.app.progress.note(&format!(
                "the current context {current} is left alone; to install there: irsa-emu up --context {current}"
            ));
        }
    }

    async fn seen(&self) -> Result<Candidates, CliError> {
        let app = self.app;
        let config = app
            .session
            .kubeconfigs()
            .read()
            .map_err(|error| CliError::new(ExitStatus::Usage, "choosing the cluster", error))?;
        let knows = |context: &str| config.contexts.iter().any(|found| found.name == context);
        let mut seen = Candidates {
            named: app.session.context.clone(),
            own: Family::ALL
                .into_iter()
                .filter(|family| knows(&family.context(&app.session.instance)))
                .collect(),
            current: config.current_context.clone().filter(|current| knows(current)),
            current_has_install: false,
            programs: Family::ALL
                .into_iter()
                .filter(|family| app.session.runner.find(family.program()).is_some())
                .collect(),
        };
        if self.args.cluster != ClusterFrom::Auto || seen.named.is_some() || !seen.own.is_empty() {
            return Ok(seen);
        }
        if let Some(current) = seen.current.as_deref().filter(|current| is_safe(current)) {
            let asked = tokio::time::timeout(CURRENT_CONTEXT_TIMEOUT, self.has_install(current)).await;
            seen.current_has_install = asked.ok().flatten().unwrap_or_default();
        }
        if !seen.current_has_install {
            seen.own = self.own_in_docker().await?;
        }
        Ok(seen)
    }

    /// Whether the cluster of a context has this install.
    async fn has_install(&self, context: &str) -> Option<bool> {
        let cluster = Cluster::connect(&self.app.session.kubeconfigs(), context)
            .await
            .ok()?;
        let namespace = Api::<Namespace>::all(cluster.client)
            .get_opt(NAMESPACE)
            .await
            .ok()?;
        let labels = namespace.and_then(|namespace| namespace.metadata.labels)?;
        Some(labels.get(INSTANCE_LABEL) == Some(&self.app.session.instance))
    }

    /// Own clusters that the kubeconfig has lost.
    async fn own_in_docker(&self) -> Result<Vec<Family>, CliError> {
        let docker = Docker::connect(self.app.session.runner.as_ref())
            .await
            .map_err(|error| CliError::hinted("finding Docker", error))?;
        let mut own = Vec::new();
        for family in Family::ALL {
            let nodes = docker.nodes(family, &self.app.session.instance).await;
            if !nodes.attempting(|| "listing the nodes".to_owned())?.is_empty() {
                own.push(family);
            }
        }
        Ok(own)
    }
}
