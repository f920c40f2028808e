//! `irsa-emu status`: what is there, and whether it works, at a glance.

use clap::Args;
use irsa_emu_cluster::docker::Docker;
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_cluster::kubernetes::connect::Cluster;
use irsa_emu_cluster::kubernetes::deployment::{image, scaled_down};
use irsa_emu_cluster::kubernetes::rollout::incomplete;
use irsa_emu_cluster::local::family::Family;
use irsa_emu_cluster::local::host_port;
use irsa_emu_core::choice::Choice;
use irsa_emu_core::contract::{
    EMULATOR, NAMESPACE, WEBHOOK, WEBHOOK_CONFIGURATION, emulator_url, sts_front_url,
};
use irsa_emu_core::install::Backend;
use irsa_emu_core::paint::Paint;
use irsa_emu_core::recipe::Recipe;
use irsa_emu_install::recipe::installed;
use irsa_emu_install::recorded;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, Client};
use serde::Serialize;

use crate::app::App;
use crate::console::output::OutputArgs;
use crate::console::printer::Printer;
use crate::error::{Attempt, CliError};

/// Options of `irsa-emu status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    output: OutputArgs,
    /// Exit with 1 if something is not ready
    #[arg(long)]
    check: bool,
}

/// A part of the install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Part {
    name: String,
    ready: bool,
    /// The image, or why it is not ready.
    detail: String,
}

/// The container that carries a port of this machine to the emulator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Carrier {
    container: String,
    running: bool,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    context: String,
    kubernetes: String,
    instance: String,
    ready: bool,
    region: Option<String>,
    backend: &'static str,
    host_endpoint: Option<String>,
    /// How this machine gets to the emulator.
    host_way: Option<&'static str>,
    /// The container that carries the port there, where the nodes publish none.
    proxy: Option<Carrier>,
    /// The emulator's; `None` where the backend is real AWS.
    cluster_endpoint: Option<String>,
    sts_endpoint: String,
    parts: Vec<Part>,
    recipes: Vec<Part>,
}

/// Shows what is there. Fails only where it could not ask, or with `--check`.
pub async fn run(args: StatusArgs, app: &App) -> Result<ExitStatus, CliError> {
    let StatusArgs { output: _, check } = args;
    let status = look(&app.session.connect().await?, app).await?;
    app.answer(&status, |printer| print_text(&status, printer))?;
    if status.ready {
        return Ok(ExitStatus::Ok);
    }
    if check {
        return Err(not_ready(&status).next(app.session.command("doctor")));
    }
    app.printer
        .talk(&format!("next: {}", app.session.command("doctor")));
    Ok(ExitStatus::Ok)
}

/// Looks what is there.
pub(super) async fn look(cluster: &Cluster, app: &App) -> Result<Status, CliError> {
    let client = &cluster.client;
    let attempted = || format!("asking the cluster of context `{}`", cluster.context);
    let (recorded, webhook, emulator, registered, recipes) = tokio::try_join!(
        recorded::read(client),
        part(client, WEBHOOK),
        part(client, EMULATOR),
        registration(client),
        installed::list(client),
    )
    .attempting(attempted)?;
    let recorded = recorded.unwrap_or_default();
    let mut parts = vec![webhook, registered];
    if !recorded.real_aws {
        parts.push(emulator);
    }
    let recipes: Vec<Part> = recipes.iter().map(recipe).collect();
    let proxy = carrier(cluster, app, recorded.host_endpoint.as_deref()).await;
    Ok(Status {
        // With real AWS the resources of a Recipe are not created, so it is never ready there.
        ready: parts
            .iter()
            .chain(recipes.iter().filter(|_| !recorded.real_aws))
            .all(|part| part.ready),
        context: cluster.context.clone(),
        kubernetes: cluster.version.clone(),
        instance: app.session.instance.clone(),
        region: recorded.region,
        backend: if recorded.real_aws {
            Backend::Aws.as_str()
        } else {
            Backend::Emulator.as_str()
        },
        host_way: (!recorded.real_aws).then_some(match (&recorded.host_endpoint, &proxy) {
            (Some(_), Some(_)) => "proxy",
            (Some(_), None) => "published",
            (None, _) => "port-forward",
        }),
        proxy,
        host_endpoint: recorded.host_endpoint,
        cluster_endpoint: (!recorded.real_aws).then(emulator_url),
        sts_endpoint: sts_front_url(),
        parts,
        recipes,
    })
}

