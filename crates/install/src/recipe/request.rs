//! A recipe as somebody wants it: which one, and what its parameters are.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::PathBuf;

use irsa_emu_cluster::failure::{Code, ExitStatus, Hint};
use irsa_emu_core::contract::INSTANCE_LABEL;
use irsa_emu_core::recipe::{Parameter, ParameterError, Recipe};
use irsa_emu_core::shell::shell_quoted;

use super::catalog::{self, CatalogError, Found};
use super::vault::key::{self, KeyName};
use super::vault::{self, Problem, ValuesError};
use crate::recipe::vault::found::SealKey;

/// A recipe and what is given for its parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Name of a recipe, or a file.
    pub recipe: String,
    /// The app's own Helm values; later files are laid over earlier ones.
    pub values: Vec<PathBuf>,
    /// Namespace of the app.
    pub namespace: Option<String>,
    /// Helm release of the app.
    pub release: Option<String>,
    /// Parameters; they precede the values.
    pub set: Vec<(String, String)>,
}

/// A recipe whose parameters are being filled in.
#[derive(Debug)]
pub struct Draft {
    found: Found,
    given: BTreeMap<String, String>,
    /// The keys of the app's seals.
    keys: Vec<SealKey>,
    /// What to mind about the values that were read.
    pub warnings: Vec<String>,
}

/// Why there is no Recipe.
#[derive(Debug)]
pub struct RequestError {
    why: anyhow::Error,
    context: Box<Context>,
}

#[derive(Debug)]
struct Context {
    attempted: String,
    code: Code,
    next: String,
    missing: Vec<String>,
}

impl RequestError {
    fn new(attempted: String, code: Code, why: impl Into<anyhow::Error>, next: String) -> Self {
        Self {
            why: why.into(),
            context: Box::new(Context {
                attempted,
                code,
                next,
                missing: Vec::new(),
            }),
        }
    }

    /// What was attempted.
    #[must_use]
    pub fn attempted(&self) -> &str {
        &self.context.attempted
    }

    /// The names of the parameters that nothing gives.
    #[must_use]
    pub fn missing(&self) -> &[String] {
        &self.context.missing
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl std::error::Error for RequestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.why.source()
    }
}

impl Hint for RequestError {
    fn hint(&self) -> Option<String> {
        Some(self.context.next.clone())
    }

    fn exit(&self) -> ExitStatus {
        ExitStatus::Usage
    }

    fn code(&self) -> Code {
        self.context.code
    }
}

/// Why a recipe cannot be had, for the user.
#[must_use]
pub fn unusable(name: &str, error: CatalogError) -> RequestError {
    let close = match &error {
        CatalogError::Unknown { close, .. } => close.clone(),
        CatalogError::Unreadable { .. } | CatalogError::Broken { .. } => None,
    };
    let code = match error {
        CatalogError::Unknown { .. } | CatalogError::Unreadable { .. } => Code::RecipeUnknown,
        CatalogError::Broken { .. } => Code::RecipeInvalid,
    };
    let next = close.map_or_else(
        || "irsa-emu recipe list".to_owned(),
        |close| format!("irsa-emu recipe {close}"),
    );
    RequestError::new(format!("finding the recipe {name}"), code, error, next)
}

impl Request {
    /// Finds the recipe and reads the values. `command` is what the user can type again.
    pub fn open(&self, command: &str) -> Result<Draft, RequestError> {
        let found = catalog::find(&self.recipe).map_err(|error| unusable(&self.recipe, error))?;
        let mut draft = Draft {
            found,
            given: BTreeMap::new(),
            keys: Vec::new(),
            warnings: Vec::new(),
        };
        if !self.values.is_empty() {
            self.read(command, &mut draft)?;
        } else if let Some(release) = self.release().filter(|_| draft.found.reads_values) {
            let account = vault::read(&[], Some(release)).service_account;
            draft.given.insert("serviceAccount".to_owned(), account);
        }
        let flags = [("namespace", &self.namespace), ("release", &self.release)];
        for (name, value) in flags {
            if let Some(value) = value {
                draft.given.insert(name.to_owned(), value.clone());
            }
        }
        draft.given.extend(self.set.iter().cloned());
        if draft.found.reads_values && self.sets("keyId") {
            draft.take_keys(self)?;
        }
        Ok(draft)
    }

