//! What the charts of Vault and OpenBao make of their values: where these stand, what the ServiceAccount is called, which
//! configuration is in force, which variables the container has.
//!
//! Read in the charts `vault` 0.34.1 and `openbao` 0.29.2.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::ValuesError;
use super::text::{scalar, text_at};

/// Places of a configuration.
pub(super) const STANDALONE: &str = "server.standalone.config";
pub(super) const HA: &str = "server.ha.config";
pub(super) const RAFT: &str = "server.ha.raft.config";
/// Place of the variables.
pub(super) const VARIABLES: &str = "server.extraEnvironmentVars";
/// How deep a chart may stand among the values of charts around it.
const MAX_DEPTH: usize = 2;
/// Longest name that the chart makes.
const MAX_NAME: usize = 63;

/// Which of the two it is. They differ in what precedes what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Product {
    Vault,
    OpenBao,
}

impl Product {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Vault => "Vault",
            Self::OpenBao => "OpenBao",
        }
    }

    /// The name of its chart, and the release that its documentation installs.
    pub(super) fn chart(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::OpenBao => "openbao",
        }
    }
}

/// The values of the chart, within those of charts around it.
#[derive(Debug, Clone)]
pub(super) struct Chart<'a> {
    /// Its own values.
    pub(super) values: &'a Value,
    /// Keys on the path to them.
    path: Vec<&'a str>,
    /// Which chart it is.
    pub(super) product: Product,
}

impl<'a> Chart<'a> {
    /// Finds the chart's values: at the top, or below the name or alias of a dependency, even where something else has a
    /// `server` at the top.
    pub(super) fn find(root: &'a Value) -> Result<Self, ValuesError> {
        let mut charts = Vec::new();
        collect(root, &mut Vec::new(), &mut charts);
        let sealed = charts
            .iter()
            .filter(|chart| chart.is_on() && chart.mentions_awskms());
        let sealed: Vec<&Self> = sealed.collect();
        if sealed.len() > 1 {
            let places = sealed.iter().map(|chart| chart.place("server"));
            return Err(ValuesError::Several(places.collect()));
        }
        let best = charts.iter().max_by_key(|chart| {
            (
                chart.is_on() && chart.mentions_awskms(),
                super::role::text(chart.values).is_some(),
                chart.is_of_vault(),
                std::cmp::Reverse(chart.path.len()),
            )
        });
        Ok(best.cloned().unwrap_or_else(|| Self::at(root, Vec::new())))
    }

    fn at(values: &'a Value, path: Vec<&'a str>) -> Self {
        let image = text_at(values, "/server/image/repository").unwrap_or_default();
        let mentions = |text: &str| text.to_ascii_lowercase().contains("openbao");
        let variables = object(values, "/server/extraEnvironmentVars");
        let is_openbao = path.last().is_some_and(|key| mentions(key))
            || mentions(&image)
            || variables.is_some_and(|map| {
                map.keys()
                    .any(|name| name.to_ascii_uppercase().starts_with("BAO_"))
            })
            || configs(values)
                .any(|config| config.contains("/openbao/") || config.contains("plugin \"kms\""));
        Self {
            values,
            path,
            product: if is_openbao {
                Product::OpenBao
            } else {
                Product::Vault
            },
        }
    }

    /// A place of the values, with the keys above the values of the chart.
    pub(super) fn place(&self, place: &str) -> String {
        let keys = self.path.iter().copied().chain(std::iter::once(place));
        keys.collect::<Vec<_>>().join(".")
    }

    /// A dependency is usually switched off by its own `enabled`.
    fn is_on(&self) -> bool {
        let off = |pointer: &str| shown(self.values, pointer).as_deref() == Some("false");
        !off("/enabled") && !off("/server/enabled")
    }

    fn mentions_awskms(&self) -> bool {
        let variables = Variables::of(self);
        configs(self.values).any(|config| config.to_ascii_lowercase().contains("awskms"))
            || variables
                .seal_type(self.product)
                .is_some_and(|kind| kind == "awskms")
            || KEY_VARIABLES.iter().any(|name| variables.has(name))
    }

