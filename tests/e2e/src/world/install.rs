//! The install: the Deployments of the webhook and of the emulator, and their Pods.

use anyhow::{Context, Result, ensure};
use irsa_emu_core::contract::{EMULATOR, NAMESPACE};
use serde_json::Value;

use super::machine::World;
use super::wait::eventually;

/// Label of the Pods of a Deployment of the install; its value is the Deployment's name.
pub(crate) const PART_LABEL: &str = "app.kubernetes.io/name";

/// Selects the Pods of a Deployment of the install.
pub(crate) fn selector(part: &str) -> String {
    format!("{PART_LABEL}={part}")
}

impl World {
    /// Runs kubectl in the Namespace of the install, as [`World::kubectl`] does.
    pub(crate) fn in_install(&self, args: &[&str]) -> Result<String> {
        self.kubectl(&[&["-n", NAMESPACE], args].concat())
    }

    /// An object in the Namespace of the install, as JSON.
    pub(crate) fn get_in_install(&self, args: &[&str]) -> Result<Value> {
        self.get(&[&["-n", NAMESPACE], args].concat())
    }

    /// The Pods of a Deployment of the install, those that end among them.
    pub(crate) fn pods_of(&self, part: &str) -> Result<Vec<Value>> {
        let mut pods = self.get_in_install(&["pods", "-l", &selector(part)])?;
        let items = pods["items"].as_array_mut().context("a list of Pods")?;
        Ok(std::mem::take(items))
    }

    /// The log of the webhook's or of the emulator's Pods, with these options.
    pub(crate) fn logs_of(&self, part: &str, options: &[&str]) -> Result<String> {
        self.in_install(&[&["logs", "-l", &selector(part)], options].concat())
    }

    /// Scales a Deployment of the install, and waits for nothing.
    pub(crate) fn scale(&self, part: &str, replicas: u64) -> Result<()> {
        let replicas = format!("--replicas={replicas}");
        self.in_install(&["scale", &format!("deployment/{part}"), &replicas])?;
        Ok(())
    }

    /// Scales a Deployment of the install to 0, and waits until its last Pod is gone.
    pub(crate) fn scale_down(&self, part: &str) -> Result<()> {
        self.scale(part, 0)?;
        self.has_pods(part, 0)
    }

    /// Scales a Deployment of the install, and waits until so many Pods are Ready.
    pub(crate) fn scale_up(&self, part: &str, replicas: u64) -> Result<()> {
        self.scale(part, replicas)?;
        self.until_rolled_out(part)
    }

    /// Runs a step without any Pod of this Deployment of the install, and scales it up as it was, whatever comes of the step.
    pub(crate) fn without<T>(&self, part: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        let replicas = self.replicas(part)?;
        let outcome = self.scale_down(part).and_then(|()| step());
        let restored = self.scale_up(part, replicas);
        let outcome = outcome?;
        restored.map(|()| outcome)
    }

    /// Replaces the Pods of a Deployment of the install, and waits until the old ones are gone.
    pub(crate) fn roll_out(&self, part: &str) -> Result<()> {
        self.in_install(&["rollout", "restart", &format!("deployment/{part}")])?;
        self.until_rolled_out(part)
    }

    /// Waits until a Deployment of the install has all its Pods, and none of before.
    pub(crate) fn until_rolled_out(&self, part: &str) -> Result<()> {
        let deployment = format!("deployment/{part}");
        self.in_install(&["rollout", "status", &deployment, "--timeout=120s"])?;
        self.has_pods(part, self.replicas(part)?)
    }

    fn replicas(&self, part: &str) -> Result<u64> {
        let deployment = self.get_in_install(&["deployment", part])?;
        let replicas = deployment["spec"]["replicas"].as_u64();
        replicas.with_context(|| format!("{part} has no number of replicas"))
    }

    fn has_pods(&self, part: &str, wanted: u64) -> Result<()> {
        eventually(&format!("{part} has {wanted} Pods"), 60, || {
            let count = self.pods_of(part)?.len() as u64;
            ensure!(count == wanted, "it has {count}");
            Ok(())
        })
    }

    /// Ends the emulator's only Pod, and with it all that it remembers; waits until the next one is Ready.
    pub(crate) fn restart_emulator(&self) -> Result<()> {
        let label = selector(EMULATOR);
        let uids = |pods: &[Value]| -> Vec<Value> {
            pods.iter().map(|pod| pod["metadata"]["uid"].clone()).collect()
        };
        let before = uids(&self.pods_of(EMULATOR)?);
        self.in_install(&["delete", "pod", "-l", &label])?;
        eventually("the emulator's next Pod is Ready", 180, || {
            let pods = self.pods_of(EMULATOR)?;
            let is_new = !pods.is_empty() && uids(&pods).iter().all(|uid| !before.contains(uid));
            ensure!(is_new, "{} Pods, of them old ones", pods.len());
            let ready = "--for=condition=Ready";
            self.in_install(&["wait", ready, "pod", "-l", &label, "--timeout=5s"])
        })?;
        Ok(())
    }
}
