//! A Recipe as a file: the object, with parameters that are filled in after parsing and never in the text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Recipe, RecipeProblem};
use crate::names::is_dns_subdomain;
use crate::partition;

/// Longest name that is made from parameters; what a name of a Namespace can be is short enough for everything.
const MAX_NAME: usize = 63;
/// Hexadecimal digits that distinguish the names that were cut.
const CUT_DIGITS: usize = 8;

/// A value that a recipe file leaves open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Parameter {
    /// Its name, as in `${name}`.
    pub name: String,
    /// What it is, for the one who is asked for it.
    pub description: String,
    /// Its value where none is given; without one it must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// A recipe file: a Recipe whose string values may hold `${parameter}`.
#[derive(Debug, Clone, PartialEq)]
pub struct RecipeFile {
    parameters: Vec<Parameter>,
    object: Value,
}

/// Why a recipe file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeFileError {
    /// It is not YAML.
    #[error("not readable as YAML: {0}")]
    Yaml(String),
    /// It holds more than one document.
    #[error("it holds several YAML documents, and a recipe file holds one Recipe")]
    Several,
    /// It is YAML, but no mapping with `apiVersion: irsa-emu.dev/v1alpha1` and `kind: Recipe`.
    #[error("not a Recipe: expected apiVersion irsa-emu.dev/v1alpha1 and kind Recipe, found {found}")]
    Kind {
        /// What was found in their place.
        found: String,
    },
    /// The `parameters` list has another shape.
    #[error("parameters: {0}")]
    Parameters(String),
}

/// Why a Recipe cannot be made from a file and the given values.
#[derive(Debug, thiserror::Error)]
pub enum ParameterError {
    /// Parameters without a default were not given.
    #[error("missing parameters: {}", .0.join(", "))]
    Missing(Vec<String>),
    /// A value was given for a parameter that the file does not have.
    #[error("unknown parameter `{name}`; this recipe has: {known}")]
    Unknown {
        /// The name that was given.
        name: String,
        /// The names that the file has.
        known: String,
    },
    /// A `${name}` in the file is not in its list of parameters.
    #[error("the recipe uses `${{{0}}}` but its parameters do not list it")]
    Undeclared(String),
    /// With the values filled in, the Recipe has a name that Kubernetes refuses.
    #[error(
        "metadata.name `{0}` is not a name that Kubernetes accepts: lower case letters, digits, `-` and `.`, \
first and last a letter or a digit"
    )]
    Name(String),
    /// With the values filled in, the object is not a Recipe.
    #[error("{0}")]
    Shape(String),
    /// With the values filled in, the Recipe breaks a rule.
    #[error(transparent)]
    Problem(#[from] RecipeProblem),
}

impl RecipeFile {
    /// Reads a recipe file.
    pub fn parse(text: &str) -> Result<Self, RecipeFileError> {
        let mut object: Value =
            serde_saphyr::from_str(text).map_err(|error| match error.without_snippet() {
                serde_saphyr::Error::MultipleDocuments { .. } => RecipeFileError::Several,
                _ => RecipeFileError::Yaml(error.to_string()),
            })?;
        let found = |key: &str| {
            object
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or("nothing")
                .to_owned()
        };
        let (api_version, kind) = (found("apiVersion"), found("kind"));
        if (api_version.as_str(), kind.as_str()) != ("irsa-emu.dev/v1alpha1", "Recipe") {
            return Err(RecipeFileError::Kind {
                found: format!("{api_version} {kind}"),
            });
        }
        let parameters = match object.as_object_mut().and_then(|map| map.remove("parameters")) {
            Some(list) => serde_json::from_value(list)
                .map_err(|error| RecipeFileError::Parameters(error.to_string()))?,
            None => Vec::new(),
        };
        Ok(Self { parameters, object })
    }

    /// The parameters that the file leaves open.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Fills in the parameters and checks the result.
    pub fn instantiate(&self, given: &BTreeMap<String, String>) -> Result<Recipe, ParameterError> {
        let values = self.values(given)?;
        let mut object = self.object.clone();
        fill(&mut object, &values)?;
        let mut recipe = super::read(&object).map_err(ParameterError::Shape)?;
        recipe.spec.check()?;
        if let Some(name) = &mut recipe.metadata.name {
            *name = fit(name);
            if !is_dns_subdomain(name) {
                return Err(ParameterError::Name(name.clone()));
            }
        }
        Ok(recipe)
    }

    fn values<'a>(
        &'a self,
        given: &'a BTreeMap<String, String>,
    ) -> Result<BTreeMap<&'a str, &'a str>, ParameterError> {
        let names: Vec<&str> = self
            .parameters
            .iter()
            .map(|parameter| parameter.name.as_str())
            .collect();
        if let Some(name) = given.keys().find(|name| !names.contains(&name.as_str())) {
            return Err(ParameterError::Unknown {
                name: name.clone(),
                known: names.join(", "),
            });
        }
        let mut missing = Vec::new();
        let mut values = BTreeMap::new();
        for parameter in &self.parameters {
            match given.get(&parameter.name).or(parameter.default.as_ref()) {
                Some(value) => {
                    values.insert(parameter.name.as_str(), value.as_str());
                }
                None => missing.push(parameter.name.clone()),
            }
        }
        // ARNs of the region's resources begin with it.
        if let Some(region) = values.get("region").copied() {
            values
                .entry("partition")
                .or_insert_with(|| partition::of_region(region));
        }
        if missing.is_empty() {
            Ok(values)
        } else {
            Err(ParameterError::Missing(missing))
        }
    }
}

