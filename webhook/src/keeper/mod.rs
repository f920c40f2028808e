//! The keeper: the one writer of AWS resources. It checks every few seconds that the resources of the Recipes exist in the
//! emulator, makes what is missing, and writes down what it saw.

mod iam;
mod kms;
mod outcome;
mod seed;
mod shared;
mod status;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use irsa_emu_core::install::{Backend, InstallSettings};
use irsa_emu_core::oidc_provider;
use irsa_emu_core::recipe::{Conflict, KeySeed, Recipe, RecipeSpec, RecipeStatus};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use crate::args::Settings;
use crate::aws::Emulator;
use crate::directory::Directory;
use crate::metrics::Metrics;
use outcome::{Kept, Presence, RecipeState, ResourceOutcome};

/// A key that the emulator lost is back after this and a call or two.
const LOOK: Duration = Duration::from_millis(2_700);
/// No two looks follow each other faster, whatever changes: what a look writes is a change too.
const PAUSE: Duration = Duration::from_millis(300);

/// Keys that the emulator made under ids of its own: the generation of the Recipe, and the id, by the ARN that was wanted.
/// The status has the same, and outlives this process; this is there before the status has come back.
#[derive(Debug, Default)]
struct MadeInstead(BTreeMap<String, (i64, String)>);

impl MadeInstead {
    /// The key that was made in place of this one for a Recipe as it is now.
    fn of<'a>(&'a self, recipe: &'a Recipe, arn: &str) -> Option<&'a str> {
        let generation = recipe.metadata.generation.unwrap_or_default();
        if let Some((of, id)) = self.0.get(arn) {
            return (*of == generation).then_some(id.as_str());
        }
        let status = recipe.status.as_ref();
        let status = status.filter(|status| status.observed_generation == generation)?;
        let resource = status.resources.iter().find(|resource| resource.arn == arn)?;
        resource.made_instead.as_deref()
    }

    fn remember(&mut self, recipe: &Recipe, arn: &str, outcome: &ResourceOutcome) {
        let generation = recipe.metadata.generation.unwrap_or_default();
        match outcome {
            ResourceOutcome::Instead { id, .. } => {
                self.0.insert(arn.to_owned(), (generation, id.clone()));
            }
            // Nothing new is known of an emulator that does not respond.
            ResourceOutcome::Failed {
                presence: Presence::Unknown,
                ..
            } => {}
            ResourceOutcome::Found | ResourceOutcome::Made | ResourceOutcome::Failed { .. } => {
                self.0.remove(arn);
            }
        }
    }
}

