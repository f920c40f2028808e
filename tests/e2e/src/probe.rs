//! The probes of the testbed's SDK images, as Jobs: each asks STS who it is, takes one text through KMS and S3, and
//! prints one line of JSON.

use anyhow::{Context, Result, anyhow, ensure};
use irsa_emu_core::contract::DELIVERY;
use serde_json::{Value, json};

use crate::world::{World, eventually, text_at};

/// One run of a probe.
#[derive(Clone, Copy)]
pub(crate) struct Probe<'a> {
    /// Name of the Job; the bucket is named after it.
    pub(crate) name: &'a str,
    pub(crate) image: &'a str,
    /// What the image's entrypoint needs before the probe's own arguments.
    pub(crate) program: &'a [&'a str],
    pub(crate) service_account: &'a str,
    /// What the Pod's annotation asks for, if it has one.
    pub(crate) delivery: Option<&'a str>,
    pub(crate) env: &'a [(&'a str, &'a str)],
}

impl<'a> Probe<'a> {
    /// The AWS SDK for Python, in a Pod that says nothing of identity.
    pub(crate) fn python(world: &'a World, name: &'a str, service_account: &'a str) -> Self {
        Self {
            name,
            image: &world.sdk_image,
            program: &["/probe.py"],
            service_account,
            delivery: None,
            env: &[],
        }
    }

    /// Starts it. One of an earlier run on the same cluster proves nothing.
    pub(crate) fn start(&self, world: &World) -> Result<()> {
        world.kubectl(&["delete", "job", "-n", "e2e", self.name, "--ignore-not-found"])?;
        world.apply(&self.job().to_string())
    }

    /// What it printed. The Job must complete.
    pub(crate) fn answer(&self, world: &World) -> Result<Value> {
        self.answer_within(world, 90)
    }

    /// What it printed. The Job must complete within so many seconds.
    pub(crate) fn answer_within(&self, world: &World, seconds: u64) -> Result<Value> {
        eventually(&format!("the Job {} completes", self.name), seconds, || {
            let job = world.get(&["job", "-n", "e2e", self.name])?;
            ensure!(job["status"]["succeeded"] == 1, "{}", job["status"]);
            Ok(())
        })?;
        let log = world.kubectl(&["logs", "-n", "e2e", &format!("job/{}", self.name), "-c", "app"])?;
        answer_in(&log).with_context(|| format!("the probe {}", self.name))
    }

    /// Its Pod.
    pub(crate) fn pod(&self, world: &World) -> Result<Value> {
        let pods = world.get(&["pods", "-n", "e2e", "-l", &format!("job-name={}", self.name)])?;
        ensure!(!pods["items"][0].is_null(), "no Pod of the Job {}", self.name);
        Ok(pods["items"][0].clone())
    }

    fn job(&self) -> Value {
        let bucket = format!("e2e-{}", self.name);
        let args: Vec<&str> = self
            .program
            .iter()
            .copied()
            .chain(["alias/e2e", &bucket])
            .collect();
        let mut container =
            json!({"name": "app", "image": self.image, "imagePullPolicy": "Never", "args": args});
        // What the Pod does not need stays away, so that what is in it afterwards was injected.
        if !self.env.is_empty() {
            let variable = |(name, value): &(&str, &str)| json!({"name": name, "value": value});
            container["env"] = self.env.iter().map(variable).collect();
        }
        let mut metadata = json!({});
        if let Some(delivery) = self.delivery {
            metadata["annotations"] = json!({DELIVERY: delivery});
        }
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": self.name, "namespace": "e2e"},
            "spec": {"backoffLimit": 0, "template": {
                "metadata": metadata,
                "spec": {"serviceAccountName": self.service_account, "restartPolicy": "Never", "containers": [container]}
            }}
        })
    }
}

/// The response of a probe that printed this. Some SDKs print something of their own, too.
pub(crate) fn answer_in(log: &str) -> Result<Value> {
    let line = log
        .lines()
        .rfind(|line| line.starts_with('{'))
        .unwrap_or_default();
    serde_json::from_str(line).map_err(|_| anyhow!("it printed no JSON: {log}"))
}

/// Asserts that the probe ran as this role of the test's account and that KMS and S3 gave back what they got.
pub(crate) fn ensure_served(answer: &Value, role: &str) -> Result<()> {
    let session = format!("arn:aws:sts::123456789012:assumed-role/{role}/");
    ensure!(text_at(answer, "/arn")?.starts_with(&session), "{answer}");
    ensure!(text_at(answer, "/plaintext")? == "hello", "{answer}");
    ensure!(text_at(answer, "/s3")? == "hello", "{answer}");
    ensure!(text_at(answer, "/listed")? == "hello", "{answer}");
    Ok(())
}
