//! A recipe as somebody wants it: which one, and what its parameters are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use irsa_emu_core::contract::INSTANCE_LABEL;
use irsa_emu_core::recipe::{Parameter, ParameterError, Recipe};

use super::catalog::{self, CatalogError, Found};
use super::values;
use super::wiring::shell_quoted;
use crate::error::{CliError, Code, ExitStatus};

/// A recipe and what is given for its parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Name of a recipe, or a file.
    pub recipe: String,
    /// The app's own Helm values.
    pub values: Option<PathBuf>,
    /// Namespace of the app.
    pub namespace: Option<String>,
    /// Parameters; they beat the values.
    pub set: Vec<(String, String)>,
}

/// A recipe whose parameters are being filled in.
#[derive(Debug)]
pub struct Draft {
    found: Found,
    given: BTreeMap<String, String>,
    /// What to mind about the values that were read.
    pub warnings: Vec<String>,
}

/// Why a recipe cannot be had, for the user.
#[must_use]
pub fn unusable(name: &str, error: CatalogError) -> CliError {
    let close = match &error {
        CatalogError::Unknown { close, .. } => close.clone(),
        CatalogError::Unreadable { .. } | CatalogError::Broken { .. } => None,
    };
    let code = match error {
        CatalogError::Unknown { .. } | CatalogError::Unreadable { .. } => Code::RecipeUnknown,
        CatalogError::Broken { .. } => Code::RecipeInvalid,
    };
    CliError::new(ExitStatus::Usage, format!("finding the recipe {name}"), error)
        .code(code)
        .next(close.map_or_else(|| "irsa-emu recipe list".to_owned(), |close| format!("irsa-emu recipe {close}")))
}

impl Request {
    /// Finds the recipe and reads the values. `command` is what the user can type again.
    pub fn open(&self, command: &str) -> Result<Draft, CliError> {
        let found = catalog::find(&self.recipe).map_err(|error| unusable(&self.recipe, error))?;
        let mut draft = Draft {
            found,
            given: BTreeMap::new(),
            warnings: Vec::new(),
        };
        if let Some(path) = &self.values {
            self.read(path, command, &mut draft)?;
        }
        if let Some(namespace) = &self.namespace {
            draft.given.insert("namespace".to_owned(), namespace.clone());
        }
        draft.given.extend(self.set.iter().cloned());
        Ok(draft)
    }

    fn read(&self, path: &Path, command: &str, draft: &mut Draft) -> Result<(), CliError> {
        let attempted = format!("reading the values {}", path.display());
        let wrong = |error: anyhow::Error| {
            CliError::new(ExitStatus::Usage, attempted.as_str(), error).code(Code::ValuesInvalid)
        };
        let show = format!("irsa-emu recipe show {}", shell_quoted(&self.recipe));
        if !draft.found.reads_values {
            let why = format!("no app's values are known for the recipe {}", self.recipe);
            return Err(wrong(anyhow::Error::msg(why)).next(show));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.into()).next(show))?;
        let values = values::read_vault_values(&text).map_err(|error| {
            wrong(error.into()).next(format!("mend {}, then: {}", path.display(), self.line(command)))
        })?;
        if !self.set.iter().any(|(name, _)| name == "keyId") {
            values.require_seal().map_err(|error| {
                wrong(error.into()).next(format!("{} --set keyId=KEY_ID", self.line(command)))
            })?;
        }
        draft.given = values.parameters();
        draft.given.retain(|name, _| {
            draft
                .found
                .file
                .parameters()
                .iter()
                .any(|known| known.name == *name)
        });
        draft.warnings = values.warnings;
        Ok(())
    }

    /// The command line that asks for this again.
    #[must_use]
    pub fn line(&self, command: &str) -> String {
        let mut line = format!("{command} {}", shell_quoted(&self.recipe));
        if let Some(path) = &self.values {
            let _ = write!(line, " --values {}", shell_quoted(&path.display().to_string()));
        }
        if let Some(namespace) = &self.namespace {
            let _ = write!(line, " --namespace {}", shell_quoted(namespace));
        }
        for (name, value) in &self.set {
            let _ = write!(line, " --set {}", shell_quoted(&format!("{name}={value}")));
        }
        line
    }

    /// Refuses a recipe that lacks parameters, with a command to complete.
    #[must_use]
    pub fn lacking(&self, missing: &[Parameter], command: &str) -> CliError {
        let list: Vec<String> = missing
            .iter()
            .map(|parameter| format!("\n  - {}: {}", parameter.name, parameter.description))
            .collect();
        let flags: Vec<String> = missing
            .iter()
            .map(|parameter| format!(" --set {}={}", parameter.name, placeholder(&parameter.name)))
            .collect();
        let names: Vec<&str> = missing.iter().map(|parameter| parameter.name.as_str()).collect();
        let why = format!("missing parameters:{}", list.concat());
        CliError::because(ExitStatus::Usage, self.filling_in(), why)
            .code(Code::ParametersMissing)
            .detail("parameters", names)
            .next(format!("{}{}", self.line(command), flags.concat()))
    }

    fn filling_in(&self) -> String {
        format!("filling in the recipe {}", self.recipe)
    }
}

impl Draft {
    /// The parameters that nothing gives a value to.
    #[must_use]
    pub fn missing(&self) -> Vec<Parameter> {
        let given =
            |parameter: &&Parameter| parameter.default.is_none() && !self.given.contains_key(&parameter.name);
        self.found
            .file
            .parameters()
            .iter()
            .filter(given)
            .cloned()
            .collect()
    }

    /// Takes what the user answered.
    pub fn take(&mut self, answers: Vec<(String, String)>) {
        self.given.extend(answers);
    }

    /// The Recipe, of this install.
    pub fn finish(self, request: &Request, instance: &str) -> Result<Recipe, CliError> {
        let wrong = |error: ParameterError| {
            CliError::new(ExitStatus::Usage, request.filling_in(), error)
                .code(Code::RecipeInvalid)
                .next(format!("irsa-emu recipe show {}", shell_quoted(&request.recipe)))
        };
        let mut recipe = self.found.file.instantiate(&self.given).map_err(wrong)?;
        let labels = recipe.metadata.labels.get_or_insert_default();
        labels.insert(INSTANCE_LABEL.to_owned(), instance.to_owned());
        Ok(recipe)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_reads_as_one() {
        assert_eq!(placeholder("keyId"), "KEY_ID");
        assert_eq!(placeholder("account"), "ACCOUNT");
    }

    #[test]
    fn what_was_typed_can_be_typed_again() {
        let request = Request {
            recipe: "my recipe.yaml".into(),
            values: Some("v.yaml".into()),
            namespace: Some("n".into()),
            set: vec![("a".into(), "b c".into())],
        };
        let line = "irsa-emu recipe 'my recipe.yaml' --values v.yaml --namespace n --set 'a=b c'";
        assert_eq!(request.line("irsa-emu recipe"), line);
    }
}