/// Keeps all Recipes without end, while this replica leads.
pub(crate) async fn keep(
    client: Client,
    directory: Arc<Directory>,
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
) -> anyhow::Result<()> {
    let InstallSettings {
        backend,
        emulator_url: url,
        namespace,
        ..
    } = &settings.install;
    if *backend != Backend::Emulator {
        return stand_aside(&client, &directory).await;
    }
    let mut changes = directory.recipe_changes();
    let emulator = Emulator::new(url);
    let issuer = kubernetes_issuer(&client).await;
    let (mut seed, mut instead) = (None, MadeInstead::default());
    loop {
        let api = Api::<Secret>::namespaced(client.clone(), namespace);
        match seed::keep(&api, seed.as_ref(), &directory.recipes()).await {
            Ok(found) => seed = Some(found),
            // Without it no key is made: material that cannot be made again would be worse than none.
            Err(error) => tracing::error!(
                error = format!("{error:#}"),
                "no seed for key material; trying again"
            ),
        }
        changes.mark_unchanged();
        let recipes = shared::in_order(directory.recipes());
        for (index, recipe) in recipes.iter().enumerate() {
            let taken = shared::taken(recipe, &recipes[..index]);
            let outcome =
                match look_after(&emulator, seed.as_ref(), &issuer, recipe, &taken, &mut instead).await {
                    Ok(kept) => RecipeState::Kept(kept),
                    Err(problem) => RecipeState::Invalid(problem),
                };
            count_made(&outcome, &metrics);
            write_down(&client, recipe, &outcome, Some(url)).await;
        }
        tokio::time::sleep(PAUSE).await;
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// With real AWS behind the STS front nothing is made: the Recipes' rules apply, and their status reports what does not.
async fn stand_aside(client: &Client, directory: &Directory) -> anyhow::Result<()> {
    let mut changes = directory.recipe_changes();
    loop {
        changes.mark_unchanged();
        for recipe in directory.recipes() {
            write_down(client, &recipe, &RecipeState::NotMade, None).await;
        }
        tokio::time::sleep(PAUSE).await;
        changes.changed().await?;
    }
}

/// ARNs of the OIDC providers that the roles of a Recipe trust: the cluster's issuer in each of their accounts.
fn providers(spec: &RecipeSpec, issuer: &str) -> BTreeSet<String> {
    spec.iam
        .roles
        .iter()
        .filter_map(|role| spec.role_arn(role).ok())
        .map(|role| oidc_provider::arn(&role, issuer))
        .collect()
}

fn count_made(seen: &RecipeState, metrics: &Metrics) {
    let RecipeState::Kept(kept) = seen else { return };
    let made = |kept: &&Kept| kept.outcome.presence() == Presence::Made;
    for _ in kept.iter().filter(made) {
        metrics.made_resource();
    }
}

/// What became of a Recipe's resources; an error where the Recipe itself cannot be used.
async fn look_after(
    emulator: &Emulator,
    seed: Option<&KeySeed>,
    issuer: &str,
    recipe: &Recipe,
    taken: &[Conflict],
    instead: &mut MadeInstead,
) -> Result<Vec<Kept>, String> {
    let spec = &recipe.spec;
    spec.check().map_err(|problem| problem.to_string())?;
    let mut kept = Vec::new();
    for key in &spec.kms.keys {
        let kms = emulator.kms(&spec.account, spec.key_region(key));
        let arn = spec.key_arn(key);
        let (key, refused) = shared::without_taken_aliases(spec, key, taken);
        let outcome = match seed {
            Some(seed) => kms::keep(&kms, seed, &arn, &key, instead.of(recipe, &arn))
                .await
                .but(refused),
            None => {
                ResourceOutcome::unseen("the Secret with the seed for key material cannot be read".to_owned())
            }
        };
        instead.remember(recipe, &arn, &outcome);
        kept.push(Kept { arn, outcome });
    }
    let iam = emulator.iam(&spec.account, spec.partition());
    for role in &spec.iam.roles {
        let role_arn = spec.role_arn(role).map_err(|error| error.to_string())?;
        let arn = role_arn.to_string();
        let outcome = match taken.iter().find(|conflict| conflict.arn == arn) {
            Some(conflict) => ResourceOutcome::unseen(shared::why(conflict)),
            None => iam::keep(&iam, issuer, &role_arn, role).await,
        };
        kept.push(Kept { arn, outcome });
    }
    for arn in providers(spec, issuer) {
        let outcome = iam::keep_provider(&iam, issuer, &arn).await;
        kept.push(Kept { arn, outcome });
    }
    for Kept { arn, outcome } in &kept {
        if *outcome == ResourceOutcome::Made {
            tracing::info!(recipe = recipe.metadata.name, arn, "made");
        }
        if let Some(why) = outcome.failure() {
            tracing::warn!(recipe = recipe.metadata.name, arn, why, "cannot be kept");
        }
    }
    Ok(kept)
}

/// Writes down what was seen of a Recipe. A failure is reported, and the next look tries again.
async fn write_down(client: &Client, recipe: &Recipe, seen: &RecipeState, emulator_url: Option<&str>) {
    let status = status::next(recipe, seen, emulator_url, time::OffsetDateTime::now_utc());
    if let Err(error) = write(client, recipe, &status).await {
        tracing::warn!(recipe = recipe.metadata.name, %error, "cannot write the status");
    }
}

/// Writes the status if it differs from what is there.
async fn write(client: &Client, recipe: &Recipe, status: &RecipeStatus) -> kube::Result<()> {
    if recipe.status.as_ref() == Some(status) {
        return Ok(());
    }
    let name = recipe.metadata.name.as_deref().unwrap_or_default();
    let patch = Patch::Merge(json!({"status": status::merge_patch(recipe.status.as_ref(), status)}));
    Api::<Recipe>::all(client.clone())
        .patch_status(name, &PatchParams::default(), &patch)
        .await
        .map(|_| ())
}

/// The cluster's issuer without its scheme, for trust policies.
async fn kubernetes_issuer(client: &Client) -> String {
    loop {
        let request = axum::http::Request::get("/.well-known/openid-configuration").body(Vec::new());
        if let Ok(request) = request {
            match client.request::<serde_json::Value>(request).await {
                Ok(discovery) => {
                    let issuer = discovery["issuer"].as_str().unwrap_or_default();
                    return issuer.strip_prefix("https://").unwrap_or(issuer).to_owned();
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot read the cluster's discovery document; trying again");
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
