//! Which keys the seals use, and in which regions: what Vault and OpenBao take from a stanza, and what from a variable.
//!
//! Read in Vault's `internalshared/configutil`, OpenBao's `internal/command/server.go`, and the wrappers `awskms` of both.

use irsa_emu_core::names::is_region;
use serde_json::Value;

use super::chart::{self, Chart, KEY_VARIABLES, Product, REGION_VARIABLES, Variable, Variables};
use super::error::{Problem, SEAL, ValuesError};
use super::found::{SealKey, VaultValues};
use super::key::{self, KeyName};
use super::stanza::{self, Config, Stanza};
use super::template::{self, is_masked};

const AWSKMS: &str = "awskms";

/// A seal with AWS KMS, and where it stands.
struct Seal {
    stanza: Stanza,
    place: String,
    /// In a text that is masked, what the marks stand for.
    masked: Option<template::Masked>,
}

/// All seals with AWS KMS.
struct Seals<'a> {
    variables: &'a Variables,
    product: Product,
    /// Whether several work side by side, each with variables of its own.
    ha: bool,
    found: Vec<Seal>,
}

/// A text, and where it stands.
type Placed = (String, String);

/// Reads keys and regions; returns them with the account of every key whose ARN names one.
pub(super) fn read(
    root: &Value,
    chart: &Chart<'_>,
    variables: &Variables,
    values: &mut VaultValues,
) -> Vec<(String, String)> {
    let seals = find(root, chart, variables, values);
    let several = seals.found.len() > 1;
    let mut accounts = Vec::new();
    for seal in &seals.found {
        warn_of(seal, seals.product, several, &mut values.warnings);
        let region = match seals.region(seal, &mut values.warnings) {
            Ok(region) => region,
            Err(problem) => {
                values.problems.push(problem);
                None
            }
        };
        let names = match seals.key_names(seal, &mut values.warnings) {
            Ok(names) => {
                // The only key is a parameter that is missing, and can be asked for.
                if several && names.is_empty() {
                    let place = seal.place.clone();
                    values
                        .problems
                        .push(ValuesError::NoKey { place }.needs(&["keyId"]));
                }
                names
            }
            Err(problem) => {
                values.problems.push(problem);
                Vec::new()
            }
        };
        if names.is_empty() {
            values.keys.push(SealKey {
                region: region.map(|(region, _)| region),
                ..SealKey::default()
            });
            continue;
        }
        for name in &names {
            let key = seal_key(name, region.as_ref(), &mut accounts, &mut values.problems);
            if !values.keys.contains(&key) {
                values.keys.push(key);
            }
        }
    }
    warn_of_regions(values, seals.product);
    accounts
}

/// The key that a text names, in the region that the seal asks.
fn seal_key(
    (text, place): &Placed,
    region: Option<&Placed>,
    accounts: &mut Vec<(String, String)>,
    problems: &mut Vec<Problem>,
) -> SealKey {
    let mut key = SealKey {
        region: region.map(|(region, _)| region.clone()),
        ..SealKey::default()
    };
    let (named, at) = match key::read(text) {
        Some(KeyName::Key(found)) => {
            key.id = Some(found.id.clone());
            (found.id, found.at)
        }
        Some(KeyName::Alias { alias, at }) => {
            key.alias = Some(alias.clone());
            (alias, at)
        }
        None => {
            let error = ValuesError::Key {
                place: place.clone(),
                text: text.chars().take(120).collect(),
            };
            problems.push(error.needs(&["keyId"]));
            return key;
        }
    };
    if let Some(at) = at {
        if let Some((region, place)) = region.filter(|(region, _)| *region != at.region) {
            let error = ValuesError::Regions {
                key: at.region.clone(),
                place: place.clone(),
                region: region.clone(),
            };
            problems.push(error.needs(&["region"]));
        }
        key.region = Some(at.region);
        accounts.push((named, at.account));
    }
    if let Some(alias) = &key.alias {
        let region = key.region.as_ref().map(|region| format!(" --region {region}"));
        let error = ValuesError::Alias {
            place: place.clone(),
            alias: alias.clone(),
            region: region.unwrap_or_default(),
        };
        problems.push(error.needs(&["keyId"]));
    }
    key
}

