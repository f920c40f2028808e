//! The command line as it is typed.

use clap::{Parser, Subcommand};

use crate::commands;
use crate::options::global::GlobalArgs;

/// Run EKS manifests unchanged on a local cluster: IRSA, LocalStack and recipes in one command
#[derive(Debug, Parser)]
#[command(name = "irsa-emu", version, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 unsafe context, 4 prerequisite missing, \
124 timeout, 130 or 143 interrupted"
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The command.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a cluster ready: create it if there is none, load images, apply, wait
    Up(Box<commands::up::UpArgs>),
    /// Remove what `up` created
    Down(commands::down::DownArgs),
    /// Show the parts of an install and whether they work
    Status(commands::status::StatusArgs),
    /// Check the whole setup, and print a command to fix each problem
    Doctor(commands::doctor::DoctorArgs),
    /// Explain why a Pod has its AWS identity, or has none
    Explain(commands::explain::ExplainArgs),
    /// Print what `up` applies, without a cluster
    Render(Box<commands::render::RenderArgs>),
    /// Print manifests with what the webhook would add to their Pods, without a cluster
    Inject(Box<commands::inject::InjectArgs>),
    /// Check trust policies in files, without a cluster
    TrustPolicy(commands::trust_policy::TrustPolicyArgs),
    /// Replace Pods whose AWS identity is missing or out of date
    RestartInjected(commands::restart_injected::RestartArgs),
    /// Create an app's AWS resources
    Recipe(commands::recipe::RecipeArgs),
    /// Show the settings that result from files, variables and defaults
    Config(commands::config::ConfigArgs),
    /// Print endpoints and settings for apps, shells and CI
    Env(commands::env::EnvArgs),
    /// Run a command with the AWS identity of a ServiceAccount's Pods
    Exec(commands::exec::ExecArgs),
    /// Print credentials of a ServiceAccount's role, for the `credential_process` of AWS tools
    Credentials(commands::credentials::CredentialsArgs),
    /// Print the completion for a shell
    Completion(commands::completion::CompletionArgs),
    /// Write the manual pages
    #[command(hide = true)]
    Man(commands::completion::ManArgs),
    /// Forward a local port to the emulator
    PortForward(commands::port_forward::PortForwardArgs),
    /// Forward connections from a port to an address, in a container beside a cluster
    #[command(hide = true)]
    Proxy(commands::proxy::ProxyArgs),
    /// List, save and load the images that an install needs
    Images(Box<commands::images::ImagesArgs>),
    /// Print the logs of the webhook, the emulator and the sidecars
    Logs(commands::logs::LogsArgs),
    /// Collect logs and configuration for a bug report (secrets masked)
    SupportBundle(commands::support_bundle::SupportBundleArgs),
    /// Print the versions of irsa-emu and of what is in the cluster
    Version(commands::version::VersionArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