/// A name of at most [`MAX_NAME`] characters. Of one that is longer, digits of its hash keep it apart from others that begin
/// alike.
fn fit(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let hash = Sha256::digest(name.as_bytes());
    let bytes = hash.iter().take(CUT_DIGITS / 2);
    let number = bytes.fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let head: String = name.chars().take(MAX_NAME - CUT_DIGITS - 1).collect();
    format!("{}-{number:0CUT_DIGITS$x}", head.trim_end_matches(['-', '.']))
}

/// Replaces `${name}` in every string below a value. Keys are left alone.
fn fill(value: &mut Value, values: &BTreeMap<&str, &str>) -> Result<(), ParameterError> {
    match value {
        Value::String(text) => *text = fill_text(text, values)?,
        Value::Array(items) => {
            for item in items {
                fill(item, values)?;
            }
        }
        Value::Object(map) => {
            for item in map.values_mut() {
                fill(item, values)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

/// Replaces `${name}` in a text, once: a value that itself holds `${...}` stays as it is.
fn fill_text(text: &str, values: &BTreeMap<&str, &str>) -> Result<String, ParameterError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else {
            break;
        };
        let value = values
            .get(name)
            .ok_or_else(|| ParameterError::Undeclared(name.to_owned()))?;
        filled.push_str(before);
        filled.push_str(value);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
apiVersion: irsa-emu.dev/v1alpha1
kind: Recipe
metadata: {name: demo}
parameters:
- {name: account, description: AWS account}
- {name: region, description: AWS region, default: us-east-1}
spec:
  account: "${account}"
  region: "${region}"
  inject:
  - match: {namespace: a, serviceAccount: b}
    env: {X: "${region}-${account}-$5"}
"#;

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn parameters_are_filled_in_and_defaults_serve() {
        let recipe = RecipeFile::parse(FILE)
            .unwrap()
            .instantiate(&given(&[("account", "123456789012")]))
            .unwrap();
        assert_eq!(
            (recipe.spec.account.as_str(), recipe.spec.region.as_str()),
            ("123456789012", "us-east-1")
        );
        assert_eq!(recipe.spec.inject[0].env["X"], "us-east-1-123456789012-$5");
    }

    #[test]
    fn missing_and_unknown_parameters_are_named() {
        let file = RecipeFile::parse(FILE).unwrap();
        assert_eq!(
            file.instantiate(&given(&[])).unwrap_err().to_string(),
            "missing parameters: account"
        );
        let error = file
            .instantiate(&given(&[("acount", "1")]))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "unknown parameter `acount`; this recipe has: account, region"
        );
    }

    #[test]
    fn a_value_cannot_smuggle_in_structure_or_other_parameters() {
        let file = RecipeFile::parse(FILE).unwrap();
        let hostile = "x\", \"region\": \"y";
        let error = file.instantiate(&given(&[("account", hostile)])).unwrap_err();
        assert!(matches!(error, ParameterError::Problem(RecipeProblem::Account(text)) if text == hostile));
        let error = file.instantiate(&given(&[("account", "${region}")])).unwrap_err();
        assert!(
            matches!(error, ParameterError::Problem(RecipeProblem::Account(text)) if text == "${region}")
        );
    }

    #[test]
    fn the_name_comes_from_parameters_and_is_one_that_kubernetes_takes() {
        let text = FILE.replace("{name: demo}", "{name: \"demo-${place}\"}").replace(
            "parameters:",
            "parameters:\n- {name: place, description: p, default: a}",
        );
        let file = RecipeFile::parse(&text).unwrap();
        let named = |place: &str| {
            let recipe = file.instantiate(&given(&[("account", "123456789012"), ("place", place)]));
            recipe.map(|recipe| recipe.metadata.name.unwrap())
        };
        assert_eq!(named("kube-system-vault").unwrap(), "demo-kube-system-vault");
        assert_eq!(named("my.release").unwrap(), "demo-my.release");
        for place in ["UPPER", "a_b", "a b", "a.", "a-", "a..b", "ä"] {
            assert!(matches!(named(place), Err(ParameterError::Name(_))), "{place}");
        }
        let (first, second) = (
            named(&format!("{}1", "x".repeat(90))).unwrap(),
            named(&format!("{}2", "x".repeat(90))).unwrap(),
        );
        assert_eq!((first.len(), second.len()), (MAX_NAME, MAX_NAME));
        assert_ne!(first, second);
        assert!(is_dns_subdomain(
            &named(&format!("{}.{}", "x".repeat(48), "y".repeat(40))).unwrap()
        ));
    }

    #[test]
    fn the_partition_follows_from_the_region() {
        let text = FILE.replace("$5", "${partition}");
        let file = RecipeFile::parse(&text).unwrap();
        for (region, partition) in [
            ("us-east-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
        ] {
            let values = given(&[("account", "123456789012"), ("region", region)]);
            let recipe = file.instantiate(&values).unwrap();
            assert_eq!(
                recipe.spec.inject[0].env["X"],
                format!("{region}-123456789012-{partition}")
            );
        }
    }

    #[test]
    fn what_is_no_recipe_is_refused() {
        assert!(matches!(
            RecipeFile::parse("a: [").unwrap_err(),
            RecipeFileError::Yaml(_)
        ));
        assert!(matches!(
            RecipeFile::parse(&format!("{FILE}\n---\nkind: Pod\n")).unwrap_err(),
            RecipeFileError::Several
        ));
        let error = RecipeFile::parse("apiVersion: v1\nkind: Pod\n")
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("found v1 Pod"), "{error}");
        let text = FILE.replace("region: \"${region}\"", "region: \"${regoin}\"");
        let error = RecipeFile::parse(&text)
            .unwrap()
            .instantiate(&given(&[("account", "123456789012")]))
            .unwrap_err();
        assert!(matches!(error, ParameterError::Undeclared(name) if name == "regoin"));
    }
}
