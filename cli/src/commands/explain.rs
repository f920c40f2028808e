//! `irsa-emu explain`: explains why a Pod has its AWS identity, or has none.

use std::path::PathBuf;

use clap::{Args, FromArgMatches};
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_cluster::kubernetes::connect::Cluster;
use irsa_emu_cluster::kubernetes::kinds::SubjectKind;
use irsa_emu_cluster::kubernetes::objects;
use irsa_emu_core::kubectl::kubectl;
use irsa_emu_core::plain::plain;
use irsa_emu_doctor::checks::surroundings::Surroundings;
use irsa_emu_doctor::checks::surroundings::scope::Scope;
use irsa_emu_doctor::explain::subject::{self, Subject};
use irsa_emu_doctor::explain::world::World;
use irsa_emu_doctor::explain::{Credentials, Explanation, PodLine, gather, judge, live, render, templates};
use irsa_emu_install::settings::Settings;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::app::App;
use crate::commands::recipe::steps;
use crate::console::output::OutputArgs;
use crate::documents::learn::learn_all;
use crate::documents::{self, Document, File};
use crate::error::{Attempt, CliError};
use crate::options::install::InstallArgs;
use crate::variables::as_if;

/// Options of `irsa-emu explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  irsa-emu explain pod vault-0 -n vault
  irsa-emu explain serviceaccount/vault -n vault
  helm template vault hashicorp/vault -n vault -f values.yaml | irsa-emu explain -n vault -f -")]
pub struct ExplainArgs {
    /// What to explain: pod NAME, serviceaccount NAME or a workload, as KIND NAME or KIND/NAME
    #[arg(
        value_name = "KIND NAME",
        required_unless_present = "files",
        conflicts_with = "files"
    )]
    what: Vec<String>,
    /// Explain the Pods, ServiceAccounts and workloads of this file; `-` is stdin
    #[arg(short, long = "filename", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Namespace of objects that name none
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Use no cluster, only the documents and the settings that `up` would use
    #[arg(long, conflicts_with = "what")]
    offline: bool,
    #[command(flatten)]
    output: OutputArgs,
    /// Exit with 1 if something gets no credentials that should have some: what is named on the command line, what has a role,
    /// and what sets AWS_* by itself. With `--check=all`, if anything gets none
    #[arg(
        long,
        value_name = "WHAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "expected",
        value_parser = check
    )]
    check: Option<Check>,
}

/// What `--check` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Nothing, as its variable has it.
    Off,
    /// What should have a role.
    Expected,
    /// Everything.
    All,
}

/// Reads what `--check` asks for. Its variable may be a switch.
fn check(text: &str) -> Result<Check, String> {
    match text.to_ascii_lowercase().as_str() {
        "expected" | "1" | "true" | "yes" | "on" | "y" | "t" => Ok(Check::Expected),
        "all" => Ok(Check::All),
        "0" | "false" | "no" | "off" | "n" | "f" => Ok(Check::Off),
        _ => Err("expected `expected` or `all`".to_owned()),
    }
}

/// The output for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    explanations: &'a [Explanation],
    /// What may make Pods, and was not looked into.
    #[serde(skip_serializing_if = "<[NotLookedInto]>::is_empty")]
    not_looked_into: &'a [NotLookedInto],
}

/// An object that may make Pods, and was not looked into.
#[derive(Debug, Serialize)]
struct NotLookedInto {
    kind: String,
    namespace: String,
    name: String,
    /// Its document, and the line.
    place: String,
    why: String,
    #[serde(skip)]
    title: String,
}

