//! How the emulator runs, and how that is read back from its Deployment.

use std::collections::BTreeMap;

use irsa_emu_cluster::kubernetes::deployment::container;
use irsa_emu_core::contract::EMULATOR_PORT;
use irsa_emu_core::emulator::{self, Setting};
use k8s_openapi::api::apps::v1::Deployment;

/// Memory that it may use: measured in `docs/operation.md`.
const MEMORY_LIMIT: &str = "2Gi";
/// Memory that it is sure of, and the least limit: at rest it uses a third of it, with the services of Recipes two thirds.
const MEMORY_REQUEST: &str = "256Mi";
/// CPU that it is sure of.
const CPU_REQUEST: &str = "50m";
/// Annotation of the Deployment: the variables that were asked for, whose values are in the container.
const ENV_ASKED: &str = "irsa-emu.dev/emulator-env";
/// Annotation of the Deployment: the limits that were asked for, which are in the container, too.
const LIMITS_ASKED: &str = "irsa-emu.dev/emulator-limits";
/// Its entry there, and its variable here and in the container.
pub const AUTH_TOKEN: &str = emulator::DEFAULT.licence.variable;

/// How the emulator runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmulatorOptions {
    /// Variables of its container.
    pub env: Vec<(String, String)>,
    /// Memory that it may use, as a quantity of Kubernetes.
    pub memory: Option<String>,
    /// CPUs that it may use, as a quantity of Kubernetes.
    pub cpu: Option<String>,
}

impl EmulatorOptions {
    /// Why a variable cannot be set. It is not the parser that refuses it, as that would print the value.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        self.env.iter().find_map(|(name, _)| refused(name))
    }

    /// The variables by name; of two of one name the last is taken.
    pub(super) fn variables(&self) -> BTreeMap<&str, &str> {
        let pairs = self.env.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    /// Request and limit of memory.
    pub(super) fn memory_range(&self) -> (String, String) {
        let limit = self.memory.as_deref().unwrap_or(MEMORY_LIMIT);
        (MEMORY_REQUEST.to_owned(), limit.to_owned())
    }

    /// Request of CPU.
    pub(super) fn cpu_request(&self) -> String {
        let limit = self.cpu.as_deref().unwrap_or(CPU_REQUEST);
        let request = if millicores(limit) < millicores(CPU_REQUEST) {
            limit
        } else {
            CPU_REQUEST
        };
        request.to_owned()
    }

    /// Annotations that separate what was asked for from what is ours.
    pub(super) fn asked(&self) -> BTreeMap<String, String> {
        let limits = [("cpu", &self.cpu), ("memory", &self.memory)];
        let limits: Vec<&str> = limits
            .into_iter()
            .filter_map(|(name, limit)| limit.as_ref().map(|_| name))
            .collect();
        let variables: Vec<&str> = self.variables().into_keys().collect();
        [(ENV_ASKED, variables), (LIMITS_ASKED, limits)]
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(annotation, names)| (annotation.to_owned(), names.join(",")))
            .collect()
    }

    /// What an emulator that is there was asked to run with.
    #[must_use]
    pub fn of(emulator: &Deployment) -> Self {
        let Some(container) = container(emulator) else {
            return Self::default();
        };
        let annotations = emulator.metadata.annotations.as_ref();
        let asked = |annotation: &str| -> Vec<&str> {
            let names = annotations.and_then(|annotations| annotations.get(annotation));
            names.map(|names| names.split(',').collect()).unwrap_or_default()
        };
        let limits = container
            .resources
            .as_ref()
            .and_then(|resources| resources.limits.as_ref());
        let limit = |name: &str| {
            asked(LIMITS_ASKED).contains(&name).then_some(())?;
            Some(limits?.get(name)?.0.clone())
        };
        let variables = container.env.iter().flatten();
        let names = asked(ENV_ASKED);
        let of_user = variables.filter(|variable| names.contains(&variable.name.as_str()));
        Self {
            env: of_user
                .map(|variable| {
                    let value = variable.value.as_deref().unwrap_or_default();
                    (variable.name.clone(), value.replace("$$", "$"))
                })
                .collect(),
            memory: limit("memory"),
            cpu: limit("cpu"),
        }
    }
}

/// A value that Kubernetes hands on as it is: it replaces `$(NAME)` and makes one `$` of two.
pub(super) fn escaped(value: &str) -> String {
    value.replace('$', "$$")
}

