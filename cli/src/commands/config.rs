//! `irsa-emu config`: what the configuration files, variables and defaults come to.

use clap::{ArgMatches, Args, Subcommand};
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_core::emulator;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::app::App;
use crate::config::{KEYS, Key, Origin, Shape, json_schema};
use crate::console::output::OutputArgs;
use crate::error::{Attempt, CliError};
use crate::variables::{as_if, variable_for};

/// Options of `irsa-emu config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Print every setting as it would be used, in the form of the file
    View {
        /// Print where each setting comes from
        #[arg(long)]
        show_origin: bool,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Print the JSON Schema of the file, for editors
    Schema,
}

/// A setting, for `--show-origin`.
#[derive(Debug, Serialize)]
struct Shown {
    key: &'static str,
    value: Value,
    origin: String,
}

/// Prints the settings, or the schema of a file.
pub fn run(args: &ConfigArgs, app: &App) -> Result<ExitStatus, CliError> {
    let ConfigArgs { verb } = args;
    match verb {
        ConfigVerb::View {
            show_origin,
            output: _,
        } => view(*show_origin, app)?,
        ConfigVerb::Schema => {
            let schema = serde_json::to_string_pretty(&json_schema());
            app.printer
                .data(&schema.attempting(|| "writing the JSON Schema".to_owned())?);
        }
    }
    Ok(ExitStatus::Ok)
}

fn view(show_origin: bool, app: &App) -> Result<(), CliError> {
    let settings = settings(app)?;
    if app.config.files().is_empty() {
        app.printer.talk("no configuration file was found");
    }
    if show_origin {
        return app.answer(&settings, |printer| {
            let width = settings
                .iter()
                .map(|setting| setting.key.len())
                .max()
                .unwrap_or_default();
            for Shown { key, value, origin } in &settings {
                let value = match value {
                    Value::Null => "-".to_owned(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                printer.data(&format!("{key:width$}  {value}  ({origin})"));
            }
        });
    }
    let mut merged = Value::Object(Map::new());
    for Shown { key, value, .. } in settings.into_iter().filter(|setting| !setting.value.is_null()) {
        place(&mut merged, key, value);
    }
    let text = serde_saphyr::to_string(&merged).attempting(|| "writing the settings as YAML".to_owned())?;
    app.answer(&merged, |printer| printer.data(text.trim_end()))
}

fn settings(app: &App) -> Result<Vec<Shown>, CliError> {
    let mut shown = Vec::new();
    for key in KEYS {
        let of_verb = match key.verb() {
            Some(verb) => Some(as_if(&app.parser, verb, &app.config).map_err(unreadable)?),
            None => None,
        };
        let matches = of_verb.as_ref().unwrap_or(&app.matches);
        let origin = app
            .config
            .origin(key, matches, variable_for(&app.parser, key).as_deref());
        shown.push(Shown {
            key: key.path,
            value: value(key, matches, &origin),
            origin: origin.to_string(),
        });
    }
    let recipes = serde_json::to_value(app.config.recipes());
    let file = app.config.recipes_from();
    shown.push(Shown {
        key: "recipes",
        value: recipes.attempting(|| "writing the recipes".to_owned())?,
        origin: file.map_or_else(|| Origin::Default.to_string(), |file| file.display().to_string()),
    });
    Ok(shown)
}

fn unreadable(error: clap::Error) -> CliError {
    CliError::new(ExitStatus::Usage, "reading the settings", error).code(Code::ConfigInvalid)
}

fn value(key: &Key, matches: &ArgMatches, origin: &Origin) -> Value {
    if *origin == Origin::Unset {
        return Value::Null;
    }
    let raw = matches.try_get_raw(key.arg).ok().flatten();
    let words: Vec<String> = raw
        .into_iter()
        .flatten()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let first = words.first().cloned().unwrap_or_default();
    match key.shape {
        Shape::Text | Shape::Path => first.into(),
        Shape::Number => first.parse::<u64>().map_or(Value::Null, Value::from),
        Shape::Switch => matches.get_flag(key.arg).into(),
        Shape::List => words.into(),
        Shape::Map => words
            .iter()
            .map(|word| shown_variable(word))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// A variable by its name. What must not be among them is refused by those who use it, and not shown by us.
fn shown_variable(word: &str) -> (String, Value) {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let value = if emulator::DEFAULT.licence.is_held_by(name) {
        "***"
    } else {
        value
    };
    (name.to_owned(), value.into())
}

/// Puts a value where its key belongs.
fn place(at: &mut Value, path: &str, value: Value) {
    let (name, rest) = path
        .split_once('.')
        .map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Value::Object(fields) = at else { return };
    match rest {
        None => {
            fields.insert(name.to_owned(), value);
        }
        Some(rest) => place(
            fields.entry(name).or_insert_with(|| Value::Object(Map::new())),
            rest,
            value,
        ),
    }
}
