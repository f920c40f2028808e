//! The steps from a request to AWS resources that are there: for `recipe`, and for the recipes of `up`.

use std::collections::BTreeMap;
use std::time::Duration;

use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_cluster::kubernetes::apply::{self, Applied, ApplyError, Manifest};
use irsa_emu_cluster::progress::seconds;
use irsa_emu_core::contract::{EKS_PREFIX, INSTANCE_LABEL, ROLE_ARN};
use irsa_emu_core::recipe::Recipe;
use irsa_emu_install::recipe::placed::{self, Place};
use irsa_emu_install::recipe::request::Request;
use irsa_emu_install::recipe::{installed, wiring};
use irsa_emu_install::recorded;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DeleteParams, ObjectMeta};
use kube::runtime::wait::await_condition;
use kube::{Api, Client};

use crate::app::App;
use crate::console::prompt;
use crate::error::{Attempt, CliError};

/// The Recipe with its parameters filled in: from flags, then values, then defaults, then the user.
/// `command` is what the user can type again.
pub(crate) async fn fill_in(app: &App, request: &Request, command: &str) -> Result<Recipe, CliError> {
    let mut draft = request.open(command)?;
    for warning in &draft.warnings {
        app.progress.warn(warning);
    }
    let missing = draft.missing();
    if !missing.is_empty() {
        if !prompt::is_possible(&app.printer) {
            return Err(request.lacking(&missing, command).into());
        }
        draft.take(prompt::parameters(&app.printer, missing).await?);
    }
    Ok(draft.finish(request, &app.session.instance)?)
}

/// The recipes of the configuration file, filled in.
pub(crate) async fn configured(app: &App) -> Result<Vec<Recipe>, CliError> {
    let mut recipes = Vec::new();
    for entry in app.config.recipes() {
        recipes.push(fill_in(app, &Request::from(entry), &app.session.command("recipe")).await?);
    }
    Ok(recipes)
}

/// Gives the Recipe its place among those of the cluster, and names those that it replaces. What other apps have is taken
/// only where that is asked for. `again` is what the user can type again.
pub(crate) async fn place(
    client: &Client,
    mut recipe: Recipe,
    request: &Request,
    replace: bool,
    again: &str,
) -> Result<(Recipe, Vec<String>), CliError> {
    let attempted = format!("applying the Recipe {}", name_of(&recipe));
    let there = installed::list(client).await.attempting(|| attempted.clone())?;
    let Place { name, taken } = placed::place(&recipe, request.plain_name(), &there);
    let mut others: Vec<String> = taken.iter().map(|taken| taken.from.clone()).collect();
    others.dedup();
    if !taken.is_empty() && !replace {
        let lines: Vec<String> = taken
            .iter()
            .map(|taken| format!("\n  - Recipe {}: {}", taken.from, taken.what))
            .collect();
        let why = format!(
            "the Recipe {name} would take resources of another app:{}",
            lines.concat()
        );
        return Err(CliError::because(ExitStatus::Unsafe, attempted, why)
            .code(Code::RecipeTaken)
            .detail("recipes", others)
            .next(format!("{again} --replace")));
    }
    others.retain(|other| *other != name);
    recipe.metadata.name = Some(name);
    Ok((recipe, others))
}

/// Deletes Recipes that were replaced. What they made stays.
pub(super) async fn delete(app: &App, client: &Client, names: &[String]) -> Result<(), CliError> {
    for name in names {
        app.progress.step(&format!("deleting the Recipe {name}"));
        let deleted = Api::<Recipe>::all(client.clone())
            .delete(name, &DeleteParams::default())
            .await;
        match deleted {
            Ok(_) => app.progress.done("deleted"),
            Err(kube::Error::Api(status)) if status.code == 404 => app.progress.done("not there"),
            Err(error) => return Err(CliError::failed(format!("deleting the Recipe {name}"), error)),
        }
    }
    Ok(())
}

/// In real AWS nothing is made, and waiting for it would never end.
pub(super) async fn require_emulator(app: &App, client: &Client, recipe: &Recipe) -> Result<(), CliError> {
    let attempted = || format!("applying the Recipe {}", name_of(recipe));
    let recorded = recorded::read(client).await.attempting(attempted)?;
    if recorded.is_none_or(|recorded| !recorded.real_aws) {
        return Ok(());
    }
    let why = "the backend of this install is real AWS, where irsa-emu creates nothing: create the resources with your own tools";
    Err(CliError::because(ExitStatus::Failed, attempted(), why)
        .code(Code::RealAws)
        .next(format!("{} --backend emulator", app.session.command("up"))))
}