/// Finds the seals: in the configuration in force, then in the environment, then in the other configurations.
fn find<'a>(
    root: &Value,
    chart: &Chart<'_>,
    variables: &'a Variables,
    values: &mut VaultValues,
) -> Seals<'a> {
    let product = chart.product;
    let mut seals = Seals {
        variables,
        product,
        ha: false,
        found: Vec::new(),
    };
    let order = chart.configurations();
    let forced = variables.seal_type(product);
    let mut unknown = None;
    for (index, place) in order.into_iter().enumerate() {
        let in_force = index == 0;
        let Some(value) = chart.configuration(place) else {
            if in_force {
                seals.add_forced(forced, chart);
            }
            if seals.found.is_empty() {
                continue;
            }
            return seals;
        };
        let title = chart.place(place);
        let (config, masked) = match read_config(value, &title, root, chart) {
            Ok(read) => read,
            Err(error) if in_force => {
                values.problems.push(error.needs(SEAL));
                return seals;
            }
            Err(_) => continue,
        };
        if in_force {
            unknown.clone_from(&config.unknown);
        }
        seals.take(config, &title, masked.as_ref(), forced);
        if in_force {
            seals.add_forced(forced, chart);
        }
        if seals.found.is_empty() {
            continue;
        }
        if !in_force {
            values.warnings.push(format!(
                "the seal is in {title}, but with these values the chart uses {}",
                chart.place(order[0])
            ));
        }
        return seals;
    }
    if let Some(name) = KEY_VARIABLES.into_iter().find(|name| variables.has(name)) {
        values.warnings.push(format!(
            "{name} names a key, but there is neither a seal stanza nor VAULT_SEAL_TYPE: {} does not use it, on EKS as here",
            product.name()
        ));
        seals.add_forced(Some(AWSKMS), chart);
        return seals;
    }
    let looked = order
        .into_iter()
        .chain([chart::VARIABLES])
        .map(|place| chart.place(place));
    let error = match unknown {
        Some(text) => ValuesError::Template {
            place: chart.place(order[0]),
            text,
        },
        None => ValuesError::NoSeal {
            looked: looked.collect(),
        },
    };
    values.problems.push(error.needs(&["keyId"]));
    seals
}

/// Reads a configuration, which stands at `title`.
fn read_config(
    value: &Value,
    title: &str,
    root: &Value,
    chart: &Chart<'_>,
) -> Result<(Config, Option<template::Masked>), ValuesError> {
    match value {
        Value::String(text) => {
            let masked = template::mask(text, |pipeline| chart.value_of(root, pipeline));
            let config = stanza::read(&masked, title)?;
            Ok((config, Some(masked)))
        }
        Value::Object(_) => Ok((stanza::of_json(value), None)),
        _ => Ok((Config::default(), None)),
    }
}

fn warn_of(seal: &Seal, product: Product, several: bool, warnings: &mut Vec<String>) {
    let product = product.name();
    for name in ["access_key", "secret_key", "session_token"] {
        if seal.stanza.fields.contains_key(name) {
            warnings.push(format!(
                "the seal stanza sets `{name}`: {product} uses static credentials before any role, on EKS as here; \
remove it to use the role"
            ));
        }
    }
    if seal.stanza.is_disabled() && !several {
        warnings.push(format!(
            "the seal stanza has `disabled = true`: {product} only migrates away from this key"
        ));
    }
}

fn warn_of_regions(values: &mut VaultValues, product: Product) {
    let mut regions: Vec<&str> = Vec::new();
    for region in values.keys.iter().filter_map(|key| key.region.as_deref()) {
        if !regions.contains(&region) {
            regions.push(region);
        }
    }
    if product == Product::Vault && regions.len() > 1 {
        let warning = format!(
            "the seals are in several regions ({}), and each key is created in its own; Pods get AWS_REGION={}, which Vault \
without seal high availability takes for all of them, on EKS as here",
            regions.join(", "),
            regions[0]
        );
        values.warnings.push(warning);
    }
}

