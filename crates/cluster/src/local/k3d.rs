//! Clusters that k3d makes.

use std::time::Duration;

use async_trait::async_trait;
use irsa_emu_core::contract::{EMULATOR_NODE_PORT, INSTANCE_LABEL};
use minijinja::context;
use serde::Deserialize;

use super::provider::{ClusterProvider, Wanted};
use super::tool::{self, OnLine, ToolError};
use crate::exec::{CommandRunner, Invocation};
use crate::kubernetes::kubeconfig::Kubeconfigs;
use crate::local::family::Family;

const TEMPLATE: &str = include_str!("../../../../templates/k3d.yaml");
/// The variable that keeps colours out of k3d's log.
const COLORS: &str = "LOG_COLORS";
/// The variable with the file for k3d's kubeconfig entries; it accepts one file only.
const KUBECONFIG: &str = "KUBECONFIG";

/// A cluster of k3d.
pub struct K3dProvider<'a> {
    cluster: String,
    context: String,
    runner: &'a dyn CommandRunner,
    kubeconfigs: Kubeconfigs,
}

/// A cluster of `k3d cluster list -o json`, as far as it is read.
#[derive(Debug, Deserialize)]
struct Listed {
    name: String,
}

impl<'a> K3dProvider<'a> {
    /// The cluster of this name; kubeconfig entries go to one of these files.
    #[must_use]
    pub fn new(cluster: &str, runner: &'a dyn CommandRunner, kubeconfigs: &Kubeconfigs) -> Self {
        Self {
            cluster: cluster.to_owned(),
            context: Family::K3d.context(cluster),
            runner,
            kubeconfigs: kubeconfigs.clone(),
        }
    }

    /// Runs a command that changes the kubeconfig. k3d takes no lock.
    async fn run_on_kubeconfig(&self, args: &[&str]) -> Result<(), ToolError> {
        let invocation = k3d(args.iter().copied());
        let Some(file) = self.kubeconfigs.file_of(&self.context) else {
            return tool::run(self.runner, &invocation, &|_| ()).await.map(|_| ());
        };
        let invocation = invocation.with_env(KUBECONFIG, &file.display().to_string());
        let _locked = self.kubeconfigs.lock(&file)?;
        tool::run(self.runner, &invocation, &|_| ()).await.map(|_| ())
    }
}

#[async_trait]
impl ClusterProvider for K3dProvider<'_> {
    fn title(&self) -> String {
        format!("k3d cluster {}", self.cluster)
    }

    fn context(&self) -> &str {
        &self.context
    }

    fn containers(&self) -> Option<(Family, &str)> {
        Some((Family::K3d, &self.cluster))
    }

    fn is_own(&self) -> bool {
        true
    }

    fn require(&self) -> Result<(), ToolError> {
        tool::require(self.runner, Family::K3d)
    }

    async fn exists(&self) -> Result<bool, ToolError> {
        let invocation = k3d(["cluster", "list", "-o", "json"]);
        let finished = tool::run(self.runner, &invocation, &|_| ()).await?;
        let listed: Vec<Listed> =
            serde_json::from_str(&finished.stdout).map_err(|source| ToolError::Answer {
                line: invocation.line(),
                source,
            })?;
        Ok(listed.iter().any(|cluster| cluster.name == self.cluster))
    }

    async fn create(&self, wanted: Wanted<'_>, on_step: &OnLine<'_>) -> Result<(), ToolError> {
        let timeout = format!("{}s", wanted.timeout.as_secs());
        let args = [
            "cluster",
            "create",
            &self.cluster,
            "--config",
            "-",
            "--wait",
            "--timeout",
            &timeout,
        ];
        let invocation = k3d(args).with_stdin(config(&self.cluster, wanted)?);
        let show = |line: &str| {
            if let Some(step) = message(line) {
                on_step(step);
            }
        };
        tool::run(self.runner, &invocation, &show).await?;
        self.write_context().await
    }

    async fn start(&self, timeout: Duration) -> Result<(), ToolError> {
        let timeout = format!("{}s", timeout.as_secs());
        let args = ["cluster", "start", &self.cluster, "--wait", "--timeout", &timeout];
        tool::run(self.runner, &k3d(args), &|_| ()).await.map(|_| ())
    }

    async fn write_context(&self) -> Result<(), ToolError> {
        let args = [
            "kubeconfig",
            "merge",
            &self.cluster,
            "--kubeconfig-merge-default",
            "--kubeconfig-switch-context=false",
        ];
        self.run_on_kubeconfig(&args).await
    }

    async fn delete(&self) -> Result<(), ToolError> {
        let before = self.kubeconfigs.remember_current();
        let deleted = self
            .run_on_kubeconfig(&["cluster", "delete", &self.cluster])
            .await;
        // Where its own context was the current one, k3d makes any other the current one.
        before.without(&self.context).restore_exactly()?;
        deleted
    }
}

/// k3d with these arguments.
fn k3d<'a>(args: impl IntoIterator<Item = &'a str>) -> Invocation {
    Invocation::new("k3d", args).with_env(COLORS, "false")
}

