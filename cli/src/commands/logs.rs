//! `irsa-emu logs`: the logs of webhook, emulator and sidecars.

use std::time::Duration;

use clap::{Args, ValueEnum};
use futures::{AsyncBufReadExt, StreamExt, TryStreamExt, stream};
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_core::contract::PART_LABEL;
use irsa_emu_core::contract::{EMULATOR, NAMESPACE, SIDECAR, WEBHOOK};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, Client};

use crate::app::App;
use crate::error::{Attempt, CliError};
use crate::options::words;

/// Options of `irsa-emu logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Whose log
    #[arg(value_name = "PART", default_value = "webhook")]
    part: Part,
    /// The Pod of the sidecar
    #[arg(value_name = "POD", required_if_eq("part", "sidecar"))]
    pod: Option<String>,
    /// Namespace of that Pod
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// Follow the log
    #[arg(short, long)]
    follow: bool,
    /// Print only lines that are not older, such as 90s or 5m
    #[arg(long, value_name = "DURATION", value_parser = words::duration)]
    since: Option<Duration>,
    /// Print only this many of the last lines
    #[arg(long, value_name = "LINES")]
    tail: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Admission, STS front and keeper; all its Pods
    Webhook,
    /// LocalStack
    Emulator,
    /// Credentials beside an app
    Sidecar,
}

/// A container whose log is wanted.
struct Log {
    api: Api<Pod>,
    pod: String,
    params: LogParams,
}

/// Prints the logs.
pub async fn run(args: LogsArgs, app: &App) -> Result<ExitStatus, CliError> {
    let cluster = app.session.connect().await?;
    let attempted = || format!("reading logs of the cluster of context `{}`", cluster.context);
    let logs = logs(&args, &cluster.client).await.attempting(attempted)?;
    if logs.is_empty() {
        let why = format!("it has no Pod of the {}", args.part.name());
        return Err(CliError::because(ExitStatus::Failed, attempted(), why)
            .code(Code::NotInstalled)
            .next(app.session.command("status")));
    }
    let many = logs.len() > 1;
    let mut lines = Vec::new();
    for log in &logs {
        let read = log
            .api
            .log_stream(&log.pod, &log.params)
            .await
            .attempting(attempted)?;
        let before = if many {
            format!("{}: ", log.pod)
        } else {
            String::new()
        };
        lines.push(read.lines().map_ok(move |line| format!("{before}{line}")).boxed());
    }
    // Side by side while they go on; else one after the other, each in its order.
    let mut lines = if args.follow {
        stream::select_all(lines).boxed()
    } else {
        stream::iter(lines).flatten().boxed()
    };
    while let Some(line) = lines.try_next().await.attempting(attempted)? {
        app.printer.data(&line);
    }
    Ok(ExitStatus::Ok)
}

async fn logs(args: &LogsArgs, client: &Client) -> Result<Vec<Log>, kube::Error> {
    let params = |container: &str| LogParams {
        container: Some(container.to_owned()),
        follow: args.follow,
        since_seconds: args.since.and_then(|since| i64::try_from(since.as_secs()).ok()),
        tail_lines: args.tail.map(i64::from),
        ..LogParams::default()
    };
    if let (Part::Sidecar, Some(pod)) = (args.part, &args.pod) {
        return Ok(vec![Log {
            api: Api::namespaced(client.clone(), &args.namespace),
            pod: pod.trim_start_matches("pod/").to_owned(),
            params: params(SIDECAR),
        }]);
    }
    let label = if args.part == Part::Emulator {
        EMULATOR
    } else {
        WEBHOOK
    };
    let api = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let found = api
        .list(&ListParams::default().labels(&format!("{PART_LABEL}={label}")))
        .await?;
    let container = |pod: &Pod| {
        let spec = pod.spec.as_ref()?;
        spec.containers.first().map(|container| container.name.clone())
    };
    Ok(found
        .iter()
        .filter_map(|pod| {
            Some(Log {
                api: api.clone(),
                pod: pod.metadata.name.clone()?,
                params: params(&container(pod)?),
            })
        })
        .collect())
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Emulator => "emulator",
            Self::Sidecar => "sidecar",
        }
    }
}
