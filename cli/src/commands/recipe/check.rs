//! `irsa-emu recipe check`: the AWS resources that are there, beside those that the Recipes of the cluster want.

use clap::Args;
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_core::paint::Paint;
use irsa_emu_core::recipe::{Recipe, ResourceState, ResourceStatus};
use irsa_emu_install::recipe::{installed, wiring};
use serde::Serialize;

use super::steps::name_of;
use crate::app::App;
use crate::console::output::OutputArgs;
use crate::console::printer::Printer;
use crate::error::{Attempt, CliError};

/// Options of `irsa-emu recipe check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Names of Recipes in the cluster; without one, all of them
    #[arg(value_name = "NAME")]
    recipes: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// A Recipe of the cluster, checked.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Checked {
    name: String,
    ready: bool,
    detail: String,
    resources: Vec<Resource>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Resource {
    arn: String,
    kind: &'static str,
    state: &'static str,
    restored: i64,
}

/// Shows the state of every resource, and fails where one is not as its Recipe wants it.
pub(super) async fn run(args: CheckArgs, app: &App) -> Result<ExitStatus, CliError> {
    let CheckArgs {
        recipes: named,
        output: _,
    } = args;
    let cluster = app.session.connect().await?;
    let attempted = || {
        format!(
            "checking the Recipes of the cluster of context `{}`",
            cluster.context
        )
    };
    let there = installed::list(&cluster.client).await.attempting(attempted)?;
    if let Some(absent) = named
        .iter()
        .find(|name| there.iter().all(|recipe| name_of(recipe) != **name))
    {
        let known: Vec<String> = there.iter().map(name_of).collect();
        let why = if known.is_empty() {
            format!("it has no Recipe `{absent}`, and no other")
        } else {
            format!("it has no Recipe `{absent}`; it has: {}", known.join(", "))
        };
        let next = app.session.command(&format!("recipe {absent}"));
        return Err(CliError::because(ExitStatus::Failed, attempted(), why)
            .code(Code::RecipeUnknown)
            .next(next));
    }
    let wanted = |recipe: &&Recipe| named.is_empty() || named.contains(&name_of(recipe));
    let checked: Vec<Checked> = there.iter().filter(wanted).map(check).collect();
    app.answer(&checked, |printer| print_text(&checked, printer))?;
    let lacking: Vec<String> = checked
        .iter()
        .filter(|recipe| !recipe.ready)
        .map(|recipe| format!("{} ({})", recipe.name, recipe.detail))
        .collect();
    if lacking.is_empty() {
        return Ok(ExitStatus::Ok);
    }
    let why = format!("not ready: {}", lacking.join(", "));
    Err(CliError::because(ExitStatus::Failed, attempted(), why)
        .code(Code::NotReady)
        .next(app.session.command("doctor")))
}

fn check(recipe: &Recipe) -> Checked {
    let installed::State { ready, detail } = installed::state(recipe);
    let status = recipe.status.as_ref();
    let seen = status
        .map(|status| status.resources.as_slice())
        .unwrap_or_default();
    let made = wiring::made(&recipe.spec);
    let wanted = made.iter().map(|made| {
        let found = seen.iter().find(|resource| resource.arn == made.arn);
        Resource::new(made.arn.clone(), made.kind, found)
    });
    // The keeper makes more than the Recipe names, such as the OIDC provider that the roles trust.
    let besides = seen
        .iter()
        .filter(|resource| made.iter().all(|made| made.arn != resource.arn));
    let besides = besides.map(|found| Resource::new(found.arn.clone(), kind_of(&found.arn), Some(found)));
    Checked {
        name: name_of(recipe),
        ready,
        detail,
        resources: wanted.chain(besides).collect(),
    }
}

/// What a resource is that the Recipe does not name.
fn kind_of(arn: &str) -> &'static str {
    if arn.contains(":oidc-provider/") {
        "OIDC provider"
    } else {
        "resource"
    }
}

impl Resource {
    fn new(arn: String, kind: &'static str, found: Option<&ResourceStatus>) -> Self {
        Self {
            arn,
            kind,
            state: match found.map(|resource| resource.state) {
                Some(ResourceState::Present) => "present",
                Some(ResourceState::Lost) => "lost",
                Some(ResourceState::Missing) | None => "missing",
            },
            restored: found.map(|resource| resource.restored).unwrap_or_default(),
        }
    }
}

fn print_text(checked: &[Checked], printer: &Printer) {
    if checked.is_empty() {
        printer.data("recipes: none");
    }
    for recipe in checked {
        let (paint, state) = if recipe.ready {
            (Paint::Good, "ready".to_owned())
        } else {
            (Paint::Bad, format!("not ready ({})", recipe.detail))
        };
        printer.row(&format!(
            "recipe {}: {}",
            recipe.name,
            printer.paint(paint, &state)
        ));
        for resource in &recipe.resources {
            let paint = if resource.state == "present" {
                Paint::Good
            } else {
                Paint::Bad
            };
            let restored = match resource.restored {
                0 => String::new(),
                1 => ", restored once".to_owned(),
                times => format!(", restored {times} times"),
            };
            let state = printer.paint(paint, &format!("{:7}", resource.state));
            printer.row(&format!(
                "  {state}  {}  {}{restored}",
                resource.kind, resource.arn
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_resource_that_the_keeper_has_not_seen_is_missing() {
        let recipe: Recipe = serde_json::from_value(json!({
            "apiVersion": "irsa-emu.dev/v1alpha1", "kind": "Recipe", "metadata": {"name": "r", "generation": 1},
            "spec": {"account": "123456789012", "region": "us-east-1",
                "kms": {"keys": [{"id": "11111111-2222-3333-4444-555555555555"}]}, "iam": {"roles": [{"name": "x"}]}},
            "status": {"observedGeneration": 1, "resources": [
                {"arn": "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555",
                 "state": "Present", "restored": 2},
                {"arn": "arn:aws:iam::123456789012:oidc-provider/x", "state": "Lost"}]},
        }))
        .unwrap();
        let checked = check(&recipe);
        let states: Vec<(&str, i64)> = checked
            .resources
            .iter()
            .map(|resource| (resource.state, resource.restored))
            .collect();
        assert_eq!(states, [("present", 2), ("missing", 0), ("lost", 0)]);
        assert!(!checked.ready);
    }
}
