//! `irsa-emu inject`: gives manifests what the webhook would give their Pods, without a cluster.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_core::choice::Choice;
use irsa_emu_core::contract::{EMULATOR, NAMESPACE, env};
use irsa_emu_core::plain::plain;
use irsa_emu_core::rules::Delivery;
use irsa_emu_doctor::explain::findings::{ADDRESS_UNKNOWN, Finding, Level};
use irsa_emu_doctor::explain::world::World;
use irsa_emu_doctor::explain::{Explanation, subject, templates};
use irsa_emu_doctor::inject::{Decision, inject};
use irsa_emu_install::objects::runs_native_sidecars;
use irsa_emu_install::settings::Settings;
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::commands::recipe::steps;
use crate::console::output::OutputArgs;
use crate::documents::learn::learn_all;
use crate::documents::{self, Document, File};
use crate::error::{Attempt, CliError};
use crate::options::images::ImageArgs;
use crate::options::install::InstallArgs;
use crate::options::words;

/// Options of `irsa-emu inject`.
#[derive(Debug, Args)]
#[command(
    after_help = "Documents that do not change are printed byte for byte; those that change lose the comments inside of them.
ServiceAccounts, Namespaces and Recipes are used if they are among the documents, and Recipes of irsa-emu.yaml.

Examples:
  helm template app ./chart -n shop | irsa-emu inject -n shop -f - > injected.yaml
  irsa-emu inject -f app.yaml --emulator-ip 10.96.3.4 > injected.yaml"
)]
pub struct InjectArgs {
    /// Manifests; `-` is stdin
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Namespace of objects that name none
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    #[command(flatten)]
    install: InstallArgs,
    /// Image of the sidecar, instead of the one that `up` makes
    #[arg(long, value_name = "IMAGE")]
    sidecar_image: Option<String>,
    /// Kubernetes version of the cluster, such as 1.31 [default: the newest]
    #[arg(long, value_name = "VERSION", value_parser = words::kubernetes_minor)]
    kube_version: Option<u32>,
    /// ClusterIP of the emulator's Service, which Pods get for S3: `kubectl --context NAME -n irsa-emu get service
    /// localstack`
    #[arg(long, value_name = "IP")]
    emulator_ip: Option<IpAddr>,
    #[command(flatten)]
    output: OutputArgs,
}

/// The output for programs.
#[derive(Debug, Default, Serialize)]
struct Answer {
    objects: Vec<Value>,
    explanations: Vec<Explanation>,
}

/// What was decided about the objects of all documents.
#[derive(Default)]
struct Looked {
    decided: Vec<Decision>,
    /// What may make Pods, and was not looked into.
    missed: Vec<String>,
}

/// Prints the manifests. No cluster is asked.
pub async fn run(args: InjectArgs, app: &App) -> Result<ExitStatus, CliError> {
    let mut files = documents::read(&args.files)
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
    let world = world(&args, sidecar, &files, app).await?;
    let mut looked = Looked::default();
    for document in files.iter_mut().flat_map(|file| &mut file.documents) {
        look(document, &args.namespace, &world, &mut looked)?;
    }
    match missed {
        Some(error) if looked.decided.iter().any(gets_sidecar) => {
            return Err(error.next("irsa-emu inject --sidecar-image IMAGE"));
        }
        Some(_) | None => {}
    }
    for remark in files.iter().flat_map(|file| &file.remarks).chain(&looked.missed) {
        app.progress.warn(&plain(remark));
    }
    for decision in &looked.decided {
        app.progress.note(&line(decision));
        for warning in warnings(decision) {
            app.progress.warn(&warning);
        }
    }
    if looked.decided.iter().any(lacks_address) {
        app.progress.note(&format!(
            "{} is added only with the ClusterIP of the emulator's Service\n  next: irsa-emu inject --emulator-ip \
 $(kubectl --context NAME -n {NAMESPACE} get service {EMULATOR} -o jsonpath={{.spec.clusterIP}})",
            env::ENDPOINT_S3
        ));
    }
    let documents = files.iter().flat_map(|file| &file.documents);
    let answer = Answer {
        objects: documents.map(|document| document.value.clone()).collect(),
        explanations: looked
            .decided
            .into_iter()
            .map(|decision| decision.explanation)
            .collect(),
    };
    let text = documents::joined(&files);
    app.answer(&answer, |printer| printer.exact(&text))?;
    Ok(ExitStatus::Ok)
}