    /// Whether these are values of the chart rather than of another that has a `server`, too.
    fn is_of_vault(&self) -> bool {
        [
            "standalone",
            "ha",
            "dataStorage",
            "auditStorage",
            "extraEnvironmentVars",
            "serviceAccount",
        ]
        .iter()
        .any(|key| self.values["server"].get(key).is_some())
            || self.values.get("injector").is_some()
    }

    /// The name of the ServiceAccount, as the chart computes it for a release.
    pub(super) fn service_account(&self, release: &str) -> String {
        let own = text_at(self.values, "/server/serviceAccount/name");
        // Where the values do not speak of it, the chart's default does: it makes one.
        let create = self.values.pointer("/server/serviceAccount/create");
        if create.is_none_or(is_truthy) {
            own.unwrap_or_else(|| self.fullname(release))
        } else {
            own.unwrap_or_else(|| "default".to_owned())
        }
    }

    /// The name that the chart gives to what it makes.
    fn fullname(&self, release: &str) -> String {
        let cut = |text: &str| {
            let cut: String = text.chars().take(MAX_NAME).collect();
            cut.strip_suffix('-').map_or(cut.clone(), str::to_owned)
        };
        if let Some(name) = text_at(self.values, "/fullnameOverride") {
            return cut(&name);
        }
        // Helm calls a dependency by its alias.
        let chart = self.path.last().copied().unwrap_or(self.product.chart());
        let name = text_at(self.values, "/nameOverride").unwrap_or_else(|| chart.to_owned());
        if release.contains(&name) {
            cut(release)
        } else {
            cut(&format!("{release}-{name}"))
        }
    }

    /// The places of configurations: the one in force first. Vault's chart takes that of raft whenever raft is on, since
    /// 0.29.0 also without high availability.
    pub(super) fn configurations(&self) -> [&'static str; 3] {
        let is_on = |pointer: &str| shown(self.values, pointer).as_deref() == Some("true");
        let ha = is_on("/server/ha/enabled");
        let raft = match self.product {
            Product::Vault => self
                .values
                .pointer("/server/ha/raft/enabled")
                .is_some_and(is_truthy),
            Product::OpenBao => ha && is_on("/server/ha/raft/enabled"),
        };
        match (raft, ha) {
            (true, true) => [RAFT, HA, STANDALONE],
            (true, false) => [RAFT, STANDALONE, HA],
            (false, true) => [HA, RAFT, STANDALONE],
            (false, false) => [STANDALONE, RAFT, HA],
        }
    }

    /// What stands at the place of a configuration.
    pub(super) fn configuration(&self, place: &str) -> Option<&'a Value> {
        self.values.pointer(&format!("/{}", place.replace('.', "/")))
    }

    /// The text that a template's pipeline prints, where it is one of the values and nothing else.
    pub(super) fn value_of(&self, root: &Value, pipeline: &str) -> Option<String> {
        let path = pipeline
            .trim_end_matches("| quote")
            .trim_end_matches("| trim")
            .trim();
        let path = path.strip_prefix('$').unwrap_or(path).strip_prefix(".Values.")?;
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        if !path.chars().all(plain) {
            return None;
        }
        let pointer = format!("/{}", path.replace('.', "/"));
        let own = text_at(self.values, &pointer);
        let value = own.or_else(|| {
            path.starts_with("global.")
                .then(|| text_at(root, &pointer))
                .flatten()
        })?;
        let sound = !value.contains("{{") && !value.contains(['"', '\n']);
        sound.then(|| {
            if pipeline.ends_with("| quote") {
                format!("\"{value}\"")
            } else {
                value
            }
        })
    }
}

/// Collects every mapping with a mapping `server` in it, the outermost first.
fn collect<'a>(value: &'a Value, path: &mut Vec<&'a str>, found: &mut Vec<Chart<'a>>) {
    if object(value, "/server").is_some() {
        found.push(Chart::at(value, path.clone()));
    }
    if path.len() >= MAX_DEPTH {
        return;
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        if inner.is_object() && key != "server" {
            path.push(key);
            collect(inner, path, found);
            path.pop();
        }
    }
}

