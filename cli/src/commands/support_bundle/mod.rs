//! `irsa-emu support-bundle`: everything that one wants to see of an install that misbehaves, in one file.

pub mod archive;
pub mod collect;
pub mod mask;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use irsa_emu_cluster::docker::Docker;
use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_doctor::checks::surroundings::Surroundings;
use irsa_emu_doctor::checks::surroundings::scope::Scope;
use irsa_emu_doctor::checks::{self, engine};
use serde::Serialize;
use serde_json::json;

use self::archive::Item;
use self::mask::Secrets;
use super::status;
use crate::app::App;
use crate::commands::doctor::report;
use crate::console::output::OutputArgs;
use crate::error::{Attempt, CliError};

/// How long one part may take; a cluster that hangs must not keep the rest out of the bundle.
const PART_TIMEOUT: Duration = Duration::from_mins(2);

/// Options of `irsa-emu support-bundle`.
#[derive(Debug, Args)]
pub struct SupportBundleArgs {
    /// The file to write [default: irsa-emu-support-TIME.tar]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    file: PathBuf,
    bytes: u64,
    items: Vec<String>,
}

/// Collects and writes. A cluster that does not respond is no reason to write nothing.
pub async fn run(args: SupportBundleArgs, app: &App) -> Result<ExitStatus, CliError> {
    let file = args.file.unwrap_or_else(default_file);
    app.progress
        .step("checking machine, cluster, webhook and emulator");
    let mut items = vec![version(), docker(app).await];
    items.push(within("doctor.json", Box::pin(doctor(app))).await);
    let mut secrets = Secrets::default();
    match app.session.connect().await {
        Ok(cluster) => {
            items.push(within("status.json", Box::pin(status_of(&cluster, app))).await);
            let collected = collect::collect(&cluster.client, &app.session.instance, &mut secrets);
            match tokio::time::timeout(PART_TIMEOUT, collected).await {
                Ok(collected) => items.extend(collected),
                Err(_) => items.push(Item::new(
                    "cluster/error.txt",
                    "the API server did not respond in time",
                )),
            }
        }
        Err(error) => items.push(Item::new("cluster/error.txt", CliError::from(error).render())),
    }
    let attempted = || format!("writing {}", file.display());
    let bytes = archive::write(&file, &items, &secrets).attempting(attempted)?;
    app.progress.done(&format!("{} files", items.len()));
    let written = Written {
        bytes,
        items: items.into_iter().map(|item| item.name).collect(),
        file,
    };
    app.answer(&written, |printer| {
        printer.data(&written.file.display().to_string());
    })?;
    app.printer
        .talk("secrets are masked; check the file before you share it");
    Ok(ExitStatus::Ok)
}

fn default_file() -> PathBuf {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.unwrap_or_default().as_secs();
    PathBuf::from(format!("irsa-emu-support-{seconds}.tar"))
}

async fn within(name: &str, text: impl Future<Output = String>) -> Item {
    let text = tokio::time::timeout(PART_TIMEOUT, text).await;
    Item::new(name, text.unwrap_or_else(|_| "not within two minutes".to_owned()))
}

fn version() -> Item {
    let version = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "os": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
    });
    Item::new("version.json", version.to_string())
}

async fn docker(app: &App) -> Item {
    let text = match Docker::connect(app.session.runner.as_ref()).await {
        Ok(docker) => json!({
            "endpoint": docker.endpoint,
            "version": docker.version,
            "architecture": docker.architecture,
        })
        .to_string(),
        Err(error) => error.to_string(),
    };
    Item::new("docker.json", text)
}

async fn doctor(app: &App) -> String {
    let all = checks::all();
    let wanted: Vec<_> = all.iter().collect();
    let surroundings = Surroundings::new(&app.session, Scope::default());
    let outcomes = engine::run(&wanted, &surroundings, &|_| ()).await;
    surroundings.clean().await;
    report::json(&outcomes, &surroundings.versions()).to_string()
}

async fn status_of(cluster: &irsa_emu_cluster::kubernetes::connect::Cluster, app: &App) -> String {
    match status::look(cluster, app).await {
        Ok(status) => serde_json::to_string(&status).unwrap_or_default(),
        Err(error) => error.render(),
    }
}
