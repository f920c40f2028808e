//! `irsa-emu env`: what tools of this machine need to reach the emulator.

mod aws_config;
pub(super) mod exec;
mod formats;
pub(super) mod known;

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use clap::{Args, ValueEnum};
use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_install::recipe::wiring::HELM_VALUES;

use self::formats::Facts;
use self::known::{ask, no_port_yet};
use crate::app::App;
use crate::error::{Attempt, CliError};
use crate::identity::account::AccountName;
use crate::options::install::account;

/// Options of `irsa-emu env`.
#[derive(Debug, Args)]
pub struct EnvArgs {
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "shell")]
    output: EnvFormat,
    /// AWS account that tools use [default: that of the oldest Recipe]
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    account: Option<String>,
    /// With `-o aws-config`, the ServiceAccount whose identity the profile has
    #[arg(long = "as", value_name = "NAMESPACE/SERVICEACCOUNT", value_parser = AccountName::parse)]
    #[arg(conflicts_with = "exec")]
    service_account: Option<AccountName>,
    /// With `-o aws-config`, the name of the profile [default: those of the install, the Namespace and the ServiceAccount's]
    #[arg(long, value_name = "NAME", value_parser = aws_config::profile_name, requires = "service_account")]
    profile: Option<String>,
    /// Run a command with these variables, forwarding a port while it runs if needed
    #[arg(long, requires = "command", conflicts_with = "output")]
    exec: bool,
    /// The command
    #[arg(last = true, value_name = "COMMAND", requires = "exec")]
    command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EnvFormat {
    /// For `eval "$(irsa-emu env)"`
    Shell,
    /// NAME=value, for files that tools and CI read
    Dotenv,
    /// For GitHub Actions: variables, outputs and a table, into the files that its runner reads
    Github,
    /// Extra Helm values for apps
    HelmValues,
    /// One JSON object
    Json,
    /// A profile for `~/.aws/config` that has the identity of a ServiceAccount's Pods
    AwsConfig,
}

/// Prints the variables, or runs a command with them.
pub async fn run(args: EnvArgs, app: &App) -> Result<ExitStatus, CliError> {
    let EnvArgs {
        output,
        account,
        service_account,
        profile,
        exec,
        command,
    } = args;
    match (output, service_account) {
        (EnvFormat::AwsConfig, Some(account)) => return aws_config::run(&account, profile, app).await,
        (EnvFormat::AwsConfig, None) => return Err(aws_config::lacks_account(app)),
        (_, Some(account)) => return Err(aws_config::is_for_profiles(&account, app)),
        (_, None) => {}
    }
    let known = tokio::select! {
        known = ask(account, app) => known?,
        signal = app.signals.received() => return Err(signal.interrupted("waiting")),
    };
    if exec {
        return exec::run(&command, known, app).await;
    }
    let endpoint = known.endpoint.clone().unwrap_or_else(|| no_port_yet(app));
    let facts = known.facts(endpoint);
    match output {
        EnvFormat::Shell => app.printer.data(&facts.shell()),
        EnvFormat::Dotenv => app.printer.data(&facts.dotenv()),
        EnvFormat::Json => app.printer.data(&facts.json()),
        EnvFormat::HelmValues => app.printer.data(HELM_VALUES),
        EnvFormat::Github => to_github(&facts, app)?,
        // Needs a ServiceAccount, and was handled before.
        EnvFormat::AwsConfig => {}
    }
    Ok(ExitStatus::Ok)
}

/// Appends to the files that the runner of GitHub Actions reads; elsewhere prints the lines.
fn to_github(facts: &Facts, app: &App) -> Result<(), CliError> {
    let file = |variable: &str| std::env::var_os(variable).filter(|path| !path.is_empty());
    let (Some(env), output, summary) = (
        file("GITHUB_ENV"),
        file("GITHUB_OUTPUT"),
        file("GITHUB_STEP_SUMMARY"),
    ) else {
        app.printer.data(&facts.dotenv());
        return Ok(());
    };
    // A value cannot contain it by intent.
    let delimiter = format!("irsa-emu-{}", uuid::Uuid::new_v4());
    append(&env, &facts.github_env(&delimiter))?;
    if let Some(output) = output {
        append(&output, &facts.github_output(&delimiter))?;
    }
    if let Some(summary) = summary {
        append(&summary, &facts.github_summary())?;
    }
    app.printer
        .talk("the steps that follow have the variables, and this one has its outputs");
    Ok(())
}

fn append(path: &OsStr, text: &str) -> Result<(), CliError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .attempting(|| format!("writing to {}", Path::new(path).display()))
}