/// The text of every configuration; a mapping as JSON.
fn configs(values: &Value) -> impl Iterator<Item = String> + '_ {
    let found = [
        "/server/standalone/config",
        "/server/ha/config",
        "/server/ha/raft/config",
    ];
    found
        .into_iter()
        .filter_map(|pointer| match values.pointer(pointer)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        })
}

fn object<'a>(value: &'a Value, pointer: &str) -> Option<&'a serde_json::Map<String, Value>> {
    value.pointer(pointer).and_then(Value::as_object)
}

/// A value as the charts compare it: `toString`.
fn shown(values: &Value, pointer: &str) -> Option<String> {
    values.pointer(pointer).and_then(scalar)
}

/// Whether a value is true in an `if` of a template.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(items) => !items.is_empty(),
    }
}

/// Variables that name the key, in the order in which the wrapper of both asks them.
pub(super) const KEY_VARIABLES: [&str; 2] = ["AWSKMS_WRAPPER_KEY_ID", "VAULT_AWSKMS_SEAL_KEY_ID"];
/// Variables that name the region.
pub(super) const REGION_VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// A variable of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    /// Its value.
    Text(String),
    /// It comes from the Secret of this name.
    Secret(String),
}

/// The variables that the chart gives to the container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Variables(BTreeMap<String, Variable>);

impl Variables {
    pub(super) fn of(chart: &Chart<'_>) -> Self {
        let plain = plain_variables(chart.values.pointer("/server/extraEnvironmentVars"));
        let plain = plain
            .into_iter()
            .map(|(name, value)| (name, Variable::Text(value)));
        let secret = chart.values.pointer("/server/extraSecretEnvironmentVars");
        let secret = secret
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let name = text_at(entry, "/envName")?;
                let secret = text_at(entry, "/secretName").unwrap_or_default();
                Some((name, Variable::Secret(secret)))
            });
        // Of two of one name the later one wins, and the charts have them in different order.
        Self(match chart.product {
            Product::Vault => plain.chain(secret).collect(),
            Product::OpenBao => {
                let secret: Vec<_> = secret.collect();
                secret.into_iter().chain(plain).collect()
            }
        })
    }

    /// The variables' names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether a variable is there, and not empty.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A variable. Vault and OpenBao ignore an empty one.
    pub(super) fn get(&self, name: &str) -> Option<&Variable> {
        self.0
            .get(name)
            .filter(|found| !matches!(found, Variable::Text(text) if text.is_empty()))
    }

    /// The type that stands in place of that of every seal which is not disabled.
    pub(super) fn seal_type(&self, product: Product) -> Option<&str> {
        let names: &[&str] = match product {
            // An empty variable of its own still precedes the one of Vault.
            Product::OpenBao if self.0.contains_key("BAO_SEAL_TYPE") => &["BAO_SEAL_TYPE"],
            Product::Vault | Product::OpenBao => &["VAULT_SEAL_TYPE"],
        };
        match names.iter().find_map(|name| self.get(name))? {
            Variable::Text(kind) => Some(kind),
            Variable::Secret(_) => None,
        }
    }
}

/// Plain variables, with the names that the chart makes of them: in capitals, and `_` for `.`. A list of names and values,
/// which the chart does not know, is read as what it means.
fn plain_variables(found: Option<&Value>) -> Vec<(String, String)> {
    let named = |name: &str| name.replace('.', "_").to_uppercase();
    match found {
        Some(Value::Object(variables)) => {
            // A template goes over a mapping in the order of its keys.
            let sorted: BTreeMap<&String, &Value> = variables.iter().collect();
            let value = |value: &Value| scalar(value).unwrap_or_default();
            sorted
                .into_iter()
                .map(|(name, found)| (named(name), value(found)))
                .collect()
        }
        Some(Value::Array(entries)) => entries
            .iter()
            .filter_map(|entry| {
                let name = text_at(entry, "/name")?;
                Some((named(&name), text_at(entry, "/value").unwrap_or_default()))
            })
            .collect(),
        _ => Vec::new(),
    }
}
