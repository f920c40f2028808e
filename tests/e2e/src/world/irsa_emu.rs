//! `irsa-emu` for the install of the run.

use std::process::Command;

use anyhow::Result;

use super::machine::{INSTANCE, World};
use super::program::{Said, run};

impl World {
    /// Runs `irsa-emu` for the install of this test.
    pub(crate) fn irsa_emu(&self, args: &[&str]) -> Result<Said> {
        let mut all = vec!["--name", INSTANCE, "--progress", "plain"];
        all.extend(args);
        run(self.command(&self.binary).args(all), None)
    }

    /// Runs `irsa-emu` for the install of this test, with this input.
    pub(crate) fn irsa_emu_reading(&self, args: &[&str], input: &str) -> Result<Said> {
        let all = [&["--name", INSTANCE, "--progress", "plain"], args].concat();
        run(self.command(&self.binary).args(all), Some(input))
    }

    /// `irsa-emu` for another install, to be started by the caller.
    pub(crate) fn irsa_emu_command(&self, instance: &str, args: &[&str]) -> Command {
        let mut command = self.command(&self.binary);
        command
            .args(["--name", instance, "--progress", "plain"])
            .args(args);
        command
    }

    /// Runs `irsa-emu up` with the testbed's images.
    pub(crate) fn up(&self) -> Result<Said> {
        self.irsa_emu(&self.up_args(&["--host-port", &self.host_port]))
    }

    /// The arguments of `up` with the testbed's images.
    pub(crate) fn up_args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec![
            "up",
            "--node-image",
            &self.node_image,
            "--emulator-image",
            &self.emulator_image,
        ];
        args.extend(more);
        args
    }

    /// Runs `irsa-emu up` for the cluster that is there, with more options and variables.
    pub(crate) fn up_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Result<Said> {
        let mut command = self.command(&self.binary);
        command
            .args(["--name", INSTANCE, "--progress", "plain", "up"])
            .args(["--emulator-image", &self.emulator_image])
            .args(["--host-port", &self.host_port])
            .args(args)
            .envs(variables.iter().copied());
        run(&mut command, None)
    }

    /// Runs `irsa-emu` with one more environment variable.
    pub(crate) fn irsa_emu_with(&self, name: &str, value: &str, args: &[&str]) -> Result<Said> {
        run(self.command(&self.binary).env(name, value).args(args), None)
    }
}
