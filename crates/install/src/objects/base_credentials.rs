//! The Secret with the base credentials for real AWS. Its values are read, handed to the API server, and never shown.

use std::collections::BTreeMap;
use std::fmt;

use irsa_emu_cluster::kubernetes::apply::{ApplyError, Manifest};
use irsa_emu_core::contract::PART_LABEL;
use irsa_emu_core::contract::{AWS_CREDENTIALS_SECRET, NAMESPACE, aws_credentials as entries};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use crate::objects::install::Install;

/// Base credentials. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseCredentials(BTreeMap<String, String>);

impl fmt::Debug for BaseCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BaseCredentials(***)")
    }
}

/// A variable that is not set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {0} is not set")]
pub struct Unset(&'static str);

impl BaseCredentials {
    /// Takes them from the variables that every AWS tool reads.
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Result<Self, Unset> {
        let get = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        let mut values = BTreeMap::new();
        for name in [entries::ACCESS_KEY_ID, entries::SECRET_ACCESS_KEY] {
            values.insert(name.to_owned(), get(name).ok_or(Unset(name))?);
        }
        if let Some(token) = get(entries::SESSION_TOKEN) {
            values.insert(entries::SESSION_TOKEN.to_owned(), token);
        }
        Ok(Self(values))
    }

    /// The Secret.
    pub fn manifest(&self, install: &Install) -> Result<Manifest, ApplyError> {
        let mut metadata = install.cluster_meta(AWS_CREDENTIALS_SECRET);
        metadata.namespace = Some(NAMESPACE.to_owned());
        if let Some(labels) = &mut metadata.labels {
            labels.insert(PART_LABEL.to_owned(), AWS_CREDENTIALS_SECRET.to_owned());
        }
        Manifest::of(&Secret {
            metadata,
            string_data: Some(self.0.clone()),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        })
    }
}

/// Whether the Secret is there.
pub async fn are_there(client: &Client) -> Result<bool, kube::Error> {
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    Ok(secrets.get_metadata_opt(AWS_CREDENTIALS_SECRET).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_keys_are_needed_and_the_session_token_is_taken_along() {
        let whole = |name: &str| Some(format!("value of {name}"));
        let credentials = BaseCredentials::from_variables(whole).unwrap();
        assert_eq!(credentials.0.len(), 3);
        assert_eq!(format!("{credentials:?}"), "BaseCredentials(***)");
        let half = |name: &str| (name == "AWS_ACCESS_KEY_ID").then(|| "a".to_owned());
        assert_eq!(
            BaseCredentials::from_variables(half).unwrap_err(),
            Unset("AWS_SECRET_ACCESS_KEY")
        );
        let blank = |name: &str| Some(if name == "AWS_SESSION_TOKEN" { " " } else { "x" }.to_owned());
        assert_eq!(BaseCredentials::from_variables(blank).unwrap().0.len(), 2);
    }
}
