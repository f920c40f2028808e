//! `irsa-emu recipe`: makes an app's AWS resources, from its own values where they can be read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use irsa_emu_core::contract::{EKS_PREFIX, INJECTED, INSTANCE_LABEL, ROLE_ARN};
use irsa_emu_core::recipe::{Parameter, ParameterError, Recipe};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{ListParams, ObjectMeta};
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use serde_json::json;

use crate::app::App;
use crate::args;
use crate::error::{Attempt, CliError, Code, ExitStatus};
use crate::manifests::{self, Applied, ApplyError, Manifest, recorded};
use crate::output::OutputArgs;
use crate::progress::seconds;
use crate::recipe::catalog::{self, BUILT_IN, CatalogError, Found};
use crate::recipe::values;
use crate::recipe::wiring::{self, shell_quoted};

/// Options of `irsa-emu recipe`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RecipeArgs {
    #[command(subcommand)]
    verb: Option<RecipeVerb>,
    #[command(flatten)]
    make: MakeArgs,
}

#[derive(Debug, Subcommand)]
enum RecipeVerb {
    /// List the recipes that come with irsa-emu
    List(OutputArgs),
    /// Print the file of a recipe, with its parameters
    Show {
        /// Name of a recipe, or a file
        #[arg(value_name = "NAME|FILE")]
        recipe: String,
        #[command(flatten)]
        output: OutputArgs,
    },
}

#[derive(Debug, Args)]
struct MakeArgs {
    /// Name of a recipe, or a file
    #[arg(value_name = "NAME|FILE")]
    recipe: Option<String>,
    /// The app's own Helm values, to read parameters from
    #[arg(long, value_name = "FILE")]
    values: Option<PathBuf>,
    /// Set a parameter; beats --values
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// Namespace of the app: the recipe's parameter `namespace`
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Also make the ServiceAccount with its annotation, for an app that brings none
    #[arg(long)]
    service_account: bool,
    /// Only print what would be made; needs no cluster
    #[arg(long)]
    dry_run: bool,
    /// How it is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
    /// How long to wait until everything is made, such as 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = args::duration)]
    timeout: Duration,
    /// Do not wait until everything is made
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object for programs
    Json,
    /// The same as YAML
    Yaml,
    /// The Recipe, as kubectl takes it
    Manifest,
    /// Variables for an app that is wired by hand
    Env,
    /// Helm values that the app needs beside its own
    HelmValues,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Lists or shows recipes, or makes one true.
pub async fn run(args: RecipeArgs, app: &App) -> Result<ExitStatus, CliError> {
    let RecipeArgs { verb, make } = args;
    match (verb, make.recipe.clone()) {
        (Some(RecipeVerb::Show { recipe, output: _ }), _) => show(&recipe, app),
        (Some(RecipeVerb::List(_)), _) | (None, None) => list(app),
        (None, Some(name)) => {
            Make {
                args: &make,
                app,
                name,
            }
            .run()
            .await
        }
    }
}

fn list(app: &App) -> Result<ExitStatus, CliError> {
    let data = BUILT_IN.map(|recipe| json!({"name": recipe.name, "summary": recipe.summary}));
    app.answer(&data, |printer| {
        for recipe in BUILT_IN {
            printer.data(&format!("{}  {}", recipe.name, recipe.summary));
        }
        printer.talk("next: irsa-emu recipe show NAME, or irsa-emu recipe NAME --values values.yaml");
    })?;
    Ok(ExitStatus::Ok)
}

fn show(name: &str, app: &App) -> Result<ExitStatus, CliError> {
    let (text, _) = catalog::text(name).map_err(|error| unusable(name, error))?;
    let data = json!({"name": name, "text": text});
    app.answer(&data, |printer| printer.data(text.trim_end()))?;
    Ok(ExitStatus::Ok)
}

fn unusable(name: &str, error: CatalogError) -> CliError {
    let code = match error {
        CatalogError::Unknown { .. } | CatalogError::Unreadable { .. } => Code::RecipeUnknown,
        CatalogError::Broken { .. } => Code::RecipeInvalid,
    };
    CliError::new(ExitStatus::Usage, format!("finding the recipe {name}"), error)
        .code(code)
        .next("irsa-emu recipe list")
}

struct Make<'a> {
    args: &'a MakeArgs,
    app: &'a App,
    name: String,
}

