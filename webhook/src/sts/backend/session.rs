//! What opens a session, what it holds, and why none was opened.

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::types::{Credentials, PolicyDescriptorType};
use irsa_emu_core::role_arn::RoleArn;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::super::error::StsError;
use super::super::query::AssumeRole;
use crate::aws::explain_call;

/// A session of a role that was opened.
#[derive(Debug)]
pub(in crate::sts) struct Session {
    /// Its credentials.
    pub(in crate::sts) credentials: Credentials,
    /// Its name: the one that was asked for, or one like EKS's.
    pub(in crate::sts) name: String,
    /// The unique id of its role, `AROA...`.
    pub(in crate::sts) role_id: String,
    /// The audience by which the token was taken.
    pub(in crate::sts) audience: String,
}

/// What the ServiceAccount's annotations, or the role table, name for it.
#[derive(Debug)]
pub(in crate::sts) struct Named {
    /// The role, as it is written.
    pub(in crate::sts) role: Option<String>,
    /// The audience of its Pods' tokens.
    pub(in crate::sts) audience: String,
}

impl Named {
    /// Insists that this is the role; the reason if it is not.
    pub(super) fn require(&self, role: &RoleArn) -> Result<(), String> {
        match &self.role {
            Some(named) if *named == role.to_string() => Ok(()),
            Some(named) => Err(format!("the ServiceAccount's annotation names {named}")),
            None => Err("the ServiceAccount has no role-arn annotation".to_owned()),
        }
    }
}

/// Why no session was opened.
#[derive(Debug)]
pub(in crate::sts) enum Refusal {
    /// AWS would respond with this.
    Answer(StsError),
    /// AWS would respond with `AccessDenied` and no reason. This is the reason.
    Denied(String),
}

impl From<StsError> for Refusal {
    fn from(error: StsError) -> Self {
        Self::Answer(error)
    }
}

/// The managed policies of a session, as the SDK takes them. The fuzz targets read requests without the SDK.
pub(super) fn managed_policies(request: &AssumeRole) -> Option<Vec<PolicyDescriptorType>> {
    let descriptor = |arn| PolicyDescriptorType::builder().arn(arn).build();
    (!request.policy_arns.is_empty()).then(|| request.policy_arns.iter().map(descriptor).collect())
}

/// A call of the emulator's IAM that failed; SDKs try again.
pub(super) fn unavailable<E>(call: &str, error: &SdkError<E>) -> StsError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    tracing::warn!(call, error = explain_call(error), "the emulator does not respond");
    StsError::unavailable("The emulator's IAM does not respond")
}

/// Characters of IAM's unique ids (RFC 4648, section 6: base 32).
const ID_ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Characters of a unique id behind its prefix (IAM User Guide, "Unique identifiers").
const ID_LENGTH: usize = 17;

/// An id in the form of IAM's unique ids, the same for the same role: SHA-256 over JSON, so that it does not depend on the
/// compiler.
pub(super) fn role_id(role: &RoleArn) -> String {
    let digest = Sha256::digest(json!([role.account(), role.name()]).to_string());
    let characters = digest.iter().take(ID_LENGTH);
    let characters = characters.map(|byte| char::from(ID_ALPHABET[usize::from(byte % 32)]));
    format!("AROA{}", characters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_aws_opens_only_the_role_that_is_named() {
        let role = RoleArn::parse("arn:aws:iam::123456789012:role/app").unwrap();
        let named = |role: Option<&str>| Named {
            role: role.map(str::to_owned),
            audience: String::new(),
        };
        assert!(
            named(Some("arn:aws:iam::123456789012:role/app"))
                .require(&role)
                .is_ok()
        );
        for (named, why) in [
            (
                named(Some("arn:aws:iam::123456789012:role/other")),
                "annotation names arn:aws:iam::123456789012:role/other",
            ),
            (named(Some("arn:aws:iam::999999999999:role/app")), "999999999999"),
            (named(None), "no role-arn annotation"),
        ] {
            let refused = named.require(&role).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }

    #[test]
    fn the_id_of_a_role_stays_the_same_and_has_the_form_of_iams() {
        let role = |arn| role_id(&RoleArn::parse(arn).unwrap());
        let id = role("arn:aws:iam::123456789012:role/app");
        assert_eq!(id, "AROAHC3WZXJCJDDFLGRQ2");
        assert_eq!(
            id,
            role("arn:aws:iam::123456789012:role/team/app"),
            "names are unique in an account"
        );
        assert_ne!(id, role("arn:aws:iam::123456789013:role/app"));
        assert_ne!(id, role("arn:aws:iam::123456789012:role/app2"));
    }
}
