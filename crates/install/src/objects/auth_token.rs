//! The emulator's licence: a token that is read here, kept in a Secret, and never shown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use irsa_emu_cluster::kubernetes::apply::{ApplyError, Manifest};
use irsa_emu_core::contract::{EMULATOR, NAMESPACE};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use sha2::{Digest, Sha256};

use super::emulator_options::AUTH_TOKEN;
use crate::objects::install::Install;

/// The Secret that holds it.
pub const AUTH_TOKEN_SECRET: &str = "irsa-emu-emulator-auth";

/// A token. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthToken(String);

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthToken(***)")
    }
}

/// Why there is no token. The text that was found is not printed.
#[derive(Debug, thiserror::Error)]
pub enum AuthTokenError {
    /// The file cannot be read.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What was found is no token.
    #[error("{0} holds no token: expected one word")]
    NoToken(String),
}

impl AuthToken {
    /// Takes it from a file, or else from the variable, if it is set.
    pub fn read(file: Option<&Path>, variable: Option<String>) -> Result<Option<Self>, AuthTokenError> {
        let (text, from) = match (file, variable) {
            (Some(path), _) => {
                let text = std::fs::read_to_string(path).map_err(|source| AuthTokenError::Unreadable {
                    path: path.to_owned(),
                    source,
                })?;
                (text, path.display().to_string())
            }
            // CI sets variables to the empty string where it has nothing for them.
            (None, Some(text)) if !text.trim().is_empty() => (text, format!("the variable {AUTH_TOKEN}")),
            (None, _) => return Ok(None),
        };
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AuthTokenError::NoToken(from));
        }
        Ok(Some(Self(token.to_owned())))
    }

    /// What it is known by where it must not be seen.
    #[must_use]
    pub fn mark(&self) -> String {
        mark(self.0.as_bytes())
    }

    /// The Secret.
    pub fn manifest(&self, install: &Install) -> Result<Manifest, ApplyError> {
        Manifest::of(&Secret {
            metadata: install.meta(EMULATOR, AUTH_TOKEN_SECRET),
            data: Some(BTreeMap::from([(
                AUTH_TOKEN.to_owned(),
                ByteString(self.0.clone().into_bytes()),
            )])),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        })
    }
}

fn mark(token: &[u8]) -> String {
    let mut mark = hex::encode(Sha256::digest(token));
    mark.truncate(16);
    mark
}

/// What the token of a cluster is known by, if it has one.
pub async fn kept(client: &Client) -> Result<Option<String>, kube::Error> {
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    let found = secrets.get_opt(AUTH_TOKEN_SECRET).await?;
    Ok(found.as_ref().and_then(mark_of))
}

fn mark_of(secret: &Secret) -> Option<String> {
    let ByteString(token) = secret.data.as_ref()?.get(AUTH_TOKEN)?;
    (!token.is_empty()).then(|| mark(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::install;

    #[test]
    fn a_file_beats_the_variable_and_an_empty_variable_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "ls-file\n").unwrap();
        let read = |file: Option<&Path>, variable: Option<&str>| {
            AuthToken::read(file, variable.map(str::to_owned)).unwrap()
        };
        assert_eq!(
            read(Some(&file), Some("ls-other")),
            Some(AuthToken("ls-file".into()))
        );
        assert_eq!(read(None, Some(" ls-other ")), Some(AuthToken("ls-other".into())));
        assert_eq!(read(None, Some("")), None);
        assert_eq!(read(None, None), None);
    }

    #[test]
    fn what_is_no_token_is_refused_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        for text in ["", "\n", "hunter2 hunter3", "hunter2\nhunter3"] {
            std::fs::write(&file, text).unwrap();
            let error = AuthToken::read(Some(&file), None).unwrap_err().to_string();
            assert!(
                error.contains("token holds no token") && !error.contains("hunter"),
                "{error}"
            );
        }
        let missing = AuthToken::read(Some(&folder.path().join("none")), None).unwrap_err();
        assert!(missing.to_string().contains("none cannot be read"), "{missing}");
        assert_eq!(format!("{:?}", AuthToken("hunter2".into())), "AuthToken(***)");
    }

    #[test]
    fn the_token_of_a_cluster_is_known_by_the_same_mark() {
        let token = AuthToken("hunter2".into());
        let object = token.manifest(&install()).unwrap().object;
        let secret: Secret = serde_json::from_value(object).unwrap();
        assert_eq!(mark_of(&secret), Some(token.mark()));
        assert_ne!(token.mark(), AuthToken("hunter3".into()).mark());
        assert!(!token.mark().contains("hunter"));
        assert_eq!(mark_of(&Secret::default()), None);
    }
}