impl Make<'_> {
    async fn run(&self) -> Result<ExitStatus, CliError> {
        let found = catalog::find(&self.name).map_err(|error| unusable(&self.name, error))?;
        let recipe = self.recipe(&found).await?;
        if self.args.dry_run {
            return self.print(&recipe, None);
        }
        let client = self.app.connect().await?.client;
        self.require_emulator(&client, &recipe).await?;
        let outcome = self.apply(&client, &recipe).await?;
        let recipe = if self.args.no_wait {
            recipe
        } else {
            self.wait(&client, &recipe).await?
        };
        let done = self.print(&recipe, Some(outcome))?;
        self.advise(&client, &recipe).await;
        Ok(done)
    }

    /// In real AWS nothing is made, and waiting for it would never end.
    async fn require_emulator(&self, client: &Client, recipe: &Recipe) -> Result<(), CliError> {
        let attempted = || format!("applying the Recipe {}", name_of(recipe));
        let recorded = recorded::read(client).await.attempting(attempted)?;
        if recorded.is_none_or(|recorded| !recorded.real_aws) {
            return Ok(());
        }
        let why = "the backend of this install is real AWS, where irsa-emu makes nothing: make the resources with your own tools";
        Err(CliError::because(ExitStatus::Failed, attempted(), why)
            .code(Code::RealAws)
            .next(format!("{} --backend emulator", self.app.command("up"))))
    }

    /// The Recipe with its parameters filled in: from flags, then values, then defaults, then the user.
    async fn recipe(&self, found: &Found) -> Result<Recipe, CliError> {
        let attempted = || format!("filling in the recipe {}", found.title);
        let mut given = self.values_given(found)?;
        if let Some(namespace) = &self.args.namespace {
            given.insert("namespace".to_owned(), namespace.clone());
        }
        given.extend(self.args.set.iter().cloned());
        if let Some(missing) = missing(found.file.parameters(), &given) {
            if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
                given.extend(
                    ask(missing)
                        .await
                        .attempting(|| "asking for parameters".to_owned())?,
                );
            } else {
                return Err(self.report_missing(found, &missing));
            }
        }
        let mut recipe = found.file.instantiate(&given).map_err(|error: ParameterError| {
            CliError::new(ExitStatus::Usage, attempted(), error)
                .code(Code::RecipeInvalid)
                .next(format!("irsa-emu recipe show {}", shell_quoted(&found.title)))
        })?;
        let labels = recipe.metadata.labels.get_or_insert_default();
        labels.insert(INSTANCE_LABEL.to_owned(), self.app.instance.clone());
        Ok(recipe)
    }

    fn values_given(&self, found: &Found) -> Result<BTreeMap<String, String>, CliError> {
        let Some(path) = &self.args.values else {
            return Ok(BTreeMap::new());
        };
        if !found.reads_values {
            let why = format!("no app's values are known for the recipe {}", found.title);
            let attempted = format!("reading the values {}", path.display());
            return Err(CliError::because(ExitStatus::Usage, attempted, why)
                .code(Code::ValuesInvalid)
                .next(format!("irsa-emu recipe show {}", shell_quoted(&found.title))));
        }
        let attempted = || format!("reading the values {}", path.display());
        let wrong = |error: anyhow::Error| {
            CliError::new(ExitStatus::Usage, attempted(), error).code(Code::ValuesInvalid)
        };
        let again = self.line("");
        let text = std::fs::read_to_string(path)
            .map_err(|error| wrong(error.into()).next("irsa-emu recipe show vault-awskms"))?;
        let values = values::read_vault_values(&text).map_err(|error| {
            wrong(error.into()).next(format!("mend {}, then: {}", path.display(), again.trim_end()))
        })?;
        if !self.args.set.iter().any(|(name, _)| name == "keyId") {
            values
                .require_seal()
                .map_err(|error| wrong(error.into()).next(self.line("--set keyId=KEY_ID")))?;
        }
        for warning in &values.warnings {
            self.app.progress.warn(warning);
        }
        let known = |name: &str| found.file.parameters().iter().any(|known| known.name == name);
        let mut parameters = values.parameters();
        parameters.retain(|name, _| known(name));
        Ok(parameters)
    }

    /// The command line of this run, with something more.
    fn line(&self, more: &str) -> String {
        let mut line = self.app.command(&format!("recipe {}", shell_quoted(&self.name)));
        if let Some(path) = &self.args.values {
            let _ = write!(line, " --values {}", shell_quoted(&path.display().to_string()));
        }
        if let Some(namespace) = &self.args.namespace {
            let _ = write!(line, " --namespace {}", shell_quoted(namespace));
        }
        for (name, value) in &self.args.set {
            let _ = write!(line, " --set {}", shell_quoted(&format!("{name}={value}")));
        }
        format!("{line} {more}")
    }

    fn report_missing(&self, found: &Found, missing: &[Parameter]) -> CliError {
        let list: Vec<String> = missing
            .iter()
            .map(|parameter| format!("\n  - {}: {}", parameter.name, parameter.description))
            .collect();
        let list = list.concat();
        let flags: Vec<String> = missing
            .iter()
            .map(|parameter| format!("--set {}={}", parameter.name, placeholder(&parameter.name)))
            .collect();
        let attempted = format!("filling in the recipe {}", found.title);
        let names: Vec<&str> = missing.iter().map(|parameter| parameter.name.as_str()).collect();
        CliError::because(ExitStatus::Usage, attempted, format!("missing parameters:{list}"))
            .code(Code::ParametersMissing)
            .detail("parameters", names)
            .next(self.line(&flags.join(" ")))
    }

    async fn apply(&self, client: &Client, recipe: &Recipe) -> Result<Applied, CliError> {
        let app = self.app;
        let title = name_of(recipe);
        app.progress.step(&format!("applying the Recipe {title}"));
        let attempted = || format!("applying the Recipe {title}");
        if self.args.service_account {
            for (namespace, name, role) in wiring::accounts(&recipe.spec) {
                let account = self.service_account(&namespace, &name, &role);
                let manifest = Manifest::of(&account).attempting(attempted)?;
                manifests::apply(client, &manifest)
                    .await
                    .map_err(|error| missing_namespace(&namespace, &name, error))?;
            }
        }
        let manifest = Manifest::of(recipe).attempting(attempted)?;
        let applied = manifests::apply(client, &manifest).await.map_err(|error| {
            if code(&error) == Some(404) {
                let why = "the cluster does not know the kind Recipe: irsa-emu is not installed there";
                CliError::because(ExitStatus::Prerequisite, attempted(), why)
                    .code(Code::NotInstalled)
                    .next(app.command("up"))
            } else {
                CliError::failed(attempted(), error)
            }
        })?;
        app.progress.done(word(applied));
        Ok(applied)
    }

    fn service_account(&self, namespace: &str, name: &str, role: &str) -> ServiceAccount {
        let annotation = (format!("{EKS_PREFIX}/{ROLE_ARN}"), role.to_owned());
        let label = (INSTANCE_LABEL.to_owned(), self.app.instance.clone());
        ServiceAccount {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(namespace.to_owned()),
                annotations: Some(BTreeMap::from([annotation])),
                labels: Some(BTreeMap::from([label])),
                ..ObjectMeta::default()
            },
            ..ServiceAccount::default()
        }
    }

    /// Waits until the keeper has made everything.
    async fn wait(&self, client: &Client, recipe: &Recipe) -> Result<Recipe, CliError> {
        let (app, title) = (self.app, name_of(recipe));
        let attempted = || format!("waiting for the Recipe {title}");
        app.progress
            .step(&format!("waiting until the AWS resources of {title} are there"));
        let api = Api::<Recipe>::all(client.clone());
        let ready = |recipe: Option<&Recipe>| {
            let Some(recipe) = recipe else { return false };
            if let Some(message) = message(recipe) {
                app.progress.detail(message);
            }
            is_ready(recipe)
        };
        match tokio::time::timeout(self.args.timeout, await_condition(api.clone(), &title, ready)).await {
            Ok(Ok(Some(recipe))) => {
                app.progress.done("ready");
                Ok(recipe)
            }
            Ok(Ok(None)) => {
                Err(
                    CliError::because(ExitStatus::Failed, attempted(), "it was deleted meanwhile")
                        .next(self.line("").trim_end().to_owned()),
                )
            }
            Ok(Err(error)) => Err(CliError::failed(attempted(), error).next(app.command("doctor"))),
            Err(_) => {
                let last = api.get_opt(&title).await.ok().flatten();
                let said = last
                    .as_ref()
                    .and_then(message)
                    .unwrap_or("the keeper has not said anything about it yet");
                let why = format!("not Ready within {}: {said}", seconds(self.args.timeout));
                Err(CliError::because(ExitStatus::Timeout, attempted(), why).next(app.command("doctor")))
            }
        }
    }

    fn print(&self, recipe: &Recipe, outcome: Option<Applied>) -> Result<ExitStatus, CliError> {
        let printer = &self.app.printer;
        match self.args.output {
            Format::Json | Format::Yaml => self.app.output.put(&self.data(recipe, outcome))?,
            Format::Text => {
                let word = match (outcome, self.args.no_wait) {
                    (None, _) => "would make",
                    (Some(_), true) => "makes",
                    (Some(_), false) => "made",
                };
                printer.data(&format!("recipe {} {word}:", name_of(recipe)));
                printer.data(&wiring::table(&wiring::made(&recipe.spec)));
                printer.data("to change in the app's own manifests and values: nothing");
            }
            Format::Manifest => {
                let mut recipe = recipe.clone();
                recipe.status = None;
                recipe.metadata = ObjectMeta {
                    name: recipe.metadata.name,
                    labels: recipe.metadata.labels,
                    ..ObjectMeta::default()
                };
                let text = serde_saphyr::to_string(&recipe)
                    .attempting(|| "writing the Recipe as YAML".to_owned())?;
                printer.data(text.trim_end());
            }
            Format::Env => {
                for (name, value) in wiring::variables(&recipe.spec) {
                    printer.data(&format!("{name}={}", shell_quoted(&value)));
                }
            }
            Format::HelmValues => printer.data("# nothing to change: the values for EKS serve here, too\n{}"),
        }
        Ok(ExitStatus::Ok)
    }

    fn data(&self, recipe: &Recipe, outcome: Option<Applied>) -> serde_json::Value {
        let state = match outcome {
            None => "dry-run",
            Some(_) if self.args.no_wait => "applied",
            Some(_) => "ready",
        };
        let helm_values = json!({});
        json!({
            "recipe": name_of(recipe), "state": state, "applied": outcome.map(word),
            "resources": wiring::made(&recipe.spec),
            "env": wiring::variables(&recipe.spec), "helmValues": helm_values,
        })
    }

    /// Says what in the cluster does not fit the Recipe. What cannot be asked is passed over: the Recipe itself is made.
    async fn advise(&self, client: &Client, recipe: &Recipe) {
        for (namespace, name, role) in wiring::accounts(&recipe.spec) {
            let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &namespace);
            let Ok(Some(account)) = accounts.get_opt(&name).await else {
                self.app.printer.talk(&format!(
                    "ServiceAccount {namespace}/{name} is not there yet; it comes with your app, annotated with {role}"
                ));
                continue;
            };
            let annotation = format!("{EKS_PREFIX}/{ROLE_ARN}");
            let named = account
                .metadata
                .annotations
                .unwrap_or_default()
                .remove(&annotation);
            if named.as_deref() != Some(&role) {
                let context = self.context_flag();
                let has = named.map_or_else(|| "no role".to_owned(), |named| format!("the role {named}"));
                self.app.printer.warn(&format!(
                    "ServiceAccount {namespace}/{name} names {has}, so its Pods do not get {role}\n  next: \
kubectl{context} -n {namespace} annotate --overwrite serviceaccount {name} {annotation}={role}"
                ));
                continue;
            }
            self.advise_restart(client, &namespace, &name).await;
        }
    }

    async fn advise_restart(&self, client: &Client, namespace: &str, account: &str) {
        let api = Api::<Pod>::namespaced(client.clone(), namespace);
        let params = ListParams::default().fields(&format!("spec.serviceAccountName={account}"));
        let Ok(pods) = api.list(&params).await else { return };
        let names: Vec<String> = pods
            .into_iter()
            .filter(lacks_injection)
            .filter_map(|pod| pod.metadata.name)
            .collect();
        if !names.is_empty() {
            let names = names.join(" ");
            let context = self.context_flag();
            self.app.printer.warn(&format!(
                "already running without credentials: {namespace}/{names}; Pods get them when they are made\n  \
next: kubectl{context} -n {namespace} delete pod {names}"
            ));
        }
    }

    fn context_flag(&self) -> String {
        self.app
            .context_name()
            .map(|context| format!(" --context {}", shell_quoted(&context)))
            .unwrap_or_default()
    }
}

