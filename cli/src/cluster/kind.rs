//! Clusters that kind makes. What kind says about success is not believed; see [`super::ready`].

use std::path::PathBuf;

use irsa_emu_core::contract::EMULATOR_NODE_PORT;
use minijinja::{Environment, UndefinedBehavior, context};

use crate::docker::Node;
use crate::error::{Code, ExitStatus, Hint};
use crate::exec::{CommandRunner, ExecError, Finished, Invocation};

const TEMPLATE: &str = include_str!("../../../templates/kind.yaml");

/// Why kind did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum KindError {
    /// It could not be run.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// It failed.
    #[error("`{line}` failed ({status}): {output}")]
    Failed {
        /// The command line.
        line: String,
        /// How it ended.
        status: String,
        /// The end of what it wrote.
        output: String,
    },
    /// Its configuration could not be written.
    #[error("the configuration for kind could not be rendered")]
    Template(#[from] minijinja::Error),
}

impl Hint for KindError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Exec(ExecError::NotFound(_)) => {
                Some("go install sigs.k8s.io/kind@latest  (or: irsa-emu up --context NAME, for a cluster that is there)".to_owned())
            }
            Self::Exec(_) | Self::Failed { .. } | Self::Template(_) => None,
        }
    }

    fn exit(&self) -> ExitStatus {
        match self {
            Self::Exec(ExecError::NotFound(_)) => ExitStatus::Prerequisite,
            Self::Exec(_) | Self::Failed { .. } | Self::Template(_) => ExitStatus::Failed,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Exec(ExecError::NotFound(_)) => Code::ToolMissing,
            Self::Exec(_) | Self::Failed { .. } => Code::ToolFailed,
            Self::Template(_) => Code::Failed,
        }
    }
}

/// The program kind.
pub struct Kind<'a> {
    runner: &'a dyn CommandRunner,
    kubeconfig: Option<PathBuf>,
}

impl<'a> Kind<'a> {
    /// Finds kind.
    pub fn find(runner: &'a dyn CommandRunner, kubeconfig: Option<PathBuf>) -> Result<Self, KindError> {
        match runner.find("kind") {
            Some(_) => Ok(Self { runner, kubeconfig }),
            None => Err(ExecError::NotFound("kind".to_owned()).into()),
        }
    }

    /// Whether a cluster of this name is there, whole or in parts.
    pub async fn has(&self, cluster: &str) -> Result<bool, KindError> {
        let finished = self
            .run(Invocation::new("kind", ["get", "clusters"]), &|_| ())
            .await?;
        Ok(finished.stdout.lines().any(|line| line.trim() == cluster))
    }

    /// Creates a cluster that publishes the emulator on this port of 127.0.0.1.
    pub async fn create(
        &self,
        cluster: &str,
        host_port: u16,
        node_image: Option<&str>,
        on_line: &(dyn for<'l> Fn(&'l str) + Sync),
    ) -> Result<(), KindError> {
        let mut args = vec!["create", "cluster", "--name", cluster, "--config", "-"];
        if let Some(image) = node_image {
            args.extend(["--image", image]);
        }
        let invocation = Invocation::new("kind", args).with_stdin(config(cluster, host_port)?);
        self.run(self.with_kubeconfig(invocation), on_line)
            .await
            .map(|_| ())
    }

    /// Writes the context of a cluster into the kubeconfig.
    pub async fn export_kubeconfig(&self, cluster: &str) -> Result<(), KindError> {
        let invocation = Invocation::new("kind", ["export", "kubeconfig", "--name", cluster]);
        self.run(self.with_kubeconfig(invocation), &|_| ())
            .await
            .map(|_| ())
    }

    /// Deletes a cluster, its containers, volumes and kubeconfig entries. One that is not there is no failure.
    pub async fn delete(&self, cluster: &str) -> Result<(), KindError> {
        let invocation = Invocation::new("kind", ["delete", "cluster", "--name", cluster]);
        self.run(self.with_kubeconfig(invocation), &|_| ())
            .await
            .map(|_| ())
    }

    fn with_kubeconfig(&self, mut invocation: Invocation) -> Invocation {
        if let Some(path) = &self.kubeconfig {
            invocation
                .args
                .extend(["--kubeconfig".to_owned(), path.display().to_string()]);
        }
        invocation
    }

    async fn run(
        &self,
        invocation: Invocation,
        on_line: &(dyn for<'l> Fn(&'l str) + Sync),
    ) -> Result<Finished, KindError> {
        let finished = self.runner.run(&invocation, on_line).await?;
        if finished.success {
            return Ok(finished);
        }
        let lines: Vec<&str> = finished
            .stderr
            .lines()
            .map(str::trim_end)
            .filter(|line| !line.is_empty())
            .collect();
        let output = lines[lines.len().saturating_sub(12)..].join("\n    ");
        Err(KindError::Failed {
            line: invocation.line(),
            status: finished.status,
            output,
        })
    }
}

