//! The install as the steps expect it, from the begin of a run to its end.
#![expect(
    clippy::print_stdout,
    reason = "the state of the cluster is printed when a step fails"
)]

use anyhow::Result;
use irsa_emu_core::contract::{EMULATOR, NAMESPACE, WEBHOOK};

use super::install::selector;
use super::kubectl::CONTEXT;
use super::machine::{INSTANCE, World};

impl World {
    /// Prints what one wants to see when a step failed.
    pub(crate) fn print_state(&self) {
        for args in [
            &["get", "pods", "-A", "-o", "wide"][..],
            &["get", "events", "-A", "--sort-by", ".lastTimestamp"],
            &["get", "recipes", "-o", "yaml"],
            &["get", "lease", "-n", NAMESPACE, "-o", "yaml"],
            &[
                "logs",
                "-n",
                NAMESPACE,
                "-l",
                &selector(WEBHOOK),
                "--prefix",
                "--tail=-1",
            ],
            &[
                "logs",
                "-n",
                NAMESPACE,
                &format!("deployment/{EMULATOR}"),
                "--tail",
                "30",
            ],
            &[
                "logs",
                "-n",
                "kube-system",
                "vault-0",
                "--all-containers",
                "--tail",
                "30",
            ],
            &["describe", "pods", "-n", "e2e"],
        ] {
            let said = self.program("kubectl", &[&["--context", CONTEXT], args].concat());
            let text = said.map_or_else(|error| error.to_string(), |said| said.out + &said.err);
            println!("--- kubectl {}\n{text}", args.join(" "));
        }
    }

    /// Removes what a run left that was killed: a step that finds the work of another run proves nothing.
    pub(crate) fn begin(&self) -> Result<()> {
        if !self.is_kept() {
            self.irsa_emu(&["down", "--delete-cluster"])?.code(0)?;
        }
        Ok(())
    }

    /// Makes sure that the install is as the steps expect it: repairs it, else makes a new cluster.
    pub(crate) fn stand(&self) -> Result<()> {
        let repaired = self.up()?;
        if repaired.code == Some(0) {
            return Ok(());
        }
        println!(
            "up cannot repair the install; making a new cluster:\n{}",
            repaired.err
        );
        self.irsa_emu(&["down", "--delete-cluster"])?.code(0)?;
        self.up()?.code(0)?;
        Ok(())
    }

    /// Removes what the run left.
    pub(crate) fn clean_up(&self) {
        if self.is_kept() {
            println!(
                "E2E_KEEP is set: the cluster {INSTANCE} stays; kubeconfig {}",
                self.kubeconfig().display()
            );
            return;
        }
        if let Err(error) = self.irsa_emu(&["down"]) {
            println!("down failed as well: {error:#}");
        }
    }
}