async fn sidecar_image(args: &InjectArgs) -> Result<String, CliError> {
    let sidecar = ImageArgs::sidecar(args.sidecar_image.as_ref(), None).await?;
    Ok(sidecar.reference().to_owned())
}

/// The settings, the documents and the configuration file.
async fn world(args: &InjectArgs, sidecar: String, files: &[File], app: &App) -> Result<World, CliError> {
    let native_sidecars = args.kube_version.is_none_or(runs_native_sidecars);
    let install = args
        .install
        .settings(&app.session.instance, sidecar, native_sidecars);
    let mut settings = Settings::from(&install);
    if let Some(ip) = args.emulator_ip {
        let ip = ip.to_string();
        settings.inject = settings.inject.with_cluster_ip(&settings.namespace, Some(&ip));
    }
    let mut world = World::offline(settings);
    for recipe in steps::configured(app).await? {
        world.learn_recipe(&recipe);
    }
    learn_all(&mut world, files, &args.namespace)
        .map_err(|why| CliError::because(ExitStatus::Usage, "reading manifests", why))?;
    Ok(world)
}

fn writing() -> String {
    "adding to the manifests what the webhook would add".to_owned()
}

/// Gives the objects of a document what the webhook would.
fn look(
    document: &mut Document,
    namespace: &str,
    world: &World,
    looked: &mut Looked,
) -> Result<(), CliError> {
    let mut value = document.value.clone();
    for object in document.objects() {
        let missed = templates::of(&object.value).missed;
        looked.missed.extend(missed.map(|why| {
            let title = subject::object_title(&object.value, namespace);
            format!("{title} ({}) was not looked into: {why}", document.place)
        }));
        let Some(injection) = inject(&object.value, namespace, world).attempting(writing)? else {
            continue;
        };
        if let (Some(changed), Some(at)) = (injection.changed, value.pointer_mut(&object.pointer)) {
            *at = changed;
        }
        looked.decided.extend(injection.decisions);
    }
    if value != document.value {
        document.rewrite(value).attempting(writing)?;
    }
    Ok(())
}

fn gets_sidecar(decision: &Decision) -> bool {
    let delivery = &decision.explanation.if_created_now.delivery;
    decision.is_changed
        && delivery
            .as_ref()
            .is_some_and(|chosen| chosen.value == Delivery::Sidecar.as_str())
}

/// Whether the webhook would give more, but only the cluster knows what.
fn lacks_address(decision: &Decision) -> bool {
    let mut findings = decision.explanation.findings.iter();
    decision.is_changed && findings.any(|finding| finding.id == ADDRESS_UNKNOWN)
}

/// What was decided, for people.
fn line(decision: &Decision) -> String {
    let Explanation {
        grant,
        if_created_now,
        ..
    } = &decision.explanation;
    let title = decision.explanation.title();
    if decision.is_changed {
        let delivery = if_created_now.delivery.as_ref();
        let delivery = delivery.map_or("", |chosen| chosen.value.as_str());
        let role = grant.as_ref().and_then(|grant| grant.role.as_deref());
        let role = role.unwrap_or("EKS Pod Identity");
        return format!("{title}: {delivery}, {}", plain(role));
    }
    let why = reason(decision).map_or(if_created_now.reason.unwrap_or_default(), |finding| {
        finding.message.as_str()
    });
    format!("{title}: left alone: {}", plain(why))
}

/// Why nothing was added.
fn reason(decision: &Decision) -> Option<&Finding> {
    let reason = decision.explanation.if_created_now.reason?;
    let mut findings = decision.explanation.findings.iter();
    findings.find(|finding| finding.id == reason)
}

/// Other obstacles and probable mistakes, as `explain` prints them.
fn warnings(decision: &Decision) -> Vec<String> {
    let reason = reason(decision);
    let title = decision.explanation.title();
    let findings = decision.explanation.findings.iter();
    let told = findings.filter(|finding| finding.level != Level::Note && Some(*finding) != reason);
    told.map(|finding| format!("{title}: {} [{}]", plain(&finding.message), finding.id))
        .collect()
}