/// The configuration of a cluster.
pub fn config(cluster: &str, host_port: u16) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let values = context! { name => cluster, node_port => EMULATOR_NODE_PORT, host_port => host_port };
    environment.render_str(TEMPLATE, values)
}

/// The port of 127.0.0.1 on which the nodes of a cluster publish the emulator.
#[must_use]
pub fn emulator_port(nodes: &[Node]) -> Option<u16> {
    let published = nodes.iter().flat_map(|node| &node.ports);
    published
        .filter(|(port, _, host)| *port == EMULATOR_NODE_PORT && *host != 0)
        .map(|(_, _, host)| *host)
        .next()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::exec::fake::{FakeRunner, fails, ok};

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

    #[test]
    fn the_template_renders_to_a_cluster_that_publishes_on_loopback_only() {
        let parsed: Config = serde_saphyr::from_str(&config("irsa-emu", 4566).unwrap()).unwrap();
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
                extra_port_mappings: vec![mapping]
            }]
        );
    }

    #[tokio::test]
    async fn kind_is_called_with_name_image_kubeconfig_and_configuration() {
        let runner = FakeRunner::answering([ok(""), ok("a\nirsa-emu\n"), ok("")]);
        let kind = Kind::find(&runner, Some("/k".into())).unwrap();
        kind.create("irsa-emu", 4566, Some("node:1"), &|_| ())
            .await
            .unwrap();
        assert!(kind.has("irsa-emu").await.unwrap());
        kind.delete("irsa-emu").await.unwrap();
        let expected = [
            "kind create cluster --name irsa-emu --config - --image node:1 --kubeconfig /k",
            "kind get clusters",
            "kind delete cluster --name irsa-emu --kubeconfig /k",
        ];
        assert_eq!(runner.lines(), expected);
        assert!(
            runner.asked.lock().unwrap()[0]
                .stdin
                .as_ref()
                .unwrap()
                .contains("hostPort: 4566")
        );
    }

    #[tokio::test]
    async fn the_end_of_what_kind_said_is_in_the_error() {
        let runner = FakeRunner::answering([fails("Creating\nERROR: port is taken\n")]);
        let kind = Kind::find(&runner, None).unwrap();
        let error = kind.create("a", 1, None, &|_| ()).await.unwrap_err().to_string();
        assert!(
            error.ends_with("failed (exit status: 1): Creating\n    ERROR: port is taken"),
            "{error}"
        );
    }

    #[test]
    fn without_kind_a_prerequisite_is_missing() {
        let runner = FakeRunner::default();
        let error = Kind::find(&runner, None).map(|_| ()).unwrap_err();
        assert_eq!(
            (error.exit(), error.to_string().as_str()),
            (ExitStatus::Prerequisite, "`kind` is not on PATH")
        );
    }

    #[test]
    fn the_published_port_is_found_among_others() {
        let node = |ports: &[(u16, u16)]| Node {
            id: "i".into(),
            name: "n".into(),
            running: true,
            ports: ports
                .iter()
                .map(|(port, host)| (*port, "127.0.0.1".to_owned(), *host))
                .collect(),
            volumes: vec![],
        };
        assert_eq!(
            emulator_port(&[node(&[(6443, 40_000)]), node(&[(30_566, 4567)])]),
            Some(4567)
        );
        assert_eq!(emulator_port(&[node(&[(6443, 40_000)])]), None);
    }
}
