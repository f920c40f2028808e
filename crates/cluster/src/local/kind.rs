//! Clusters that kind makes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use irsa_emu_core::contract::{EMULATOR_NODE_PORT, INSTANCE_LABEL};
use minijinja::context;

use super::provider::{ClusterProvider, Wanted};
use super::tool::{self, OnLine, ToolError};
use crate::exec::{CommandRunner, Invocation};
use crate::local::family::Family;

const TEMPLATE: &str = include_str!("../../../../templates/kind.yaml");

/// A cluster of kind.
pub struct KindProvider<'a> {
    cluster: String,
    context: String,
    runner: &'a dyn CommandRunner,
    kubeconfig: Option<PathBuf>,
}

impl<'a> KindProvider<'a> {
    /// The cluster of this name; kubeconfig entries go to this file, or where kind puts them.
    #[must_use]
    pub fn new(cluster: &str, runner: &'a dyn CommandRunner, kubeconfig: Option<&Path>) -> Self {
        Self {
            cluster: cluster.to_owned(),
            context: Family::Kind.context(cluster),
            runner,
            kubeconfig: kubeconfig.map(Path::to_owned),
        }
    }

    async fn run(&self, mut invocation: Invocation, on_line: &OnLine<'_>) -> Result<(), ToolError> {
        if let Some(path) = &self.kubeconfig {
            let path = path.display().to_string();
            invocation.args.extend(["--kubeconfig".to_owned(), path]);
        }
        tool::run(self.runner, &invocation, on_line).await.map(|_| ())
    }
}

#[async_trait]
impl ClusterProvider for KindProvider<'_> {
    fn title(&self) -> String {
        format!("kind cluster {}", self.cluster)
    }

    fn context(&self) -> &str {
        &self.context
    }

    fn containers(&self) -> Option<(Family, &str)> {
        Some((Family::Kind, &self.cluster))
    }

    fn is_own(&self) -> bool {
        true
    }

    fn require(&self) -> Result<(), ToolError> {
        tool::require(self.runner, Family::Kind)
    }

    async fn exists(&self) -> Result<bool, ToolError> {
        let finished = tool::run(
            self.runner,
            &Invocation::new("kind", ["get", "clusters"]),
            &|_| (),
        )
        .await?;
        Ok(finished.stdout.lines().any(|line| line.trim() == self.cluster))
    }

    async fn create(&self, wanted: Wanted<'_>, on_step: &OnLine<'_>) -> Result<(), ToolError> {
        let mut args = vec!["create", "cluster", "--name", &self.cluster, "--config", "-"];
        if let Some(image) = wanted.node_image {
            args.extend(["--image", image]);
        }
        let invocation = Invocation::new("kind", args).with_stdin(config(&self.cluster, wanted)?);
        let show = |line: &str| {
            // kind marks the beginning of a step so; the rest is for people who called kind themselves.
            if let Some(step) = line.trim_start().strip_prefix('•') {
                on_step(step.trim_matches(|c: char| !c.is_alphanumeric() && c != ')'));
            }
        };
        self.run(invocation, &show).await
    }

    async fn start(&self, _: Duration) -> Result<(), ToolError> {
        // Its containers are all there is to start.
        Ok(())
    }

    async fn write_context(&self) -> Result<(), ToolError> {
        let args = ["export", "kubeconfig", "--name", &self.cluster];
        self.run(Invocation::new("kind", args), &|_| ()).await
    }

    async fn delete(&self) -> Result<(), ToolError> {
        let args = ["delete", "cluster", "--name", &self.cluster];
        self.run(Invocation::new("kind", args), &|_| ()).await
    }
}

/// The configuration of a cluster.
fn config(cluster: &str, wanted: Wanted<'_>) -> Result<String, ToolError> {
    if let Some(own) = wanted.config {
        return Ok(serde_saphyr::to_string(&own.for_kind(cluster, wanted.host_port))?);
    }
    let values = context! {
        name => cluster,
        node_port => EMULATOR_NODE_PORT,
        host_port => wanted.host_port,
        instance_label => INSTANCE_LABEL,
    };
    Ok(tool::render(TEMPLATE, values)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::exec::fake::{FakeRunner, fails, ok};
    use crate::failure::{ExitStatus, Hint};

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Config {
        kind: String,
        api_version: String,
        name: String,
        nodes: Vec<ConfigNode>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct ConfigNode {
        role: String,
        labels: BTreeMap<String, String>,
        extra_port_mappings: Vec<Mapping>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Mapping {
        container_port: u16,
        host_port: u16,
        listen_address: String,
        protocol: String,
    }

    fn wanted(node_image: Option<&str>) -> Wanted<'_> {
        Wanted {
            host_port: 4566,
            node_image,
            config: None,
            timeout: Duration::from_mins(5),
        }
    }

    #[test]
    fn the_template_renders_to_a_labelled_cluster_that_publishes_on_loopback_only() {
        let parsed: Config = serde_saphyr::from_str(&config("irsa-emu", wanted(None)).unwrap()).unwrap();
        assert_eq!(
            (parsed.kind.as_str(), parsed.api_version.as_str()),
            ("Cluster", "kind.x-k8s.io/v1alpha4")
        );
        assert_eq!(parsed.name, "irsa-emu");
        let mapping = Mapping {
            container_port: 30_566,
            host_port: 4566,
            listen_address: "127.0.0.1".into(),
            protocol: "TCP".into(),
        };
        assert_eq!(
            parsed.nodes,
            [ConfigNode {
                role: "control-plane".into(),
                labels: BTreeMap::from([("irsa-emu.dev/instance".into(), "irsa-emu".into())]),
                extra_port_mappings: vec![mapping]
            }]
        );
    }

    #[tokio::test]
    async fn kind_is_called_with_name_image_kubeconfig_and_configuration() {
        let runner = FakeRunner::answering([ok(""), ok("a\nirsa-emu\n"), ok(""), ok("")]);
        let kind = KindProvider::new("irsa-emu", &runner, Some(Path::new("/k")));
        kind.create(wanted(Some("node:1")), &|_| ()).await.unwrap();
        assert!(kind.exists().await.unwrap());
        kind.write_context().await.unwrap();
        kind.delete().await.unwrap();
        let expected = [
            "kind create cluster --name irsa-emu --config - --image node:1 --kubeconfig /k",
            "kind get clusters",
            "kind export kubeconfig --name irsa-emu --kubeconfig /k",
            "kind delete cluster --name irsa-emu --kubeconfig /k",
        ];
        assert_eq!(runner.lines(), expected);
        let asked = runner.asked.lock().unwrap();
        assert!(asked[0].stdin.as_ref().unwrap().contains("hostPort: 4566"));
    }

    #[tokio::test]
    async fn the_end_of_what_kind_said_is_in_the_error() {
        let runner = FakeRunner::answering([fails("Creating\nERROR: port is taken\n")]);
        let kind = KindProvider::new("a", &runner, None);
        let error = kind.create(wanted(None), &|_| ()).await.unwrap_err().to_string();
        assert!(
            error.ends_with("failed (exit status: 1): Creating\n    ERROR: port is taken"),
            "{error}"
        );
    }

    #[test]
    fn without_kind_a_prerequisite_is_missing() {
        let runner = FakeRunner::default();
        let error = KindProvider::new("a", &runner, None).require().unwrap_err();
        assert_eq!(
            (error.exit(), error.to_string().as_str()),
            (ExitStatus::Prerequisite, "`kind` is not on PATH")
        );
    }
}
