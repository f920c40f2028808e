//! `irsa-emu env`: what tools of this machine need to reach the emulator.

mod aws_config;
pub(super) mod exec;
mod formats;

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use clap::{Args, ValueEnum};
use irsa_emu_core::contract::{DEFAULT_ACCOUNT, DEFAULT_REGION, EMULATOR_PORT};

use self::formats::Facts;
use crate::app::App;
use crate::cluster::Family;
use crate::cluster::host_way::HostWay;
use crate::cluster::target::Cluster;
use crate::docker::Docker;
use crate::error::{Attempt, CliError, Code, ExitStatus};
use crate::identity::AccountName;
use crate::manifests::options;
use crate::manifests::recorded::{self, Recorded};
use crate::recipe::installed;
use crate::recipe::wiring::HELM_VALUES;

/// Options of `irsa-emu env`.
#[derive(Debug, Args)]
pub struct EnvArgs {
    /// How it is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "shell")]
    output: Format,
    /// AWS account that tools act in [default: the oldest Recipe's]
    #[arg(long, value_name = "ACCOUNT", value_parser = options::account)]
    account: Option<String>,
    /// ServiceAccount whose identity a profile has, with `-o aws-config`
    #[arg(long = "as", value_name = "NAMESPACE/SERVICEACCOUNT", value_parser = AccountName::parse)]
    #[arg(conflicts_with = "exec")]
    service_account: Option<AccountName>,
    /// Name of the profile, with `-o aws-config` [default: the install's, the Namespace's and the ServiceAccount's]
    #[arg(long, value_name = "NAME", value_parser = aws_config::profile_name, requires = "service_account")]
    profile: Option<String>,
    /// Run the command behind `--` with the variables; where no port leads to the emulator, there is one while it runs
    #[arg(long, requires = "command", conflicts_with = "output")]
    exec: bool,
    /// The command
    #[arg(last = true, value_name = "COMMAND", requires = "exec")]
    command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For `eval "$(irsa-emu env)"`
    Shell,
    /// NAME=value, for files that tools and CI read
    Dotenv,
    /// For GitHub Actions: variables, outputs and a table, into the files that its runner reads
    Github,
    /// Helm values that apps need beside their own
    HelmValues,
    /// One JSON object
    Json,
    /// A profile for `~/.aws/config` that has the identity of a ServiceAccount's Pods
    AwsConfig,
}

/// What is known of an install.
struct Known {
    cluster: Cluster,
    /// The emulator's URL on this machine, where there is one.
    endpoint: Option<String>,
    region: String,
    account: String,
}

impl Known {
    fn facts(self, host_endpoint: String) -> Facts {
        Facts {
            context: self.cluster.context,
            host_endpoint,
            region: self.region,
            account: self.account,
        }
    }
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
        (Format::AwsConfig, Some(account)) => return aws_config::run(&account, profile, app).await,
        (Format::AwsConfig, None) => return Err(aws_config::lacks_account(app)),
        (_, Some(account)) => return Err(aws_config::is_for_profiles(&account, app)),
        (_, None) => {}
    }
    let known = tokio::select! {
        known = ask(account, app) => known?,
        signal = app.signals.received() => return Err(CliError::interrupted("waiting", signal)),
    };
    if exec {
        return exec::run(&command, known, app).await;
    }
    let endpoint = known.endpoint.clone().unwrap_or_else(|| no_port_yet(app));
    let facts = known.facts(endpoint);
    match output {
        Format::Shell => app.printer.data(&facts.shell()),
        Format::Dotenv => app.printer.data(&facts.dotenv()),
        Format::Json => app.printer.data(&facts.json()),
        Format::HelmValues => app.printer.data(HELM_VALUES),
        Format::Github => to_github(&facts, app)?,
        // Needs a ServiceAccount, and so went another way.
        Format::AwsConfig => {}
    }
    Ok(ExitStatus::Ok)
}

/// The URL of a port that is not open yet.
fn no_port_yet(app: &App) -> String {
    app.printer.warn(&format!(
        "no port of this machine leads to the emulator yet\n  next: {}",
        app.command("port-forward")
    ));
    format!("http://127.0.0.1:{EMULATOR_PORT}")
}

/// The cluster of the install, and what `up` recorded there.
pub(super) async fn installed(app: &App) -> Result<(Cluster, Recorded), CliError> {
    let cluster = app.connect().await?;
    let attempted = || attempted(&cluster);
    let recorded = recorded::read(&cluster.client).await.attempting(attempted)?;
    let Some(recorded) = recorded else {
        let why = "irsa-emu is not installed there";
        return Err(CliError::because(ExitStatus::Prerequisite, attempted(), why)
            .code(Code::NotInstalled)
            .next(app.command("up")));
    };
    Ok((cluster, recorded))
}

fn attempted(cluster: &Cluster) -> String {
    format!("asking the cluster of context `{}`", cluster.context)
}

/// The emulator's URL on this machine, where there is one.
pub(super) async fn endpoint_of(recorded: &Recorded, cluster: &Cluster, app: &App) -> Option<String> {
    match &recorded.host_endpoint {
        Some(endpoint) => Some(endpoint.clone()),
        None => in_docker(app, cluster).await,
    }
}

/// Asks the cluster of the install.
async fn ask(account: Option<String>, app: &App) -> Result<Known, CliError> {
    let (cluster, recorded) = installed(app).await?;
    if recorded.real_aws {
        let why = "the backend is real AWS: tools on this machine use an AWS configuration of their own";
        return Err(CliError::because(ExitStatus::Failed, attempted(&cluster), why)
            .code(Code::RealAws)
            .next("aws configure list"));
    }
    let endpoint = endpoint_of(&recorded, &cluster, app).await;
    // A tool that cannot ask for Recipes still gets to the emulator.
    let recipes = installed::list(&cluster.client).await.unwrap_or_default();
    let account = account
        .or_else(|| Some(recipes.into_iter().next()?.spec.account))
        .unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned());
    Ok(Known {
        endpoint,
        region: recorded.region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
        account,
        cluster,
    })
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
    // Nobody who has a say in a value can know it before.
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

/// The emulator's URL where `up` recorded none, as Docker tells it.
async fn in_docker(app: &App, cluster: &Cluster) -> Option<String> {
    let (family, name) = Family::of_context(&cluster.context)?;
    let docker = Docker::connect(app.runner.as_ref()).await.ok()?;
    let nodes = docker.nodes(family, name).await.ok()?;
    let way = HostWay::look(&docker, &app.instance, &cluster.context, &nodes).await;
    way.ok()
        .flatten()
        .map(|way| format!("http://127.0.0.1:{}", way.port()))
}
