//! `irsa-emu recipe apply`: makes the AWS resources of a recipe.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_cluster::kubernetes::apply::Applied;
use irsa_emu_core::recipe::Recipe;
use irsa_emu_core::shell::shell_quoted;
use irsa_emu_install::recipe::request::Request;
use irsa_emu_install::recipe::wiring;
use kube::api::ObjectMeta;
use serde_json::{Value, json};

use super::advise::advise;
use super::next;
use super::steps::{self, name_of, word};
use crate::app::App;
use crate::error::{Attempt, CliError};
use crate::options::words;

/// Options of `irsa-emu recipe apply`.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[derive(Debug, Args)]
pub(super) struct MakeArgs {
    /// Name of a recipe, or a file
    #[arg(value_name = "NAME|FILE")]
    recipe: Option<String>,
    /// The app's own Helm values, to read parameters from; may be given several times, as with helm
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    values: Vec<PathBuf>,
    /// Set a parameter; precedes --values
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = words::assignment)]
    set: Vec<(String, String)>,
    /// Namespace of the app: the recipe's parameter `namespace`
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Helm release of the app: the recipe's parameter `release`
    #[arg(long, value_name = "NAME")]
    release: Option<String>,
    /// Take resources that another Recipe of the cluster has
    #[arg(long)]
    replace: bool,
    /// Also create the annotated ServiceAccount, for an app that has none of its own
    #[arg(long)]
    service_account: bool,
    /// Only print what would be created; needs no cluster
    #[arg(long)]
    dry_run: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: RecipeFormat,
    /// How long to wait until all resources exist, such as 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = words::duration)]
    timeout: Duration,
    /// Do not wait until all resources exist
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RecipeFormat {
    /// For people
    Text,
    /// One JSON object for programs
    Json,
    /// The same as YAML
    Yaml,
    /// The Recipe, as kubectl takes it
    Manifest,
    /// Variables for an app that you configure by hand
    Env,
    /// Extra Helm values for the app
    HelmValues,
}

impl MakeArgs {
    /// Whether no recipe is named.
    pub(super) fn names_nothing(&self) -> bool {
        self.recipe.is_none()
    }
}

/// Makes the AWS resources of a recipe.
pub(super) async fn run(args: &MakeArgs, app: &App) -> Result<ExitStatus, CliError> {
    let Some(recipe) = args.recipe.clone() else {
        let error = CliError::because(ExitStatus::Usage, "choosing the recipe", "none is named");
        return Err(error.next("irsa-emu recipe list"));
    };
    let request = Request {
        recipe,
        values: args.values.clone(),
        namespace: args.namespace.clone(),
        release: args.release.clone(),
        set: args.set.clone(),
    };
    let command = app.session.command("recipe");
    let recipe = steps::fill_in(app, &request, &command).await?;
    if args.dry_run {
        print(args, app, &recipe, None)?;
        return Ok(ExitStatus::Ok);
    }
    let client = app.session.connect().await?.client;
    steps::require_emulator(app, &client, &recipe).await?;
    let (recipe, replaced) =
        steps::place(&client, recipe, &request, args.replace, &request.line(&command)).await?;
    if args.service_account {
        steps::apply_service_accounts(app, &client, &recipe).await?;
    }
    let outcome = steps::apply(app, &client, &recipe).await?;
    steps::delete(app, &client, &replaced).await?;
    let recipe = if args.no_wait {
        recipe
    } else {
        steps::wait(app, &client, &recipe, args.timeout, &request.line(&command)).await?
    };
    print(args, app, &recipe, Some(outcome))?;
    advise(app, &client, &recipe).await;
    app.printer
        .talk(&format!("next: {}", next_command(args, app, &recipe)?));
    Ok(ExitStatus::Ok)
}

fn next_command(args: &MakeArgs, app: &App, recipe: &Recipe) -> Result<String, CliError> {
    let context = app.session.context_name()?;
    Ok(next::command(
        &recipe.spec,
        &args.values,
        args.release.as_deref(),
        &context,
    ))
}

fn print(args: &MakeArgs, app: &App, recipe: &Recipe, outcome: Option<Applied>) -> Result<(), CliError> {
    let printer = &app.printer;
    match args.output {
        RecipeFormat::Json | RecipeFormat::Yaml => {
            let mut data = data(args, recipe, outcome);
            // Without a cluster there is none to deploy into.
            if outcome.is_some() {
                data["next"] = next_command(args, app, recipe)?.into();
            }
            app.output.put(&data)?;
        }
        RecipeFormat::Text => {
            let word = match (outcome, args.no_wait) {
                (None, _) => "would make",
                (Some(_), true) => "makes",
                (Some(_), false) => "made",
            };
            printer.data(&format!("recipe {} {word}:", name_of(recipe)));
            printer.data(&wiring::table(&wiring::made(&recipe.spec), printer.width()));
            printer.data("to change in the app's own manifests and values: nothing");
        }
        RecipeFormat::Manifest => {
            let mut recipe = recipe.clone();
            recipe.status = None;
            recipe.metadata = ObjectMeta {
                name: recipe.metadata.name,
                labels: recipe.metadata.labels,
                ..ObjectMeta::default()
            };
            let text = serde_saphyr::to_string(&recipe);
            let text = text.attempting(|| "writing the Recipe as YAML".to_owned())?;
            printer.data(text.trim_end());
        }
        RecipeFormat::Env => {
            for (name, value) in wiring::variables(&recipe.spec) {
                printer.data(&format!("{name}={}", shell_quoted(&value)));
            }
        }
        RecipeFormat::HelmValues => printer.data(wiring::HELM_VALUES),
    }
    Ok(())
}

fn data(args: &MakeArgs, recipe: &Recipe, outcome: Option<Applied>) -> Value {
    let state = match outcome {
        None => "dry-run",
        Some(_) if args.no_wait => "applied",
        Some(_) => "ready",
    };
    json!({
        "recipe": name_of(recipe), "state": state, "applied": outcome.map(word),
        "resources": wiring::made(&recipe.spec),
        "env": wiring::variables(&recipe.spec), "helmValues": {},
    })
}