/// Applies the Recipe.
pub(crate) async fn apply(app: &App, client: &Client, recipe: &Recipe) -> Result<Applied, CliError> {
    let title = name_of(recipe);
    app.progress.step(&format!("applying the Recipe {title}"));
    let attempted = || format!("applying the Recipe {title}");
    let manifest = Manifest::of(recipe).attempting(attempted)?;
    let applied = apply::apply(client, &manifest).await.map_err(|error| {
        if code(&error) == Some(404) {
            let why = "the cluster does not know the kind Recipe: irsa-emu is not installed there";
            CliError::because(ExitStatus::Prerequisite, attempted(), why)
                .code(Code::NotInstalled)
                .next(app.session.command("up"))
        } else {
            CliError::failed(attempted(), error)
        }
    })?;
    app.progress.done(word(applied));
    Ok(applied)
}

/// Makes the ServiceAccounts of the Recipe, each with its annotation.
pub(super) async fn apply_service_accounts(
    app: &App,
    client: &Client,
    recipe: &Recipe,
) -> Result<(), CliError> {
    app.progress.step("making ServiceAccounts");
    let accounts = wiring::accounts(&recipe.spec);
    for (namespace, name, role) in &accounts {
        let attempted = || format!("making the ServiceAccount {namespace}/{name}");
        let manifest = Manifest::of(&service_account(app, namespace, name, role)).attempting(attempted)?;
        apply::apply(client, &manifest).await.map_err(|error| {
            let absent = code(&error) == Some(404);
            let error = CliError::failed(attempted(), error);
            if absent {
                error.next(format!("{} create namespace {namespace}", app.session.kubectl()))
            } else {
                error
            }
        })?;
    }
    app.progress.done(&format!("{} there", accounts.len()));
    Ok(())
}

fn service_account(app: &App, namespace: &str, name: &str, role: &str) -> ServiceAccount {
    let annotation = (format!("{EKS_PREFIX}/{ROLE_ARN}"), role.to_owned());
    let label = (INSTANCE_LABEL.to_owned(), app.session.instance.clone());
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

/// Waits until the keeper has made everything. `again` is what the user can type again.
pub(crate) async fn wait(
    app: &App,
    client: &Client,
    recipe: &Recipe,
    timeout: Duration,
    again: &str,
) -> Result<Recipe, CliError> {
    let title = name_of(recipe);
    let attempted = || format!("waiting for the Recipe {title}");
    app.progress
        .step(&format!("waiting until the AWS resources of {title} are there"));
    let api = Api::<Recipe>::all(client.clone());
    let ready = |recipe: Option<&Recipe>| {
        let Some(recipe) = recipe else { return false };
        if let Some(message) = message(recipe) {
            app.progress.detail(message);
        }
        installed::state(recipe).ready
    };
    match tokio::time::timeout(timeout, await_condition(api.clone(), &title, ready)).await {
        Ok(Ok(Some(recipe))) => {
            app.progress.done("ready");
            Ok(recipe)
        }
        Ok(Ok(None)) => {
            let why = "it was deleted meanwhile";
            Err(CliError::because(ExitStatus::Failed, attempted(), why).next(again))
        }
        Ok(Err(error)) => Err(CliError::failed(attempted(), error).next(app.session.command("doctor"))),
        Err(_) => {
            let last = api.get_opt(&title).await.ok().flatten();
            let said = last
                .as_ref()
                .and_then(message)
                .unwrap_or("the keeper has not reported anything about it yet");
            let why = format!("not Ready within {}: {said}", seconds(timeout));
            Err(CliError::because(ExitStatus::Timeout, attempted(), why)
                .code(Code::NotReady)
                .next(app.session.command("doctor")))
        }
    }
}

/// The name of a Recipe.
pub(super) fn name_of(recipe: &Recipe) -> String {
    recipe.metadata.name.clone().unwrap_or_default()
}

fn message(recipe: &Recipe) -> Option<&str> {
    recipe
        .status
        .as_ref()?
        .message()
        .filter(|message| !message.is_empty())
}

/// What applying came to, in a word.
pub(super) fn word(applied: Applied) -> &'static str {
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
