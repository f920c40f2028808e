//! The recipes that `up` applies when all is ready: those that are named, else those of the configuration file.

use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_cluster::kubernetes::apply::Applied;
use irsa_emu_cluster::kubernetes::connect::Cluster;
use irsa_emu_core::install::Backend;
use irsa_emu_core::recipe::Recipe;
use irsa_emu_install::recipe::request::Request;
use tokio::time::Instant;

use super::attempt::Up;
use crate::commands::recipe::steps;
use crate::config::RecipeEntry;
use crate::error::CliError;

/// A recipe, filled in.
pub(super) struct Wanted {
    request: Request,
    recipe: Recipe,
    again: String,
}

impl Wanted {
    /// What is applied, for people.
    pub(super) fn title(&self) -> String {
        format!(
            "Recipe {}",
            self.recipe.metadata.name.as_deref().unwrap_or_default()
        )
    }
}

impl From<&RecipeEntry> for Request {
    fn from(entry: &RecipeEntry) -> Self {
        Self {
            recipe: entry.recipe.clone(),
            values: entry.values.clone().map(Vec::from).unwrap_or_default(),
            namespace: entry.namespace.clone(),
            release: entry.release.clone(),
            set: entry.set.clone().into_iter().collect(),
        }
    }
}

impl Up<'_> {
    /// Fills the recipes in. Comes first, so that a parameter that is missing costs nothing.
    pub(super) async fn recipes(&self) -> Result<Vec<Wanted>, CliError> {
        let (app, named) = (self.app, &self.args.recipes);
        let requests: Vec<Request> = if named.is_empty() {
            app.config.recipes().iter().map(Request::from).collect()
        } else {
            self.named()?
        };
        if self.args.install.backend == Backend::Aws && !requests.is_empty() {
            app.progress
                .warn("recipes are not applied: the backend is real AWS, where irsa-emu creates nothing");
            return Ok(Vec::new());
        }
        let command = if named.is_empty() {
            app.session.command("recipe")
        } else {
            format!("{} --recipe", app.session.command("up"))
        };
        let mut wanted = Vec::new();
        for request in requests {
            wanted.push(Wanted {
                recipe: steps::fill_in(app, &request, &command).await?,
                again: request.line(&app.session.command("recipe")),
                request,
            });
        }
        Ok(wanted)
    }

    fn named(&self) -> Result<Vec<Request>, CliError> {
        let (named, args) = (&self.args.recipes, self.args);
        if named.len() > 1 && (!args.values.is_empty() || !args.set.is_empty()) {
            let why =
                "--values and --set are for one --recipe; list several, each with its own, in irsa-emu.yaml";
            return Err(CliError::because(ExitStatus::Usage, "choosing the recipes", why)
                .next("irsa-emu config schema"));
        }
        let request = |recipe: &String| Request {
            recipe: recipe.clone(),
            values: args.values.clone(),
            namespace: None,
            release: None,
            set: args.set.clone(),
        };
        Ok(named.iter().map(request).collect())
    }

    /// Applies the recipes, and waits until what they make is there; returns how many changed.
    pub(super) async fn apply_recipes(
        &self,
        cluster: &Cluster,
        recipes: &[Wanted],
    ) -> Result<usize, CliError> {
        let mut changes = 0;
        for Wanted {
            request,
            recipe,
            again,
        } in recipes
        {
            let (recipe, _) = steps::place(&cluster.client, recipe.clone(), request, false, again).await?;
            let applied = steps::apply(self.app, &cluster.client, &recipe).await?;
            changes += usize::from(applied != Applied::Unchanged);
            let left = self.deadline().saturating_duration_since(Instant::now());
            steps::wait(self.app, &cluster.client, &recipe, left, again).await?;
        }
        Ok(changes)
    }
}
