//! What `up` prints at its end: how to reach what is there now, and what to do next.

use irsa_emu_cluster::progress::{StepTaken, milliseconds, seconds};
use irsa_emu_core::choice::Choice;
use irsa_emu_core::contract::{emulator_url, sts_front_url};
use irsa_emu_core::install::Backend;
use irsa_emu_core::kubectl::kubectl;
use irsa_emu_core::paint::Paint;
use irsa_emu_core::recipe::Recipe;
use irsa_emu_install::recipe::installed;
use irsa_emu_install::recipe::wiring::{self, Made};
use serde::Serialize;

use super::attempt::Up;
use super::install::host_endpoint;
use super::place::Place;
use crate::console::printer::Printer;
use crate::error::{Attempt, CliError};

/// What is there after `up`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    context: String,
    kubernetes: String,
    instance: String,
    /// How many objects this run created or changed.
    changes: usize,
    backend: &'static str,
    host_endpoint: Option<String>,
    /// The emulator's; `None` where the backend is real AWS.
    cluster_endpoint: Option<String>,
    sts_endpoint: String,
    region: String,
    recipes: Vec<Kept>,
    steps: Vec<StepTaken>,
    seconds: f64,
    next: String,
}

/// A Recipe of the cluster.
#[derive(Debug, Serialize)]
struct Kept {
    name: String,
    ready: bool,
    detail: String,
    resources: Vec<Made>,
}

impl From<&Recipe> for Kept {
    fn from(recipe: &Recipe) -> Self {
        let installed::State { ready, detail } = installed::state(recipe);
        Self {
            name: recipe.metadata.name.clone().unwrap_or_default(),
            ready,
            detail,
            resources: wiring::made(&recipe.spec),
        }
    }
}

impl Up<'_> {
    pub(super) async fn finish(&self, place: &Place, changes: usize) -> Result<(), CliError> {
        let (app, context) = (self.app, &place.cluster.context);
        let recipes = installed::list(&place.cluster.client)
            .await
            .attempting(|| "listing the Recipes of the cluster".to_owned())?;
        let elapsed = self.since.elapsed();
        let backend = self.args.install.backend;
        let emulated = backend == Backend::Emulator;
        let ready = Ready {
            context: context.clone(),
            kubernetes: place.cluster.version.clone(),
            instance: app.session.instance.clone(),
            changes,
            backend: backend.as_str(),
            host_endpoint: place.host_port.filter(|_| emulated).map(host_endpoint),
            cluster_endpoint: emulated.then(emulator_url),
            sts_endpoint: sts_front_url(),
            region: self.args.install.region.clone(),
            next: next(emulated, !recipes.is_empty(), |verb| {
                app.session.command_in(context, verb)
            }),
            recipes: recipes.iter().map(Kept::from).collect(),
            steps: app.progress.taken(),
            seconds: milliseconds(elapsed),
        };
        let what = if changes == 0 { "unchanged" } else { "ready" };
        app.printer
            .talk(&format!("irsa-emu is {what} ({})", seconds(elapsed)));
        app.answer(&ready, |printer| print_text(&ready, printer))?;
        if app.session.kubeconfigs().remember_current().in_force() != Some(context) {
            app.printer.talk(&format!(
                "the current context is another: use `{} ...`",
                kubectl(context)
            ));
        }
        app.printer.talk(&format!("next: {}", ready.next));
        Ok(())
    }
}

/// The next command. `command` names the cluster: the current context may be one in production.
fn next(emulated: bool, has_recipes: bool, command: impl Fn(&str) -> String) -> String {
    match (emulated, has_recipes) {
        (false, _) => command("doctor"),
        (true, false) => command("recipe vault-awskms --values vault-values.yaml"),
        (true, true) => format!("eval \"$({})\"", command("env")),
    }
}

fn print_text(ready: &Ready, printer: &Printer) {
    printer.data(&format!("context:    {}", ready.context));
    match &ready.cluster_endpoint {
        Some(in_cluster) => {
            let host = ready
                .host_endpoint
                .as_deref()
                .unwrap_or("none (this cluster publishes no port for it)");
            printer.data(&format!("host:       {host}"));
            printer.data(&format!("in-cluster: {in_cluster}"));
        }
        None => printer.data("backend:    real AWS"),
    }
    printer.data(&format!("region:     {}", ready.region));
    for recipe in &ready.recipes {
        let state = if recipe.ready {
            printer.paint(Paint::Good, "ready")
        } else {
            printer.paint(Paint::Bad, &format!("not ready ({})", recipe.detail))
        };
        printer.row(&format!("recipe {}: {state}", recipe.name));
        printer.data(&wiring::table(&recipe.resources, printer.width()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_command_is_of_this_cluster_and_fits_what_is_there() {
        let of_cluster = |verb: &str| format!("irsa-emu {verb} --context 'my $x'");
        for (emulated, has_recipes, expected) in [
            (
                true,
                false,
                "irsa-emu recipe vault-awskms --values vault-values.yaml --context 'my $x'",
            ),
            (true, true, "eval \"$(irsa-emu env --context 'my $x')\""),
            (false, false, "irsa-emu doctor --context 'my $x'"),
            (false, true, "irsa-emu doctor --context 'my $x'"),
        ] {
            assert_eq!(next(emulated, has_recipes, of_cluster), expected);
        }
    }
}
