//! `irsa-emu env`: what tools of this machine need to reach the emulator.

use clap::{Args, ValueEnum};
use irsa_emu_core::contract::{DEFAULT_ACCOUNT, DEFAULT_REGION, EMULATOR_PORT, env as names};

use crate::app::App;
use crate::cluster::Family;
use crate::cluster::provider::emulator_port;
use crate::cluster::target::Cluster;
use crate::commands::up::options;
use crate::docker::Docker;
use crate::error::{Attempt, CliError, Code, ExitStatus};
use crate::manifests::recorded;
use crate::recipe::installed;
use crate::recipe::wiring::shell_quoted;

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
    app.printer
        .data(&render(output, &variables(endpoint, region, account)));
    Ok(ExitStatus::Ok)
}

type Variables = [(&'static str, String); 5];

fn variables(endpoint: String, region: String, account: String) -> Variables {
    [
        (names::ENDPOINT, endpoint),
        (names::REGION, region.clone()),
        (names::DEFAULT_REGION, region),
        // LocalStack takes the account from the access key, and looks at no secret.
        ("AWS_ACCESS_KEY_ID", account),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
    ]
}

fn render(output: Format, variables: &Variables) -> String {
    let lines: Vec<String> = match output {
        Format::Shell => variables
            .iter()
            .map(|(name, value)| format!("export {name}={}", shell_quoted(value)))
            .collect(),
        Format::Dotenv => variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect(),
        Format::Json => {
            let map: serde_json::Map<String, serde_json::Value> = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone().into()))
                .collect();
            return serde_json::Value::Object(map).to_string();
        }
    };
    lines.join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_every_variable() {
        let variables = variables(
            "http://127.0.0.1:4566".into(),
            "eu-west-1".into(),
            "123456789012".into(),
        );
        let shell = "export AWS_ENDPOINT_URL=http://127.0.0.1:4566\nexport AWS_REGION=eu-west-1\n\
export AWS_DEFAULT_REGION=eu-west-1\nexport AWS_ACCESS_KEY_ID=123456789012\nexport AWS_SECRET_ACCESS_KEY=test";
        assert_eq!(render(Format::Shell, &variables), shell);
        assert_eq!(render(Format::Dotenv, &variables), shell.replace("export ", ""));
        let json: serde_json::Value = serde_json::from_str(&render(Format::Json, &variables)).unwrap();
        assert_eq!(json["AWS_REGION"], json["AWS_DEFAULT_REGION"]);
        assert_eq!(json.as_object().unwrap().len(), 5);
    }
}