/// Why a variable of this name cannot be set.
#[must_use]
pub fn refused(name: &str) -> Option<String> {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(inner) || name.as_bytes()[0].is_ascii_digit() {
        return Some(format!(
            "`{name}` is not the name of a variable: expected letters, digits and `_`, and no digit first"
        ));
    }
    if emulator::DEFAULT.licence.is_held_by(name) {
        return Some(format!(
            "{name} is a secret, and the variables of a container are not: \
set the variable {AUTH_TOKEN} where irsa-emu runs, or use --emulator-auth-token-file"
        ));
    }
    match emulator::DEFAULT.setting(name)? {
        Setting::Listen => Some(format!(
            "{name} is fixed: the emulator's Service and its probe use port {EMULATOR_PORT} (the port of this machine is --host-port)"
        )),
        Setting::Region => Some(format!("{name} is the region of the install: use --region")),
        Setting::Fixed(_) | Setting::Host => None,
    }
}

/// Reads a quantity of memory.
pub fn memory(text: &str) -> Result<String, String> {
    match bytes(text) {
        None => Err("expected a quantity of memory such as 3Gi or 1500Mi".to_owned()),
        found if found < bytes(MEMORY_REQUEST) => Err(format!(
            "expected at least {MEMORY_REQUEST}: with less, the emulator does not run"
        )),
        Some(_) => Ok(text.to_owned()),
    }
}

/// Reads a quantity of CPU.
pub fn cpu(text: &str) -> Result<String, String> {
    match millicores(text) {
        Some(1..) => Ok(text.to_owned()),
        _ => Err("expected a number of CPUs such as 2, 0.5 or 500m".to_owned()),
    }
}

fn bytes(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 6] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
    ];
    let unit = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit));
    let (unit, factor) = unit.unwrap_or(("", 1));
    whole(text.strip_suffix(unit)?)?.checked_mul(factor)
}

fn millicores(text: &str) -> Option<u64> {
    if let Some(thousandths) = text.strip_suffix('m') {
        return whole(thousandths);
    }
    let (units, fraction) = text.split_once('.').unwrap_or((text, "0"));
    // Finer than a thousandth is nothing that Kubernetes takes.
    if fraction.len() > 3 {
        return None;
    }
    let thousandths = whole(&format!("{fraction:0<3}"))?;
    whole(units)?.checked_mul(1000)?.checked_add(thousandths)
}

/// Digits and nothing else.
fn whole(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_those_of_kubernetes() {
        for text in ["256Mi", "3Gi", "1500M", "2G", "400000k", "536870912"] {
            assert_eq!(memory(text).as_deref(), Ok(text));
        }
        for text in ["", "3", "255Mi", "3GB", "3 Gi", "-3Gi", "1.5Gi", "99999999999Gi"] {
            assert!(memory(text).is_err(), "{text}");
        }
        for (text, thousandths) in [("2", 2000), ("0.5", 500), ("1.25", 1250), ("500m", 500)] {
            assert_eq!(cpu(text).as_deref(), Ok(text));
            assert_eq!(millicores(text), Some(thousandths), "{text}");
        }
        for text in ["", "0", "0m", "m", ".", "1.2345", "-1", "two", "1.5m"] {
            assert!(cpu(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_that_others_depend_on_are_refused_without_their_value() {
        for (name, why) in [
            ("LOCALSTACK_AUTH_TOKEN", "--emulator-auth-token-file"),
            ("LOCALSTACK_API_KEY", "the variable LOCALSTACK_AUTH_TOKEN"),
            ("GATEWAY_LISTEN", "--host-port"),
            ("AWS_DEFAULT_REGION", "--region"),
            ("A B", "is not the name of a variable"),
            ("1A", "is not the name of a variable"),
        ] {
            let options = EmulatorOptions {
                env: vec![("DEBUG".into(), "1".into()), (name.into(), "hunter2".into())],
                ..EmulatorOptions::default()
            };
            let said = options.refused().unwrap_or_default();
            assert!(said.contains(why) && !said.contains("hunter2"), "{said}");
        }
        for name in ["SERVICES", "PERSISTENCE", "_a1", "LOCALSTACK_HOST"] {
            assert_eq!(refused(name), None);
        }
    }
}