/// The message in a line of k3d's log: `time="..." level=info msg="..."`.
fn message(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(" msg=\"")?;
    rest.trim_end().strip_suffix('"')
}

/// The configuration of a cluster.
fn config(cluster: &str, wanted: Wanted<'_>) -> Result<String, ToolError> {
    if let Some(own) = wanted.config {
        let value = own.for_k3d(cluster, wanted.host_port, wanted.node_image);
        return Ok(serde_saphyr::to_string(&value)?);
    }
    let values = context! {
        name => cluster,
        image => wanted.node_image,
        node_port => EMULATOR_NODE_PORT,
        host_port => wanted.host_port,
        instance_label => INSTANCE_LABEL,
    };
    Ok(tool::render(TEMPLATE, values)?)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::exec::fake::{FakeRunner, fails, ok};

    fn wanted(node_image: Option<&str>) -> Wanted<'_> {
        Wanted {
            host_port: 4566,
            node_image,
            config: None,
            timeout: Duration::from_mins(5),
        }
    }

    fn kubeconfigs(folder: &tempfile::TempDir) -> Kubeconfigs {
        Kubeconfigs::in_force(Some(&folder.path().join("config")))
    }

    #[test]
    fn the_template_renders_to_a_labelled_cluster_that_publishes_on_loopback_only() {
        let parsed: Value =
            serde_saphyr::from_str(&config("x", wanted(Some("rancher/k3s:v1"))).unwrap()).unwrap();
        assert_eq!(parsed["metadata"]["name"], "x");
        assert_eq!(parsed["image"], "rancher/k3s:v1");
        assert_eq!(parsed["kubeAPI"]["hostIP"], "127.0.0.1");
        assert_eq!(parsed["ports"][0]["port"], "127.0.0.1:4566:30566");
        let label = "irsa-emu.dev/instance=x";
        assert_eq!(parsed["options"]["runtime"]["labels"][0]["label"], label);
        assert_eq!(parsed["options"]["k3s"]["nodeLabels"][0]["label"], label);
        assert_eq!(parsed["options"]["kubeconfig"]["updateDefaultKubeconfig"], false);
        let parsed: Value = serde_saphyr::from_str(&config("x", wanted(None)).unwrap()).unwrap();
        assert!(parsed.get("image").is_none());
    }

    #[tokio::test]
    async fn k3d_is_called_with_its_documented_command_lines() {
        let folder = tempfile::tempdir().unwrap();
        let list = r#"[{"name":"other"},{"name":"x","nodes":[]}]"#;
        let runner = FakeRunner::answering([ok(list), ok(""), ok(""), ok(""), ok("")]);
        let k3d = K3dProvider::new("x", &runner, &kubeconfigs(&folder));
        assert!(k3d.exists().await.unwrap());
        k3d.create(wanted(None), &|_| ()).await.unwrap();
        k3d.start(Duration::from_mins(1)).await.unwrap();
        k3d.delete().await.unwrap();
        let expected = [
            "k3d cluster list -o json",
            "k3d cluster create x --config - --wait --timeout 300s",
            "k3d kubeconfig merge x --kubeconfig-merge-default --kubeconfig-switch-context=false",
            "k3d cluster start x --wait --timeout 60s",
            "k3d cluster delete x",
        ];
        assert_eq!(runner.lines(), expected);
        let file = folder.path().join("config").display().to_string();
        let asked = runner.asked.lock().unwrap();
        for at in [2, 4] {
            assert!(asked[at].env.contains(&("KUBECONFIG".to_owned(), file.clone())));
        }
    }

    #[tokio::test]
    async fn a_current_context_that_k3d_changes_comes_back_and_its_own_is_not_replaced_by_another() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        let runner = FakeRunner::answering([ok(""), ok("")]);
        let k3d = K3dProvider::new("x", &runner, &kubeconfigs(&folder));
        for (before, after) in [("prod", "prod"), ("k3d-x", "")] {
            std::fs::write(&file, format!("current-context: {before}\n")).unwrap();
            let path = file.clone();
            runner.on_run(move || std::fs::write(&path, "current-context: random\n").unwrap());
            k3d.delete().await.unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            assert_eq!(text, format!("current-context: \"{after}\"\n"));
        }
    }

    #[test]
    fn the_message_is_taken_out_of_a_line_of_the_log() {
        let line = "time=\"2026-11-25T20:48:19Z\" level=info msg=\"Starting cluster 'clk'\"";
        assert_eq!(message(line), Some("Starting cluster 'clk'"));
        assert_eq!(message("no log"), None);
    }

    #[tokio::test]
    async fn words_that_are_no_json_are_an_error_and_so_is_a_failure() {
        let folder = tempfile::tempdir().unwrap();
        let runner = FakeRunner::answering([ok("NAME SERVERS"), fails("FATA[0000] no docker\n")]);
        let k3d = K3dProvider::new("x", &runner, &kubeconfigs(&folder));
        assert!(matches!(k3d.exists().await, Err(ToolError::Answer { .. })));
        let error = k3d.exists().await.unwrap_err().to_string();
        assert!(error.ends_with("FATA[0000] no docker"), "{error}");
    }
}
