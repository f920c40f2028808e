//! The options of the emulator.

use clap::Args;
use irsa_emu_install::objects::emulator_options::{EmulatorOptions, cpu, memory};

use super::words::assignment;

/// How the emulator runs.
#[derive(Debug, Clone, Args)]
pub struct EmulatorArgs {
    /// Variable for the emulator's container, such as DEBUG=1; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub emulator_env: Vec<(String, String)>,
    /// Memory that the emulator may use, such as 3Gi [default: 2Gi]
    #[arg(long, value_name = "QUANTITY", value_parser = memory)]
    pub emulator_memory: Option<String>,
    /// CPUs that the emulator may use, such as 2 or 500m [default: no limit]
    #[arg(long, value_name = "QUANTITY", value_parser = cpu)]
    pub emulator_cpu: Option<String>,
}

impl EmulatorArgs {
    /// The flags that give these options.
    #[must_use]
    pub fn of(options: EmulatorOptions) -> Self {
        Self {
            emulator_env: options.env,
            emulator_memory: options.memory,
            emulator_cpu: options.cpu,
        }
    }

    /// The options without their flags.
    #[must_use]
    pub fn options(&self) -> EmulatorOptions {
        EmulatorOptions {
            env: self.emulator_env.clone(),
            memory: self.emulator_memory.clone(),
            cpu: self.emulator_cpu.clone(),
        }
    }
}