impl Seals<'_> {
    /// Takes the seals with AWS KMS of a configuration: those that work first, by their priority.
    fn take(&mut self, config: Config, place: &str, masked: Option<&template::Masked>, forced: Option<&str>) {
        let kind = |stanza: &Stanza| match forced {
            Some(forced) if !stanza.is_disabled() => forced.to_ascii_lowercase(),
            _ => stanza.kind.clone(),
        };
        let mut stanzas = config.stanzas;
        stanzas.retain(|stanza| kind(stanza) == AWSKMS);
        let several = stanzas.len() > 1;
        let working = stanzas.iter().filter(|stanza| !stanza.is_disabled()).count();
        self.ha = config.multiseal || working > 1;
        let mut found: Vec<Seal> = stanzas
            .into_iter()
            .enumerate()
            .map(|(index, stanza)| Seal {
                place: if several {
                    format!("seal stanza {} of {place}", index + 1)
                } else {
                    place.to_owned()
                },
                stanza,
                masked: masked.map(template::Masked::marks),
            })
            .collect();
        found.sort_by_key(|seal| (seal.stanza.is_disabled(), seal.stanza.priority()));
        self.found = found;
    }

    /// Adds the seal that a variable asks for, where no stanza is there to be it.
    fn add_forced(&mut self, forced: Option<&str>, chart: &Chart<'_>) {
        let is_asked = forced.is_some_and(|kind| kind.eq_ignore_ascii_case(AWSKMS));
        if is_asked && self.found.iter().all(|seal| seal.stanza.is_disabled()) {
            let seal = Seal {
                stanza: Stanza::default(),
                place: chart.place(chart::VARIABLES),
                masked: None,
            };
            self.found.insert(0, seal);
        }
    }

    /// A field of a seal. One that a template makes is a problem.
    fn field(seal: &Seal, name: &str) -> Result<Option<Placed>, ValuesError> {
        let text = seal
            .stanza
            .fields
            .get(name)
            .filter(|text| !text.trim().is_empty());
        let Some(text) = text else { return Ok(None) };
        let place = format!("{name} in {}", seal.place);
        if !is_masked(text) {
            return Ok(Some((text.trim().to_owned(), place)));
        }
        let text = seal
            .masked
            .as_ref()
            .map_or_else(|| text.clone(), |masked| masked.restored(text));
        Err(ValuesError::Template { place, text })
    }

    /// Variables that are set, under their own name, or with the name of a seal where several work side by side.
    fn set<'b>(&'b self, names: &[&str], suffix: Option<&str>) -> Vec<(String, &'b Variable)> {
        let full = names.iter().map(|name| match suffix {
            Some(suffix) => format!("{name}_{suffix}"),
            None => (*name).to_owned(),
        });
        full.filter_map(|name| Some((name.clone(), self.variables.get(&name)?)))
            .collect()
    }

    /// The variables that apply to a seal, and whether they precede its stanza.
    fn of_seal(&self, seal: &Seal, names: &[&str]) -> (Vec<(String, &Variable)>, bool) {
        if self.ha {
            let own = seal
                .stanza
                .name()
                .map(|name| self.set(names, Some(name)))
                .unwrap_or_default();
            if !own.is_empty() {
                return (own, true);
            }
            return (self.set(names, None), false);
        }
        (self.set(names, None), true)
    }

    /// What names the key of a seal. A variable precedes the stanza; if two variables differ, Vault takes either.
    fn key_names(&self, seal: &Seal, warnings: &mut Vec<String>) -> Result<Vec<Placed>, Problem> {
        const KEY: &[&str] = &["keyId"];
        let field = Self::field(seal, "kms_key_id");
        let (mut variables, wins) = self.of_seal(seal, &KEY_VARIABLES);
        if self.product == Product::OpenBao {
            variables.truncate(1);
        }
        if variables.is_empty() || (!wins && !matches!(field, Ok(None))) {
            return field
                .map(|field| field.into_iter().collect())
                .map_err(|error| error.needs(KEY));
        }
        if self.found.len() > 1 && wins && !self.ha {
            warnings.push(format!(
                "{} precedes the `kms_key_id` of every seal stanza, on EKS as here: all of them are this key",
                variables[0].0
            ));
        }
        let mut names: Vec<Placed> = Vec::new();
        for (variable, value) in variables {
            match value {
                Variable::Text(text) if names.iter().all(|(known, _)| known != text) => {
                    names.push((text.clone(), format!("{variable} in {}", chart::VARIABLES)));
                }
                Variable::Text(_) => {}
                Variable::Secret(secret) => {
                    let error = ValuesError::Secret {
                        variable,
                        secret: secret.clone(),
                    };
                    return Err(error.needs(KEY));
                }
            }
        }
        if names.len() > 1 {
            warnings.push(format!(
                "{} name different keys, and Vault takes either, on EKS as here; the Recipe creates both",
                KEY_VARIABLES.join(" and ")
            ));
        }
        Ok(names)
    }

    /// The region that a seal uses. With Vault a variable precedes the stanza, with OpenBao the stanza a variable.
    fn region(&self, seal: &Seal, warnings: &mut Vec<String>) -> Result<Option<Placed>, Problem> {
        const REGION: &[&str] = &["region"];
        let (variables, wins) = self.of_seal(seal, &REGION_VARIABLES);
        let wins = wins && self.product == Product::Vault;
        let field = Self::field(seal, "region");
        let text = |variable: &Variable| match variable {
            Variable::Text(text) => Some(text.clone()),
            Variable::Secret(_) => None,
        };
        let mut readable = variables
            .iter()
            .filter_map(|(name, found)| Some((text(found)?, format!("{name} in {}", chart::VARIABLES))));
        let first = readable.next();
        if let (Some((first, _)), Some((second, _)), true) = (&first, readable.next(), wins)
            && *first != second
        {
            warnings.push(format!(
                "{} differ ({first}, {second}), and Vault takes either, on EKS as here; set both to one region",
                REGION_VARIABLES.join(" and ")
            ));
        }
        let found = match (first, wins) {
            (Some(first), true) => Some(first),
            (first, _) => field.map_err(|error| error.needs(REGION))?.or(first),
        };
        let hidden = variables.iter().find_map(|(name, found)| match found {
            Variable::Secret(secret) => Some((name, secret)),
            Variable::Text(_) => None,
        });
        let Some((region, place)) = found else {
            return match hidden {
                Some((variable, secret)) => {
                    let error = ValuesError::Secret {
                        variable: variable.clone(),
                        secret: secret.clone(),
                    };
                    Err(error.needs(REGION))
                }
                None => Ok(None),
            };
        };
        if let Some((variable, secret)) = hidden.filter(|_| wins) {
            warnings.push(format!(
                "{variable} comes from the Secret {secret}, which is not read; {region} from {place} is used"
            ));
        }
        if !is_region(&region) {
            return Err(ValuesError::Region { place, text: region }.needs(REGION));
        }
        Ok(Some((region, place)))
    }
}
