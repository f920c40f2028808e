//! The ServiceAccounts that have an EKS Pod Identity association, as EKS's webhook reads them from a file.

use std::collections::BTreeSet;

use serde::Deserialize;

/// ServiceAccounts by Namespace and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodIdentities(BTreeSet<(String, String)>);

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "the list of Pod Identity associations is not {{\"identities\": [{{\"namespace\", \"serviceAccount\"}}]}}: {0}"
)]
pub struct PodIdentitiesError(#[from] serde_json::Error);

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    identities: Vec<Association>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Association {
    namespace: String,
    service_account: String,
}

impl PodIdentities {
    /// Reads the file's content; an empty file names nobody.
    pub fn parse(content: &[u8]) -> Result<Self, PodIdentitiesError> {
        if content.is_empty() {
            return Ok(Self::default());
        }
        let file: File = serde_json::from_slice(content)?;
        let pairs = file
            .identities
            .into_iter()
            .map(|association| (association.namespace, association.service_account));
        Ok(Self(pairs.collect()))
    }

    /// Whether a ServiceAccount is in the list.
    #[must_use]
    pub fn names(&self, namespace: &str, service_account: &str) -> bool {
        !self.0.is_empty()
            && self
                .0
                .contains(&(namespace.to_owned(), service_account.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_pair_is_named() {
        let file = br#"{"identities": [{"namespace": "a", "serviceAccount": "b"}, {"namespace": "*", "serviceAccount": "c"}], "more": 1}"#;
        let list = PodIdentities::parse(file).unwrap();
        assert!(list.names("a", "b"));
        assert!(!list.names("a", "c") && !list.names("b", "a"));
    }

    #[test]
    fn an_empty_file_names_nobody_and_a_broken_one_is_an_error() {
        assert_eq!(PodIdentities::parse(b"").unwrap(), PodIdentities::default());
        assert_eq!(PodIdentities::parse(b"{}").unwrap(), PodIdentities::default());
        for broken in [&b"{"[..], b"3", br#"{"identities": [{"namespace": "a"}]}"#] {
            assert!(PodIdentities::parse(broken).is_err());
        }
    }
}
