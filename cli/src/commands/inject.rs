//! `irsa-emu inject`: gives manifests what the webhook would give their Pods, without a cluster.

use std::path::PathBuf;

use clap::Args;
use irsa_emu_core::rules::Delivery;
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::args;
use crate::commands::recipe::steps;
use crate::documents::{self, Document};
use crate::error::{Attempt, CliError, ExitStatus};
use crate::explain::Explanation;
use crate::explain::world::World;
use crate::images::ImageArgs;
use crate::inject::{Injection, inject};
use crate::manifests::{InstallArgs, References, Settings, runs_native_sidecars};
use crate::output::OutputArgs;

/// Options of `irsa-emu inject`.
#[derive(Debug, Args)]
#[command(
    after_help = "Documents to which nothing is added are printed as they are; those that change lose their comments.
ServiceAccounts, Namespaces and Recipes count if they are among the documents, Recipes also from irsa-emu.yaml.

Examples:
  helm template app ./chart -n shop | irsa-emu inject -n shop -f - | kubectl apply -f -
  irsa-emu inject -f app.yaml > injected.yaml"
)]
pub struct InjectArgs {
    /// Manifests; `-` is stdin
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Namespace of what names none
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    #[command(flatten)]
    install: InstallArgs,
    /// Image of the sidecar, instead of the one that `up` makes
    #[arg(long, value_name = "IMAGE")]
    sidecar_image: Option<String>,
    /// Version of Kubernetes that it is for, such as 1.31 [default: the newest]
    #[arg(long, value_name = "VERSION", value_parser = args::kubernetes_minor)]
    kube_version: Option<u32>,
    #[command(flatten)]
    output: OutputArgs,
}

/// The answer for programs.
#[derive(Debug, Default, Serialize)]
struct Answer {
    objects: Vec<Value>,
    explanations: Vec<Explanation>,
}

/// A document as it is to be printed, and what was decided about the objects in it.
struct Outcome {
    text: String,
    value: Value,
    decided: Vec<Injection>,
}

/// Prints the manifests. No cluster is asked.
pub async fn run(args: InjectArgs, app: &App) -> Result<ExitStatus, CliError> {
    let documents = documents::read(&args.files)
        .await
        .map_err(|error| CliError::new(ExitStatus::Usage, "reading manifests", error))?;
    if let Some(why) = args.install.contradiction() {
        let error = CliError::because(ExitStatus::Usage, "choosing the settings", why);
        return Err(error.next("irsa-emu inject --help"));
    }
    // The sidecar's image is missed only where a Pod gets the sidecar.
    let (sidecar, missed) = match sidecar_image(&args).await {
        Ok(reference) => (reference, None),
        Err(error) => (String::new(), Some(error)),
    };
    let world = world(&args, sidecar, &documents, app).await?;
    let mut outcomes = Vec::with_capacity(documents.len());
    for document in documents {
        outcomes.push(outcome(document, &args.namespace, &world)?);
    }
    let decided: Vec<&Injection> = outcomes.iter().flat_map(|outcome| &outcome.decided).collect();
    match missed {
        Some(error) if decided.iter().any(|injection| gets_sidecar(injection)) => {
            return Err(error.next("irsa-emu inject --sidecar-image IMAGE"));
        }
        Some(_) | None => {}
    }
    for injection in &decided {
        app.progress.note(&line(injection));
    }
    let answer = Answer {
        objects: outcomes.iter().map(|outcome| outcome.value.clone()).collect(),
        explanations: decided
            .iter()
            .map(|injection| injection.explanation.clone())
            .collect(),
    };
    app.answer(&answer, |printer| {
        let texts: Vec<&str> = outcomes.iter().map(|outcome| outcome.text.as_str()).collect();
        printer.data(documents::join(&texts).trim_end());
    })?;
    Ok(ExitStatus::Ok)
}

async fn sidecar_image(args: &InjectArgs) -> Result<String, CliError> {
    let sidecar = ImageArgs::sidecar(args.sidecar_image.as_ref(), None).await?;
    Ok(sidecar.reference().to_owned())
}

/// What the settings, the documents and the configuration file say.
async fn world(
    args: &InjectArgs,
    sidecar: String,
    documents: &[Document],
    app: &App,
) -> Result<World, CliError> {
    let images = References {
        sidecar,
        ..References::default()
    };
    let native_sidecars = args.kube_version.is_none_or(runs_native_sidecars);
    let install = args.install.install(&app.instance, images, native_sidecars);
    let mut world = World::offline(Settings::of(&install));
    for recipe in steps::configured(app).await? {
        world.learn_recipe(&recipe);
    }
    for object in documents.iter().flat_map(Document::objects) {
        world
            .learn(object, &args.namespace)
            .map_err(|why| CliError::because(ExitStatus::Usage, "reading manifests", why))?;
    }
    Ok(world)
}

/// What becomes of a document.
fn outcome(document: Document, namespace: &str, world: &World) -> Result<Outcome, CliError> {
    let attempted = || "giving the manifests what the webhook would".to_owned();
    let Document { text, mut value } = document;
    let mut decided = Vec::new();
    let mut is_changed = false;
    for object in documents::objects_mut(&mut value) {
        let Some(injection) = inject(object, namespace, world).attempting(attempted)? else {
            continue;
        };
        if let Some(changed) = &injection.changed {
            object.clone_from(changed);
            is_changed = true;
        }
        decided.push(injection);
    }
    let text = if is_changed {
        documents::rewritten(&text, &value).attempting(attempted)?
    } else {
        text
    };
    Ok(Outcome { text, value, decided })
}

fn gets_sidecar(injection: &Injection) -> bool {
    let delivery = &injection.explanation.if_created_now.delivery;
    injection.changed.is_some()
        && delivery
            .as_ref()
            .is_some_and(|chosen| chosen.value == Delivery::Sidecar.as_str())
}

/// What was decided, for people.
fn line(injection: &Injection) -> String {
    let Explanation {
        kind,
        namespace,
        name,
        grant,
        if_created_now,
        findings,
        ..
    } = &injection.explanation;
    let title = format!("{kind} {namespace}/{name}");
    if injection.changed.is_some() {
        let delivery = if_created_now.delivery.as_ref();
        let delivery = delivery.map_or("", |chosen| chosen.value.as_str());
        let role = grant.as_ref().and_then(|grant| grant.role.as_deref());
        return format!("{title}: {delivery}, {}", role.unwrap_or("EKS Pod Identity"));
    }
    let reason = if_created_now.reason.unwrap_or_default();
    let why = findings.iter().find(|finding| finding.id == reason);
    let why = why.map_or(reason, |finding| finding.message.as_str());
    format!("{title}: left alone: {why}")
}
