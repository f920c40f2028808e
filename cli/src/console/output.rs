//! The output of a command: lines for people, or one envelope for programs.
//!
//! The envelope is written when the command has ended, so that it holds the error and every warning, too.

use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};

use clap::{ArgMatches, Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use crate::error::CliError;

/// The version of the envelope.
const SCHEMA_VERSION: u32 = 1;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people
    Text,
    /// One JSON object for programs
    Json,
    /// The same as YAML
    Yaml,
}

/// The option of commands whose output is either lines or the envelope.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: OutputFormat,
}

/// What programs get.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    schema_version: u32,
    command: &'a str,
    status: &'static str,
    data: Option<Value>,
    warnings: &'a [String],
    error: Option<Value>,
}

/// Where the output of one command goes.
#[derive(Debug)]
pub struct Output {
    format: OutputFormat,
    command: String,
    data: Mutex<Option<Value>>,
}

impl Output {
    /// For a command line that was understood. Any command with an option `--output` is served.
    #[must_use]
    pub fn of(matches: &ArgMatches) -> Self {
        let (mut at, mut words) = (matches, Vec::new());
        while let Some((name, below)) = at.subcommand() {
            words.push(name);
            at = below;
        }
        let asked = at.try_get_raw("output").ok().flatten();
        let asked = asked.and_then(|mut values| values.next());
        Self::new(words.join(" "), asked.and_then(|value| value.to_str()))
    }

    /// For a command line that was not understood.
    #[must_use]
    pub fn of_words(words: &[OsString], variable: Option<&str>) -> Self {
        let asked = value_in(words, "--output", Some("-o"));
        Self::new(String::new(), asked.or(variable))
    }

    fn new(command: String, asked: Option<&str>) -> Self {
        Self {
            // Some commands have formats of their own besides; for their errors these are text.
            format: asked
                .and_then(|name| OutputFormat::from_str(name, false).ok())
                .unwrap_or(OutputFormat::Text),
            command,
            data: Mutex::default(),
        }
    }

    /// Whether the output is lines for people.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.format == OutputFormat::Text
    }

    /// Takes the data of the envelope.
    pub fn put(&self, data: &impl Serialize) -> Result<(), CliError> {
        let data =
            serde_json::to_value(data).map_err(|error| CliError::failed("writing the output", error))?;
        *self.data.lock().unwrap_or_else(PoisonError::into_inner) = Some(data);
        Ok(())
    }

    /// The envelope, where one is wanted: there is data for it, or an error.
    #[must_use]
    pub fn envelope(&self, error: Option<&CliError>, warnings: &[String]) -> Option<String> {
        let error = error.map(CliError::to_json);
        let data = self.data.lock().unwrap_or_else(PoisonError::into_inner).take();
        if self.is_text() || (data.is_none() && error.is_none()) {
            return None;
        }
        let envelope = Envelope {
            schema_version: SCHEMA_VERSION,
            command: &self.command,
            status: if error.is_some() { "error" } else { "ok" },
            data,
            warnings,
            error,
        };
        if self.format == OutputFormat::Yaml
            && let Ok(text) = serde_saphyr::to_string(&envelope)
        {
            return Some(text.trim_end().to_owned());
        }
        serde_json::to_string(&envelope).ok()
    }
}

/// The value of an option in words that the parser refuses.
#[must_use]
pub fn value_in<'a>(words: &'a [OsString], long: &str, short: Option<&str>) -> Option<&'a str> {
    let mut found = None;
    let mut words = words.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        if word == long || Some(word) == short {
            found = words.next().or(found);
            continue;
        }
        let joined = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('='));
        let close = || short.and_then(|short| word.strip_prefix(short));
        found = joined.or_else(close).or(found);
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use irsa_emu_cluster::failure::ExitStatus;

    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_format_is_found_in_a_line_that_clap_refuses() {
        for (line, variable, format) in [
            ("up --nonsense", None, OutputFormat::Text),
            ("up --nonsense -o json", None, OutputFormat::Json),
            ("up -ojson", None, OutputFormat::Json),
            ("up --output=yaml --nonsense", None, OutputFormat::Yaml),
            ("up --output yaml", Some("json"), OutputFormat::Yaml),
            ("up", Some("json"), OutputFormat::Json),
            ("up -- -o json", None, OutputFormat::Text),
            ("env -o github", None, OutputFormat::Text),
            ("up -o", None, OutputFormat::Text),
        ] {
            assert_eq!(Output::of_words(&words(line), variable).format, format, "{line}");
        }
    }

    #[test]
    fn the_envelope_has_every_field_whatever_came_of_it() {
        let output = Output::new("recipe list".into(), Some("json"));
        assert_eq!(output.envelope(None, &[]), None);
        output.put(&[1]).unwrap();
        let text = output.envelope(None, &["w".to_owned()]).unwrap();
        let expected = json!({"schemaVersion": 1, "command": "recipe list", "status": "ok", "data": [1],
            "warnings": ["w"], "error": null});
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        let error = CliError::because(ExitStatus::Failed, "a", "b");
        let text = output.envelope(Some(&error), &[]).unwrap();
        let envelope: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&envelope["status"], &envelope["data"]),
            (&json!("error"), &Value::Null)
        );
        assert_eq!(envelope["error"]["code"], "failed");
    }

    #[test]
    fn yaml_says_the_same_as_json() {
        let (yaml, json) = (
            Output::new("x".into(), Some("yaml")),
            Output::new("x".into(), Some("json")),
        );
        for output in [&yaml, &json] {
            output.put(&json!({"a": ["yes", 1, null]})).unwrap();
        }
        let yaml: Value = serde_saphyr::from_str(&yaml.envelope(None, &[]).unwrap()).unwrap();
        let json: Value = serde_json::from_str(&json.envelope(None, &[]).unwrap()).unwrap();
        assert_eq!(yaml, json);
    }
}
