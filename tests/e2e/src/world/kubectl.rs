//! The cluster of the run, by kubectl.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::machine::{INSTANCE, World};
use super::program::{Said, run};

/// The kubeconfig context that kind makes for the cluster of the run.
pub(crate) const CONTEXT: &str = "kind-irsa-emu-e2e";

impl World {
    /// Runs kubectl, which must succeed, and returns what it printed.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Result<String> {
        Ok(self
            .program("kubectl", &[&["--context", CONTEXT], args].concat())?
            .code(0)?
            .out)
    }

    /// kubectl, to be started by the caller.
    pub(crate) fn kubectl_command(&self, args: &[&str]) -> Command {
        let mut command = self.command(Path::new("kubectl"));
        command.args(["--context", CONTEXT]).args(args);
        command
    }

    /// Runs kubectl with this input.
    pub(crate) fn kubectl_with(&self, args: &[&str], input: &str) -> Result<Said> {
        run(&mut self.kubectl_command(args), Some(input))
    }

    /// Applies objects.
    pub(crate) fn apply(&self, objects: &str) -> Result<()> {
        self.kubectl_with(&["apply", "-f", "-"], objects)?.code(0)?;
        Ok(())
    }

    /// An object as JSON.
    pub(crate) fn get(&self, args: &[&str]) -> Result<Value> {
        let text = self.kubectl(&[&["get", "-o", "json"], args].concat())?;
        serde_json::from_str(&text).context("kubectl's answer is not JSON")
    }

    /// Calls the API server directly, through which Services are reached, too. With a body it posts.
    pub(crate) fn raw(&self, path: &str, body: Option<&str>) -> Result<Value> {
        let mut command = self.command(Path::new("kubectl"));
        match body {
            Some(_) => command.args(["--context", CONTEXT, "create", "--raw", path, "-f", "-"]),
            None => command.args(["--context", CONTEXT, "get", "--raw", path]),
        };
        let text = run(&mut command, body)?.code(0)?.out;
        serde_json::from_str(&text).with_context(|| format!("{path} answered no JSON: {text}"))
    }

    /// Puts an image of the local Docker onto the node.
    pub(crate) fn load(&self, image: &str) -> Result<()> {
        self.program("kind", &["load", "docker-image", "--name", INSTANCE, image])?
            .code(0)?;
        Ok(())
    }
}