/// Whether a Pod that is alive was made without us, or before us.
fn lacks_injection(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let alive = !matches!(phase, Some("Succeeded" | "Failed")) && pod.metadata.deletion_timestamp.is_none();
    let marked = pod
        .metadata
        .annotations
        .as_ref()
        .is_some_and(|annotations| annotations.contains_key(INJECTED));
    let has_role = || {
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        containers
            .flat_map(|container| container.env.iter().flatten())
            .any(|variable| variable.name == irsa_emu_core::contract::env::ROLE_ARN)
    };
    // Under `strict-eks` there is no mark, but what EKS gives.
    alive && !marked && !has_role()
}

fn name_of(recipe: &Recipe) -> String {
    recipe.metadata.name.clone().unwrap_or_default()
}

fn is_ready(recipe: &Recipe) -> bool {
    let generation = recipe.metadata.generation.unwrap_or_default();
    recipe
        .status
        .as_ref()
        .is_some_and(|status| status.is_ready(generation))
}

fn message(recipe: &Recipe) -> Option<&str> {
    recipe
        .status
        .as_ref()?
        .message()
        .filter(|message| !message.is_empty())
}

fn word(applied: Applied) -> &'static str {
    match applied {
        Applied::Created => "created",
        Applied::Changed => "changed",
        Applied::Unchanged => "unchanged",
    }
}

