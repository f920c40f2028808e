//! `irsa-emu env`: what tools of this machine need to reach the emulator.

mod formats;

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use clap::{Args, ValueEnum};
use irsa_emu_core::contract::{DEFAULT_ACCOUNT, DEFAULT_REGION, EMULATOR_PORT};

use self::formats::Facts;
use crate::app::App;
use crate::cluster::Family;
use crate::cluster::provider::emulator_port;
use crate::cluster::target::Cluster;
use crate::docker::Docker;
use crate::error::{Attempt, CliError, Code, ExitStatus};
use crate::manifests::{options, recorded};
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
}

/// Prints the variables.
pub async fn run(args: EnvArgs, app: &App) -> Result<ExitStatus, CliError> {
    let EnvArgs { output, account } = args;
    let cluster = app.connect().await?;
    let attempted = || format!("asking the cluster of context `{}`", cluster.context);
    let recorded = recorded::read(&cluster.client).await.attempting(attempted)?;
    let Some(recorded) = recorded else {
        let why = "irsa-emu is not installed there";
        return Err(CliError::because(ExitStatus::Prerequisite, attempted(), why)
            .code(Code::NotInstalled)
            .next(app.command("up")));
    };
    if recorded.real_aws {
        let why = "the backend is real AWS: tools on this machine use an AWS configuration of their own";
        return Err(CliError::because(ExitStatus::Failed, attempted(), why)
            .code(Code::RealAws)
            .next("aws configure list"));
    }
    let endpoint = match recorded.host_endpoint {
        Some(endpoint) => endpoint,
        None => endpoint(app, &cluster).await,
    };
    let region = recorded.region.unwrap_or_else(|| DEFAULT_REGION.to_owned());
    // A tool that cannot ask for Recipes still gets to the emulator.
    let recipes = installed::list(&cluster.client).await.unwrap_or_default();
    let account = account
        .or_else(|| Some(recipes.into_iter().next()?.spec.account))
        .unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned());
    let facts = Facts {
        context: cluster.context,
        host_endpoint: endpoint,
        region,
        account,
    };
    match output {
        Format::Shell => app.printer.data(&facts.shell()),
        Format::Dotenv => app.printer.data(&facts.dotenv()),
        Format::Json => app.printer.data(&facts.json()),
        Format::HelmValues => app.printer.data(HELM_VALUES),
        Format::Github => to_github(&facts, app)?,
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

/// The emulator's URL where `up` recorded none: from Docker, else what a port-forward would give.
async fn endpoint(app: &App, cluster: &Cluster) -> String {
    if let Some((family, name)) = Family::of_context(&cluster.context)
        && let Ok(docker) = Docker::connect(app.runner.as_ref()).await
        && let Ok(nodes) = docker.nodes(family, name).await
        && let Some(port) = emulator_port(&nodes)
    {
        return format!("http://127.0.0.1:{port}");
    }
    app.printer.warn(&format!(
        "no port of this machine leads to the emulator yet\n  next: {}",
        app.command("port-forward")
    ));
    format!("http://127.0.0.1:{EMULATOR_PORT}")
}
