//! Which cluster `up` works on.

use std::time::Duration;

use irsa_emu_core::contract::{INSTANCE_LABEL, NAMESPACE};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

use super::Up;
use super::options::ClusterFrom;
use crate::cluster::Family;
use crate::cluster::choice::{Choice, ChoiceError, Seen, choose};
use crate::cluster::provider::{self, Provider};
use crate::cluster::target::{Cluster, is_safe};
use crate::docker::Docker;
use crate::error::{Attempt, CliError, ExitStatus};

/// How long the cluster of the current context is asked; it may be gone for good.
const PATIENCE: Duration = Duration::from_secs(3);

impl Up<'_> {
    /// Chooses the cluster, and says which one and why.
    pub(super) async fn provider(&self) -> Result<Box<dyn Provider + '_>, CliError> {
        let app = self.app;
        let seen = self.seen().await?;
        let chosen = choose(self.args.cluster.asked(), &app.instance, &seen);
        let (choice, why) = chosen.map_err(|error| {
            let next = match &error {
                ChoiceError::Conflict { .. } => "irsa-emu up --context NAME",
                ChoiceError::NoContext => "kubectl config get-contexts",
            };
            CliError::new(ExitStatus::Usage, "choosing the cluster", error).next(next)
        })?;
        let provider = match &choice {
            Choice::Own(family) => provider::own(
                *family,
                &app.instance,
                app.runner.as_ref(),
                app.kubeconfig.as_deref(),
            ),
            Choice::Existing(context) => provider::existing(context),
        };
        if self.args.cluster == ClusterFrom::Auto && seen.named.is_none() {
            app.progress
                .note(&format!("using the {}: {why}", provider.title()));
            self.mention_current(&choice, &seen);
        }
        Ok(provider)
    }

    /// Says how to get the current cluster instead, where a new one is about to be made beside it.
    fn mention_current(&self, choice: &Choice, seen: &Seen) {
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

    async fn seen(&self) -> Result<Seen, CliError> {
        let app = self.app;
        let config = app
            .kubeconfigs()
            .read()
            .map_err(|error| CliError::new(ExitStatus::Usage, "choosing the cluster", error))?;
        let knows = |context: &str| config.contexts.iter().any(|found| found.name == context);
        let mut seen = Seen {
            named: app.context.clone(),
            own: Family::ALL
                .into_iter()
                .filter(|family| knows(&family.context(&app.instance)))
                .collect(),
            current: config.current_context.clone().filter(|current| knows(current)),
            current_has_install: false,
            programs: Family::ALL
                .into_iter()
                .filter(|family| app.runner.find(family.program()).is_some())
                .collect(),
        };
        if self.args.cluster != ClusterFrom::Auto || seen.named.is_some() || !seen.own.is_empty() {
            return Ok(seen);
        }
        if let Some(current) = seen.current.as_deref().filter(|current| is_safe(current)) {
            let asked = tokio::time::timeout(PATIENCE, self.has_install(current)).await;
            seen.current_has_install = asked.ok().flatten().unwrap_or_default();
        }
        if !seen.current_has_install {
            seen.own = self.own_in_docker().await?;
        }
        Ok(seen)
    }

    /// Whether the cluster of a context has this install.
    async fn has_install(&self, context: &str) -> Option<bool> {
        let cluster = Cluster::connect(&self.app.kubeconfigs(), context).await.ok()?;
        let namespace = Api::<Namespace>::all(cluster.client)
            .get_opt(NAMESPACE)
            .await
            .ok()?;
        let labels = namespace.and_then(|namespace| namespace.metadata.labels)?;
        Some(labels.get(INSTANCE_LABEL) == Some(&self.app.instance))
    }

    /// Own clusters that the kubeconfig has lost.
    async fn own_in_docker(&self) -> Result<Vec<Family>, CliError> {
        let docker = Docker::connect(self.app.runner.as_ref())
            .await
            .map_err(|error| CliError::hinted("finding Docker", error))?;
        let mut own = Vec::new();
        for family in Family::ALL {
            let nodes = docker.nodes(family, &self.app.instance).await;
            if !nodes.attempting(|| "listing the nodes".to_owned())?.is_empty() {
                own.push(family);
            }
        }
        Ok(own)
    }
}