    /// The name that Recipes of a built-in recipe had before it named the app.
    #[must_use]
    pub fn plain_name(&self) -> Option<&str> {
        let mut built_in = catalog::BUILT_IN.iter();
        built_in
            .any(|recipe| recipe.name == self.recipe)
            .then_some(self.recipe.as_str())
    }

    fn release(&self) -> Option<&str> {
        let set = self.set.iter().rev().find(|(name, _)| name == "release");
        set.map(|(_, release)| release)
            .or(self.release.as_ref())
            .map(String::as_str)
    }

    fn sets(&self, parameter: &str) -> bool {
        self.set.iter().any(|(name, _)| name == parameter)
    }

    /// Whether a parameter is given, so that the values are ignored for it. The ARN of a key has its region and
    /// account.
    fn gives(&self, parameter: &str) -> bool {
        let has_arn = || {
            let keys = self.set.iter().filter(|(name, _)| name == "keyId");
            keys.flat_map(|(_, keys)| keys.split(','))
                .any(|key| key.trim().starts_with("arn:"))
        };
        self.sets(parameter) || (matches!(parameter, "region" | "account") && has_arn())
    }

    fn read(&self, command: &str, draft: &mut Draft) -> Result<(), RequestError> {
        let wrong = |error: anyhow::Error, next: String| {
            RequestError::new(self.reading(), Code::ValuesInvalid, error, next)
        };
        let show = format!("irsa-emu recipe show {}", shell_quoted(&self.recipe));
        if !draft.found.reads_values {
            let why = format!("the recipe {} reads no values of an app", self.recipe);
            return Err(wrong(anyhow::Error::msg(why), show));
        }
        let mut sources = Vec::new();
        for path in &self.values {
            let bytes = std::fs::read(path).map_err(|error| wrong(error.into(), show.clone()))?;
            sources.push(vault::Source {
                title: path.display().to_string(),
                text: String::from_utf8(bytes).map_err(|error| error.utf8_error().to_string()),
            });
        }
        let mut values = vault::read(&sources, self.release());
        // What is written and wrong comes before what is not there.
        let mut problems = std::mem::take(&mut values.problems);
        problems.sort_by_key(|problem| matches!(problem.error, ValuesError::NoSeal { .. }));
        for Problem { error, needs } in problems {
            let open: Vec<&str> = needs.iter().copied().filter(|need| !self.gives(need)).collect();
            if open.is_empty() {
                if !matches!(error, ValuesError::NoSeal { .. }) {
                    values
                        .warnings
                        .push(format!("{error}; the value of --set is used"));
                }
                continue;
            }
            let next = if error.is_in_the_file() {
                let files: Vec<String> = sources.iter().map(|source| source.title.clone()).collect();
                format!("correct {}, then: {}", files.join(", "), self.line(command))
            } else {
                format!("{}{}", self.line(command), flags(&open))
            };
            return Err(wrong(error.into(), next));
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
        draft.keys = values.keys;
        draft.warnings = values.warnings;
        Ok(())
    }

    fn reading(&self) -> String {
        let files: Vec<String> = self
            .values
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        format!("reading the values {}", files.join(", "))
    }

    /// The command line that asks for this again.
    #[must_use]
    pub fn line(&self, command: &str) -> String {
        let mut line = format!("{command} {}", shell_quoted(&self.recipe));
        for path in &self.values {
            let _ = write!(line, " --values {}", shell_quoted(&path.display().to_string()));
        }
        if let Some(namespace) = &self.namespace {
            let _ = write!(line, " --namespace {}", shell_quoted(namespace));
        }
        if let Some(release) = &self.release {
            let _ = write!(line, " --release {}", shell_quoted(release));
        }
        for (name, value) in &self.set {
            let _ = write!(line, " --set {}", shell_quoted(&format!("{name}={value}")));
        }
        line
    }

    /// Refuses a recipe that lacks parameters, with a command to complete.
    #[must_use]
    pub fn lacking(&self, missing: &[Parameter], command: &str) -> RequestError {
        let list: Vec<String> = missing
            .iter()
            .map(|parameter| format!("\n  - {}: {}", parameter.name, parameter.description))
            .collect();
        let names: Vec<&str> = missing.iter().map(|parameter| parameter.name.as_str()).collect();
        let why = format!("missing parameters:{}", list.concat());
        let next = format!("{}{}", self.line(command), flags(&names));
        let why = anyhow::Error::msg(why);
        let mut error = RequestError::new(self.filling_in(), Code::ParametersMissing, why, next);
        error.context.missing = names.into_iter().map(str::to_owned).collect();
        error
    }

    fn invalid(&self, why: impl Into<anyhow::Error>) -> RequestError {
        let next = format!("irsa-emu recipe show {}", shell_quoted(&self.recipe));
        RequestError::new(self.filling_in(), Code::RecipeInvalid, why, next)
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

    /// Takes the keys that are named on the command line, in the places of those that the seals name: the first of the
    /// latter is the region of the first of the former, and so on.
    fn take_keys(&mut self, request: &Request) -> Result<(), RequestError> {
        let text = self.given.get("keyId").cloned().unwrap_or_default();
        let seals = std::mem::take(&mut self.keys);
        let mut accounts = Vec::new();
        for (index, name) in text.split(',').enumerate() {
            // What is no key is refused with the Recipe that is made of it.
            let Some(KeyName::Key(found)) = key::read(name) else {
                return Ok(());
            };
            let mut key = seals.get(index).cloned().unwrap_or_default();
            key.id = Some(found.id.clone());
            if let Some(at) = found.at {
                key.region = Some(at.region);
                accounts.push((found.id, at.account));
            }
            self.keys.push(key);
        }
        let Some(first) = self.keys.first() else {
            return Ok(());
        };
        if let Some(id) = &first.id {
            self.given.insert("keyId".to_owned(), id.clone());
        }
        if let Some(region) = first.region.clone().filter(|_| !request.sets("region")) {
            self.given.insert("region".to_owned(), region);
        }
        for (key, account) in accounts {
            let known = self
                .given
                .entry("account".to_owned())
                .or_insert_with(|| account.clone());
            if *known != account {
                let error = ValuesError::Accounts {
                    key,
                    account,
                    other: "the rest".to_owned(),
                    other_account: known.clone(),
                };
                return Err(request.invalid(error));
            }
        }
        Ok(())
    }

    /// Takes the user's input.
    pub fn take(&mut self, answers: Vec<(String, String)>) {
        self.given.extend(answers);
    }

    /// The Recipe, of this install.
    pub fn finish(self, request: &Request, instance: &str) -> Result<Recipe, RequestError> {
        let wrong = |error: ParameterError| request.invalid(error);
        let mut recipe = self.found.file.instantiate(&self.given).map_err(wrong)?;
        vault::add_keys(&mut recipe.spec, &self.keys);
        let sound = recipe.spec.check();
        sound.map_err(|problem| wrong(problem.into()))?;
        let labels = recipe.metadata.labels.get_or_insert_default();
        labels.insert(INSTANCE_LABEL.to_owned(), instance.to_owned());
        Ok(recipe)
    }
}

/// The flags that give parameters, to complete.
fn flags(parameters: &[&str]) -> String {
    let flag = |name: &&str| format!(" --set {name}={}", placeholder(name));
    parameters.iter().map(flag).collect()
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
            values: vec!["v.yaml".into(), "w.yaml".into()],
            namespace: Some("n".into()),
            release: Some("r".into()),
            set: vec![("a".into(), "b c".into())],
        };
        let line = "irsa-emu recipe 'my recipe.yaml' --values v.yaml --values w.yaml --namespace n --release r --set 'a=b c'";
        assert_eq!(request.line("irsa-emu recipe"), line);
    }
}