/// What a user names by kind and name.
enum Named {
    Account(String),
    Object(&'static SubjectKind, String),
}

/// Explains. Fails only where it could not ask, or with `--check`.
pub async fn run(args: ExplainArgs, app: &App) -> Result<ExitStatus, CliError> {
    let ExplainArgs {
        what,
        files,
        namespace,
        offline,
        output: _,
        check,
    } = args;
    let named = read_names(&what)?;
    let files = documents::read(&files)
        .await
        .map_err(|error| CliError::new(ExitStatus::Usage, "reading manifests", error))?;
    let missed = not_looked_into(&files, namespace.as_deref().unwrap_or("default"));
    let remarks = files.iter().flat_map(|file| &file.remarks);
    for remark in remarks {
        app.progress.warn(&plain(remark));
    }
    for missed in &missed {
        let NotLookedInto {
            title, place, why, ..
        } = missed;
        app.progress
            .warn(&plain(&format!("{title} ({place}) was not looked into: {why}")));
    }
    let explained = if offline {
        by_documents(&files, namespace.as_deref().unwrap_or("default"), app).await?
    } else {
        let files = (!files.is_empty()).then_some(files);
        Box::pin(by_cluster(&named, files.as_deref(), namespace, app)).await?
    };
    let answer = Answer {
        explanations: &explained,
        not_looked_into: &missed,
    };
    app.answer(&answer, |printer| {
        let texts: Vec<String> = explained
            .iter()
            .map(|one| render::text(one, &|paint, text| printer.paint(paint, text)))
            .collect();
        printer.data(&texts.join("\n\n"));
    })?;
    let is_asked = |one: &&Explanation| match check {
        None | Some(Check::Off) => false,
        // Whoever names an object wants to know about this one.
        Some(Check::Expected) => one.expects_role || !named.is_empty(),
        Some(Check::All) => true,
    };
    let asked = explained.iter().filter(is_asked);
    let without: Vec<&Explanation> = asked.filter(|one| one.credentials == Credentials::No).collect();
    match without.split_first() {
        Some((first, others)) => Err(no_credentials(first, others.len())),
        None => Ok(ExitStatus::Ok),
    }
}

/// What of the documents may make Pods, and is not looked into.
fn not_looked_into(files: &[File], default_namespace: &str) -> Vec<NotLookedInto> {
    let mut found = Vec::new();
    for document in files.iter().flat_map(|file| &file.documents) {
        for object in document.objects() {
            let Some(why) = templates::of(&object.value).missed else {
                continue;
            };
            let text = |pointer: &str| {
                object
                    .value
                    .pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            found.push(NotLookedInto {
                kind: text("/kind").to_owned(),
                namespace: subject::namespace_of(&object.value, default_namespace).to_owned(),
                name: text("/metadata/name").to_owned(),
                place: document.place.clone(),
                why,
                title: subject::object_title(&object.value, default_namespace),
            });
        }
    }
    found
}

/// Explains with the documents and the settings that `up` would use here.
async fn by_documents(files: &[File], namespace: &str, app: &App) -> Result<Vec<Explanation>, CliError> {
    let mut world = World::offline(settings(app)?);
    world.time_keys = gather::time_keys(OffsetDateTime::now_utc());
    for recipe in steps::configured(app).await? {
        world.learn_recipe(&recipe);
    }
    let subjects = of_documents(files, namespace, &mut world)?;
    Ok(subjects
        .iter()
        .map(|subject| judge::judge(subject, &world))
        .collect())
}

/// The settings that `up` would have here.
pub(crate) fn settings(app: &App) -> Result<Settings, CliError> {
    let attempted = "reading the settings";
    let unreadable = |error| CliError::new(ExitStatus::Usage, attempted, error).code(Code::ConfigInvalid);
    let up = as_if(&app.parser, "up", &app.config).map_err(unreadable)?;
    let install = InstallArgs::from_arg_matches(&up).map_err(unreadable)?;
    if let Some(why) = install.contradiction() {
        return Err(CliError::because(ExitStatus::Usage, attempted, why).next("irsa-emu config view"));
    }
    let settings = install.settings(&app.session.instance, String::new(), true);
    Ok(Settings::from(&settings))
}

/// Explains with the state of the cluster and its emulator; documents precede.
async fn by_cluster(
    named: &[Named],
    files: Option<&[File]>,
    namespace: Option<String>,
    app: &App,
) -> Result<Vec<Explanation>, CliError> {
    let cluster = app.session.connect().await?;
    let attempted = || format!("asking the cluster of context `{}`", cluster.context);
    let namespace = namespace.unwrap_or_else(|| cluster.client.default_namespace().to_owned());
    let world = gather::world(&cluster.client, kubectl(&cluster.context))
        .await
        .attempting(attempted)?;
    let Some(mut world) = world else {
        let why = "irsa-emu is not installed there";
        return Err(CliError::because(ExitStatus::Prerequisite, attempted(), why)
            .code(Code::NotInstalled)
            .next(app.session.command("up")));
    };
    let subjects = match files {
        Some(files) => of_documents(files, &namespace, &mut world)?,
        None => find(&cluster, &namespace, named).await?,
    };
    gather::accounts(&cluster.client, &mut world, &subjects)
        .await
        .attempting(attempted)?;
    let surroundings = Surroundings::new(&app.session, Scope::default());
    gather::roles(async || surroundings.emulator_url().await, &mut world, &subjects).await;
    let mut explained = Vec::with_capacity(subjects.len());
    for subject in &subjects {
        let mut explanation = judge::judge(subject, &world);
        if subject.kind == "ServiceAccount" && files.is_none() {
            if world.account(&subject.namespace, &subject.name).is_none() {
                return Err(missing(
                    "ServiceAccount",
                    &subject.namespace,
                    &subject.name,
                    &cluster,
                ));
            }
            explanation.pods = pods_of(&cluster, &surroundings, &mut world, subject)
                .await
                .attempting(attempted)?;
        }
        explained.push(explanation);
    }
    Ok(explained)
}

/// What `--check` fails with.
fn no_credentials(first: &Explanation, others: usize) -> CliError {
    let object = first.title();
    let others = match others {
        0 => String::new(),
        count => format!("; {count} more get none either"),
    };
    let error = CliError::because(
        ExitStatus::Failed,
        format!("checking whether {object} gets credentials"),
        format!("{}{others}", plain(&first.summary)),
    );
    let fix = first.findings.first().and_then(|finding| finding.fix.clone());
    let error = error.code(Code::NoCredentials);
    match fix {
        Some(fix) => error.next(fix),
        None => error,
    }
}

/// Reads `KIND NAME...` and `KIND/NAME...`.
fn read_names(words: &[String]) -> Result<Vec<Named>, CliError> {
    let wrong = |why: String| {
        CliError::because(ExitStatus::Usage, "choosing what to explain", why).next("irsa-emu explain --help")
    };
    let pairs: Vec<(&str, &str)> = match words.split_first() {
        None => Vec::new(),
        Some((first, _)) if first.contains('/') => words
            .iter()
            .map(|word| {
                word.split_once('/')
                    .ok_or_else(|| wrong(format!("`{word}` is not of the form KIND/NAME")))
            })
            .collect::<Result<_, _>>()?,
        Some((kind, [])) => return Err(wrong(format!("`{kind}` needs a name"))),
        Some((kind, names)) => names.iter().map(|name| (kind.as_str(), name.as_str())).collect(),
    };
    let named = |(kind, name): (&str, &str)| {
        if name.is_empty() {
            return Err(wrong(format!("`{kind}` needs a name")));
        }
        match kind.to_ascii_lowercase().as_str() {
            "serviceaccount" | "serviceaccounts" | "sa" => Ok(Named::Account(name.to_owned())),
            word => match SubjectKind::typed(word) {
                Some(kind) => Ok(Named::Object(kind, name.to_owned())),
                None => Err(wrong(format!(
                    "`{kind}` is not a kind that runs Pods: pod, serviceaccount, deployment, statefulset, daemonset, replicaset, job, cronjob"
                ))),
            },
        }
    };
    pairs.into_iter().map(named).collect()
}

/// The objects that were named, in the cluster.
async fn find(cluster: &Cluster, namespace: &str, named: &[Named]) -> Result<Vec<Subject>, CliError> {
    let attempted = || format!("asking the cluster of context `{}`", cluster.context);
    let mut owners = gather::Owners::default();
    let mut subjects = Vec::with_capacity(named.len());
    for one in named {
        let (kind, name) = match one {
            Named::Account(name) => {
                subjects.push(Subject::of_account(namespace, name));
                continue;
            }
            Named::Object(kind, name) => (kind, name),
        };
        let found = objects::workload(&cluster.client, kind, namespace, name)
            .await
            .attempting(attempted)?;
        let subject = match found {
            Some(object) if kind.name == "Pod" => owners.subject(&cluster.client, object).await,
            Some(object) => Subject::of_object(&object, namespace),
            None => None,
        };
        subjects.push(subject.ok_or_else(|| missing(kind.name, namespace, name, cluster))?);
    }
    Ok(subjects)
}

fn missing(kind: &str, namespace: &str, name: &str, cluster: &Cluster) -> CliError {
    let plural = if kind == "ServiceAccount" {
        "serviceaccounts"
    } else {
        SubjectKind::typed(kind).map_or("pods", |kind| kind.plural)
    };
    let why = format!("the Namespace {namespace} has no {kind} of this name");
    CliError::because(ExitStatus::Failed, format!("looking for {kind} {name}"), why).next(format!(
        "{} get {plural} --all-namespaces",
        kubectl(&cluster.context)
    ))
}

/// The subjects of files. Their ServiceAccounts, Namespaces and Recipes are taken as applied.
fn of_documents(files: &[File], namespace: &str, world: &mut World) -> Result<Vec<Subject>, CliError> {
    learn_all(world, files, namespace)
        .map_err(|why| CliError::because(ExitStatus::Usage, "reading manifests", why))?;
    let documents = files.iter().flat_map(|file| &file.documents);
    let subjects: Vec<Subject> = documents
        .flat_map(Document::objects)
        .flat_map(|object| Subject::all_of(&object.value, namespace))
        .collect();
    if subjects.is_empty() {
        let why = "none of the documents is a Pod, a ServiceAccount or a workload with a Pod template";
        return Err(
            CliError::because(ExitStatus::Usage, "reading manifests", why).next("irsa-emu explain --help")
        );
    }
    Ok(subjects)
}

/// The Pods that run as a ServiceAccount.
async fn pods_of(
    cluster: &Cluster,
    surroundings: &Surroundings<'_>,
    world: &mut World,
    account: &Subject,
) -> Result<Vec<PodLine>, kube::Error> {
    let mut owners = gather::Owners::default();
    let mut subjects = Vec::new();
    let fields = format!("spec.serviceAccountName={}", account.name);
    for pod in objects::pods(&cluster.client, Some(&account.namespace), &fields).await? {
        subjects.extend(owners.subject(&cluster.client, pod).await);
    }
    // Those that run may ask for other roles than the one that is granted now.
    let is_known = |role: &String| world.roles.contains_key(role);
    let mut asked = subjects.iter().flat_map(|subject| live::roles_of(&subject.pod));
    if !asked.all(|role| is_known(&role)) {
        gather::roles(async || surroundings.emulator_url().await, world, &subjects).await;
    }
    let lines = subjects.iter().map(|subject| {
        let explained = judge::judge(subject, world);
        PodLine {
            name: explained.name,
            credentials: explained.credentials,
            summary: explained.summary,
        }
    });
    Ok(lines.collect())
}