/// The container behind a recorded endpoint, as the Docker of this machine reports it, if there is one.
async fn carrier(cluster: &Cluster, app: &App, endpoint: Option<&str>) -> Option<Carrier> {
    let (endpoint, _) = endpoint.zip(Family::of_context(&cluster.context))?;
    let docker = Docker::connect(app.session.runner.as_ref()).await.ok()?;
    let proxies = docker.proxies(&app.session.instance).await.ok()?;
    let proxy = host_port::of_cluster(&proxies, &cluster.context)?;
    endpoint
        .ends_with(&format!(":{}", proxy.spec.port))
        .then(|| Carrier {
            container: proxy.name.clone(),
            running: proxy.running,
        })
}

fn not_ready(status: &Status) -> CliError {
    let lacking: Vec<String> = status
        .parts
        .iter()
        .chain(&status.recipes)
        .filter(|part| !part.ready)
        .map(|part| format!("{} ({})", part.name, part.detail))
        .collect();
    let attempted = format!(
        "checking whether irsa-emu in the cluster of context `{}` is ready",
        status.context
    );
    CliError::because(
        ExitStatus::Failed,
        attempted,
        format!("not ready: {}", lacking.join(", ")),
    )
    .code(Code::NotReady)
}

async fn part(client: &Client, name: &str) -> Result<Part, kube::Error> {
    let found = Api::<Deployment>::namespaced(client.clone(), NAMESPACE)
        .get_opt(name)
        .await?;
    let why = match &found {
        None => Some("not installed".to_owned()),
        Some(deployment) => scaled_down(deployment).or_else(|| incomplete(deployment)),
    };
    Ok(Part {
        name: name.to_owned(),
        ready: why.is_none(),
        detail: why.or_else(|| image(found.as_ref()?)).unwrap_or_default(),
    })
}

async fn registration(client: &Client) -> Result<Part, kube::Error> {
    let found = Api::<MutatingWebhookConfiguration>::all(client.clone())
        .get_opt(WEBHOOK_CONFIGURATION)
        .await?;
    let hooks = found.and_then(|found| found.webhooks).unwrap_or_default();
    let trusted = !hooks.is_empty() && hooks.iter().all(|hook| hook.client_config.ca_bundle.is_some());
    let names: Vec<&str> = hooks.iter().map(|hook| hook.name.as_str()).collect();
    Ok(Part {
        name: "registration".to_owned(),
        ready: trusted,
        detail: if trusted {
            names.join(", ")
        } else {
            "the webhook is not registered".to_owned()
        },
    })
}

fn recipe(recipe: &Recipe) -> Part {
    let state = installed::state(recipe);
    Part {
        name: recipe.metadata.name.clone().unwrap_or_default(),
        ready: state.ready,
        detail: state.detail,
    }
}

fn print_text(status: &Status, printer: &Printer) {
    let none = || "none".to_owned();
    printer.data(&format!(
        "context:     {} (Kubernetes {})",
        status.context, status.kubernetes
    ));
    match &status.cluster_endpoint {
        Some(in_cluster) => {
            let host = status.host_endpoint.as_deref();
            let host = host.unwrap_or("none (`irsa-emu port-forward` gives one)");
            let by = match &status.proxy {
                None => String::new(),
                Some(Carrier { container, running }) if *running => {
                    format!(" (by the container {container})")
                }
                Some(Carrier { container, .. }) => {
                    format!(" (the container {container} does not run; `irsa-emu up` starts it)")
                }
            };
            printer.data(&format!("host:        {host}{by}"));
            printer.data(&format!("in-cluster:  {in_cluster}"));
        }
        None => printer.data("backend:     real AWS"),
    }
    printer.data(&format!("sts:         {}", status.sts_endpoint));
    printer.data(&format!(
        "region:      {}",
        status.region.clone().unwrap_or_else(none)
    ));
    let line = |part: &Part, kind: &str| {
        let state = if part.ready {
            printer.paint(Paint::Good, "ready")
        } else {
            printer.paint(Paint::Bad, "not ready")
        };
        printer.row(&format!("{kind}{}: {state} ({})", part.name, part.detail));
    };
    for part in &status.parts {
        line(part, "");
    }
    for part in &status.recipes {
        line(part, "recipe ");
    }
    if status.recipes.is_empty() {
        printer.data("recipes: none");
    }
}
