//! The command line as it is typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use irsa_emu_core::contract::DEFAULT_INSTANCE;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::commands;

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

/// Options of every command.
#[derive(Debug, Args)]
pub struct GlobalArgs {
    /// Use this context of the kubeconfig instead of the cluster that `up` makes
    #[arg(long, global = true, value_name = "NAME", help_heading = "Global options")]
    pub context: Option<String>,
    /// Read this kubeconfig instead of $KUBECONFIG or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub kubeconfig: Option<PathBuf>,
    /// Accept this context although it is not known to be local
    #[arg(long, global = true, value_name = "NAME", value_delimiter = ',')]
    #[arg(help_heading = "Global options")]
    pub allow_context: Vec<String>,
    /// Name of the install, and of the cluster that `up` makes for it
    #[arg(long, global = true, value_name = "NAME", default_value = DEFAULT_INSTANCE)]
    #[arg(value_parser = instance_name, help_heading = "Global options")]
    pub name: String,
    /// Read this file instead of the `irsa-emu.yaml` of the project
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        conflicts_with = "no_config",
        help_heading = "Global options"
    )]
    pub config: Option<PathBuf>,
    /// Read neither the `irsa-emu.yaml` of the project nor the user's configuration
    #[arg(long, global = true, help_heading = "Global options")]
    pub no_config: bool,
    /// How progress is shown
    #[arg(long, global = true, value_name = "HOW", default_value = "auto")]
    #[arg(help_heading = "Global options")]
    pub progress: ProgressMode,
    /// When to use colour
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Global options"
    )]
    pub color: ColorMode,
    /// Log what is done, in more detail the more often it is given
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProgressMode {
    /// `tty` on a terminal, else `plain`.
    Auto,
    /// A line that changes while something is under way.
    Tty,
    /// A line for each change, and a sign of life every 15 seconds.
    Plain,
    /// A JSON object for each change, and for every message.
    Json,
    /// Nothing but errors.
    Quiet,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ColorMode {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl From<ColorMode> for clap::ColorChoice {
    fn from(mode: ColorMode) -> Self {
        match mode {
            ColorMode::Auto => Self::Auto,
            ColorMode::Always => Self::Always,
            ColorMode::Never => Self::Never,
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a cluster ready: create it if there is none, load images, apply, wait
    Up(Box<commands::up::UpArgs>),
    /// Remove what `up` made
    Down(commands::down::DownArgs),
    /// Show what is there and whether it works
    Status(commands::status::StatusArgs),
    /// Find out what is wrong, and say how to mend it
    Doctor(commands::doctor::DoctorArgs),
    /// Say why a Pod has its AWS identity, or has none
    Explain(commands::explain::ExplainArgs),
    /// Print what `up` applies, without a cluster
    Render(Box<commands::render::RenderArgs>),
    /// Give manifests what the webhook would give their Pods, without a cluster
    Inject(Box<commands::inject::InjectArgs>),
    /// Judge trust policies in files, without a cluster
    TrustPolicy(commands::trust_policy::TrustPolicyArgs),
    /// Replace Pods whose AWS identity is missing or out of date
    RestartInjected(commands::restart_injected::RestartArgs),
    /// Make an app's AWS resources
    Recipe(commands::recipe::RecipeArgs),
    /// Show what the configuration files, variables and defaults come to
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
    /// Give the emulator a port of this machine, until Ctrl-C
    PortForward(commands::port_forward::PortForwardArgs),
    /// Carry connections from a port to an address, in a container beside a cluster
    #[command(hide = true)]
    Proxy(commands::proxy::ProxyArgs),
    /// List, save and load the images that an install needs
    Images(Box<commands::images::ImagesArgs>),
    /// Print what webhook, emulator and sidecars say
    Logs(commands::logs::LogsArgs),
    /// Collect what one wants to see of an install that misbehaves
    SupportBundle(commands::support_bundle::SupportBundleArgs),
    /// Print the version, and those of what is in the cluster
    Version(commands::version::VersionArgs),
}

/// Reads a duration: digits with `s`, `m` or `h`; bare digits are seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (digits, factor) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        _ => (text, 1),
    };
    let seconds: Option<u64> = digits
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(factor));
    match seconds {
        // More than a day is a mistake, and keeps every sum of durations far from overflow.
        Some(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected a duration such as 90s, 5m or 1h, of at most a day".to_owned()),
    }
}

/// Reads a version of Kubernetes 1; answers its minor version.
pub fn kubernetes_minor(text: &str) -> Result<u32, String> {
    let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
    let (major, minor) = (parts.next(), parts.next());
    match minor.map(str::parse) {
        Some(Ok(minor)) if major == Some("1") => Ok(minor),
        _ => Err("expected a version of Kubernetes such as 1.31".to_owned()),
    }
}

/// Reads the assignment of a parameter.
pub fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Checks the name of an install: it becomes a label, a cluster name and a container name.
pub fn instance_name(text: &str) -> Result<String, String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edges_fit = !text.starts_with('-') && !text.ends_with('-');
    // kind appends `-control-plane`, and a host name has at most 63 characters.
    if (1..=49).contains(&text.len()) && edges_fit && text.bytes().all(inner) {
        return Ok(text.to_owned());
    }
    Err("expected at most 49 lower-case letters, digits and inner hyphens".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_units_and_bounds() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("5m", 300), ("1h", 3600)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "0",
            "-1s",
            "5d",
            "1.5h",
            "99999999999999999999h",
            "25h",
            "ü",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_version_of_kubernetes_may_be_long_or_short() {
        for text in ["1.31", "v1.31", "1.31.4", "v1.31.4-k3s1"] {
            assert_eq!(kubernetes_minor(text), Ok(31), "{text}");
        }
        for text in ["", "1", "2.31", "1.x", "31"] {
            assert!(kubernetes_minor(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_assignment_has_a_name() {
        assert_eq!(assignment("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(assignment("a="), Ok(("a".into(), String::new())));
        assert!(assignment("=b").is_err());
        assert!(assignment("a").is_err());
    }

    #[test]
    fn an_instance_name_fits_labels_and_host_names() {
        for text in ["irsa-emu", "a", "ci-42"] {
            assert_eq!(instance_name(text).as_deref(), Ok(text));
        }
        for text in ["", "-a", "a-", "A", "a_b", "a.b", "a/b", &"a".repeat(50)] {
            assert!(instance_name(text).is_err(), "{text}");
        }
    }
}
