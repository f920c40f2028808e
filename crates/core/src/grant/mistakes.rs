//! Probable mistakes in annotations: what EKS's webhook ignores in silence, each in a sentence.

use std::collections::BTreeMap;
use std::fmt;

use super::annotations::{parse_bool, parse_seconds};
use crate::contract::{
    AUDIENCE, MAX_TOKEN_EXPIRATION, MIN_TOKEN_EXPIRATION, ROLE_ARN, SKIP_CONTAINERS, STS_REGIONAL_ENDPOINTS,
    TOKEN_EXPIRATION,
};
use crate::role_arn::RoleArn;

/// What is read from a ServiceAccount.
const OF_SERVICE_ACCOUNT: [&str; 4] = [ROLE_ARN, AUDIENCE, STS_REGIONAL_ENDPOINTS, TOKEN_EXPIRATION];
/// What is read from a Pod.
const OF_POD: [&str; 2] = [TOKEN_EXPIRATION, SKIP_CONTAINERS];
/// Edits between a name and what it was probably meant to be.
const NEAR: usize = 2;
/// The annotation of kube2iam and kiam, which people bring along.
const KUBE2IAM: &str = "iam.amazonaws.com/role";

/// A probable mistake in an annotation of a ServiceAccount. `Display` gives a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The annotation's key as it is written.
    pub key: String,
    /// The key that was probably meant, where it is another one.
    pub meant: Option<String>,
    problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceAccount annotation {}: {}", self.key, self.problem)
    }
}

/// Probable mistakes in a ServiceAccount's annotations, as sentences. `prefix` is the one that is read.
#[must_use]
pub fn mistakes_of_service_account(annotations: &BTreeMap<String, String>, prefix: &str) -> Vec<String> {
    let found = find_mistakes(annotations, prefix).into_iter();
    found.map(|mistake| mistake.to_string()).collect()
}

/// Probable mistakes in a ServiceAccount's annotations. `prefix` is the one that is read.
#[must_use]
pub fn find_mistakes(annotations: &BTreeMap<String, String>, prefix: &str) -> Vec<Mistake> {
    let mut found = Vec::new();
    for (key, value) in annotations {
        let Some((domain, name)) = key.split_once('/') else {
            continue;
        };
        let mistake = |meant: Option<String>, problem: String| Mistake {
            key: key.clone(),
            meant,
            problem,
        };
        let misspelt = |meant: &str| {
            let meant = format!("{prefix}/{meant}");
            let problem = format!("it is not used; did you mean {meant}?");
            mistake(Some(meant), problem)
        };
        if domain == prefix {
            found.extend(if OF_SERVICE_ACCOUNT.contains(&name) {
                wrong_value(name, value).map(|problem| mistake(None, problem))
            } else if name == SKIP_CONTAINERS {
                Some(mistake(None, "it is read from Pods only".to_owned()))
            } else {
                nearest(name, &OF_SERVICE_ACCOUNT).map(misspelt)
            });
        } else if key == KUBE2IAM || (nearest(name, &[ROLE_ARN]).is_some() && is_like(domain, prefix)) {
            found.push(misspelt(ROLE_ARN));
        }
    }
    found
}

/// Probable mistakes in a Pod's annotations.
#[must_use]
pub fn mistakes_of_pod<'a>(
    annotations: impl Iterator<Item = (&'a str, &'a str)>,
    prefix: &str,
) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in annotations {
        let Some((domain, name)) = key.split_once('/') else {
            continue;
        };
        let problem = if domain != prefix {
            None
        } else if OF_POD.contains(&name) {
            wrong_value(name, value)
        } else if OF_SERVICE_ACCOUNT.contains(&name) {
            Some("it is read from the ServiceAccount only".to_owned())
        } else {
            nearest(name, &OF_POD).map(|meant| format!("it is not used; did you mean {prefix}/{meant}?"))
        };
        found.extend(problem.map(|problem| format!("Pod annotation {key}: {problem}")));
    }
    found
}

