//! `irsa-emu recipe`: makes an app's AWS resources, from its own values where they can be read.

mod advise;
mod check;
mod make;
mod next;
pub(crate) mod steps;

use clap::{Args, Subcommand};
use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_install::recipe::catalog::{self, BUILT_IN};
use irsa_emu_install::recipe::request::unusable;
use serde_json::json;

use self::check::CheckArgs;
use self::make::MakeArgs;
use crate::app::App;
use crate::console::output::OutputArgs;
use crate::error::CliError;

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
    /// Create an app's AWS resources; `irsa-emu recipe NAME` is short for it
    Apply(MakeArgs),
    /// Compare the AWS resources in the emulator with those that the cluster's Recipes need
    Check(CheckArgs),
}

/// Lists, shows or checks recipes, or makes one true.
pub async fn run(args: RecipeArgs, app: &App) -> Result<ExitStatus, CliError> {
    let RecipeArgs { verb, make } = args;
    match verb {
        Some(RecipeVerb::List(OutputArgs { output: _ })) => list(app),
        Some(RecipeVerb::Show { recipe, output: _ }) => show(&recipe, app),
        Some(RecipeVerb::Apply(make)) => make::run(&make, app).await,
        Some(RecipeVerb::Check(args)) => check::run(args, app).await,
        None if make.names_nothing() => list(app),
        None => make::run(&make, app).await,
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