fn code(error: &ApplyError) -> Option<u16> {
    match error {
        ApplyError::Refused { source, .. } => match source.as_ref() {
            kube::Error::Api(status) => Some(status.code),
            _ => None,
        },
        ApplyError::Encode { .. } => None,
    }
}

fn missing_namespace(namespace: &str, name: &str, error: ApplyError) -> CliError {
    let attempted = format!("making the ServiceAccount {namespace}/{name}");
    let absent = code(&error) == Some(404);
    let error = CliError::failed(attempted, error);
    if absent {
        error.next(format!("kubectl create namespace {namespace}"))
    } else {
        error
    }
}

/// The parameters that nothing gives a value to.
fn missing(parameters: &[Parameter], given: &BTreeMap<String, String>) -> Option<Vec<Parameter>> {
    let missing: Vec<Parameter> = parameters
        .iter()
        .filter(|parameter| parameter.default.is_none() && !given.contains_key(&parameter.name))
        .cloned()
        .collect();
    (!missing.is_empty()).then_some(missing)
}

/// `keyId` as `KEY_ID`.
fn placeholder(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(c.to_ascii_uppercase());
    }
    text
}

/// Asks the user at the terminal.
async fn ask(missing: Vec<Parameter>) -> anyhow::Result<Vec<(String, String)>> {
    let asked = tokio::task::spawn_blocking(move || {
        missing
            .into_iter()
            .map(|parameter| {
                let prompt = format!("{} ({})", parameter.name, parameter.description);
                let answer = dialoguer::Input::<String>::new()
                    .with_prompt(prompt)
                    .interact_text()?;
                anyhow::Ok((parameter.name, answer.trim().to_owned()))
            })
            .collect()
    });
    asked.await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_has_a_name() {
        assert_eq!(assignment("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(assignment("a="), Ok(("a".into(), String::new())));
        assert!(assignment("=b").is_err());
        assert!(assignment("a").is_err());
    }

    #[test]
    fn a_placeholder_reads_as_one() {
        assert_eq!(placeholder("keyId"), "KEY_ID");
        assert_eq!(placeholder("account"), "ACCOUNT");
    }

    fn pod(value: serde_json::Value) -> Pod {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn only_pods_that_live_without_credentials_are_named() {
        let bare = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c"}]}});
        assert!(lacks_injection(&pod(bare.clone())));
        let mut marked = bare.clone();
        marked["metadata"]["annotations"] = json!({INJECTED: "sidecar"});
        assert!(!lacks_injection(&pod(marked)));
        let mut strict = bare.clone();
        strict["spec"]["containers"][0]["env"] = json!([{"name": "AWS_ROLE_ARN", "value": "x"}]);
        assert!(!lacks_injection(&pod(strict)));
        let mut over = bare;
        over["status"] = json!({"phase": "Succeeded"});
        assert!(!lacks_injection(&pod(over)));
    }
}