/// What is wrong with the value of an annotation that is read.
fn wrong_value(name: &str, value: &str) -> Option<String> {
    match name {
        ROLE_ARN => RoleArn::parse(value)
            .err()
            .map(|error| format!("{error}; AWS will refuse it")),
        STS_REGIONAL_ENDPOINTS if parse_bool(value).is_none() => {
            Some("it is neither true nor false, so it is ignored".to_owned())
        }
        TOKEN_EXPIRATION => match parse_seconds(value) {
            None => Some("it is not a whole number of seconds, so it is ignored".to_owned()),
            Some(seconds) if seconds < MIN_TOKEN_EXPIRATION => {
                Some(format!("it is raised to {MIN_TOKEN_EXPIRATION} seconds"))
            }
            Some(seconds) if seconds > MAX_TOKEN_EXPIRATION => Some(format!(
                "it is lowered to {MAX_TOKEN_EXPIRATION} seconds; on EKS Kubernetes refuses such a Pod"
            )),
            Some(_) => None,
        },
        _ => None,
    }
}

/// Which of the names a name was probably meant to be.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| -> String {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|letter| letter.to_ascii_lowercase())
            .collect()
    };
    let name = plain(name);
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, &plain(candidate)), *candidate))
        .filter(|(distance, _)| *distance <= NEAR)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether a domain was probably meant to be the prefix.
fn is_like(domain: &str, prefix: &str) -> bool {
    prefix.ends_with(&format!(".{domain}"))
        || domain.ends_with(&format!(".{prefix}"))
        || strsim::damerau_levenshtein(domain, prefix) <= NEAR + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::EKS_PREFIX;

    fn of_account(key: &str, value: &str) -> String {
        let annotations = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        mistakes_of_service_account(&annotations, EKS_PREFIX).join("\n")
    }

    #[test]
    fn a_key_that_is_nearly_right_is_told() {
        for key in [
            "eks.amazonaws.com/role_arn",
            "eks.amazonaws.com/rolearn",
            "eks.amazonaws.com/roleArn",
            "eks.amazonaws.com/role-anr",
            "amazonaws.com/role-arn",
            "eks.amazonaws.co/role-arn",
            "esk.amazonaws.com/role-arn",
            "iam.amazonaws.com/role-arn",
            "iam.amazonaws.com/role",
        ] {
            let told = of_account(key, "arn:aws:iam::123456789012:role/app");
            assert!(
                told.contains("did you mean eks.amazonaws.com/role-arn?"),
                "{key}: {told}"
            );
        }
    }

    #[test]
    fn annotations_of_others_and_right_ones_are_left_alone() {
        for (key, value) in [
            (
                "eks.amazonaws.com/role-arn",
                "arn:aws:iam::123456789012:role/team/app",
            ),
            ("eks.amazonaws.com/audience", ""),
            ("eks.amazonaws.com/token-expiration", "3600"),
            ("eks.amazonaws.com/sts-regional-endpoints", "true"),
            ("eks.amazonaws.com/compute-type", "fargate"),
            ("irsa-emu.dev/delivery", "sidecar"),
            ("example.org/role-arn", "x"),
            ("role-arn", "x"),
            ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
        ] {
            assert_eq!(of_account(key, value), "", "{key}");
        }
    }

    #[test]
    fn values_that_cannot_work_are_told() {
        for (name, value, told) in [
            ("role-arn", "app", "is not the ARN of an IAM role"),
            ("role-arn", "arn:aws:iam::12:role/app", "12 digits"),
            ("token-expiration", "1h", "not a whole number of seconds"),
            ("token-expiration", "60", "raised to 600"),
            ("token-expiration", "99999999999", "lowered to 4294967296"),
            ("sts-regional-endpoints", "yes", "neither true nor false"),
            ("skip-containers", "a", "from Pods only"),
        ] {
            let said = of_account(&format!("eks.amazonaws.com/{name}"), value);
            assert!(said.contains(told), "{name}={value}: {said}");
        }
    }

    #[test]
    fn what_belongs_on_the_service_account_is_told_on_the_pod() {
        let pod = [
            ("eks.amazonaws.com/role-arn", "x"),
            ("eks.amazonaws.com/skip-container", "x"),
            ("eks.amazonaws.com/token-expiration", "x"),
            ("eks.amazonaws.com/skip-containers", "x"),
        ];
        assert_eq!(
            mistakes_of_pod(pod.into_iter(), EKS_PREFIX),
            [
                "Pod annotation eks.amazonaws.com/role-arn: it is read from the ServiceAccount only",
                "Pod annotation eks.amazonaws.com/skip-container: it is not used; did you mean eks.amazonaws.com/skip-containers?",
                "Pod annotation eks.amazonaws.com/token-expiration: it is not a whole number of seconds, so it is ignored",
            ]
        );
    }
}
