//! Why values cannot be used, and which parameters make up for it.

use irsa_emu_core::role_arn::RoleArnError;

use super::hcl::HclError;

/// Why values cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValuesError {
    /// They are no YAML.
    #[error("{file}not readable as YAML: {why}")]
    Yaml {
        /// Which file, and a colon, if there are several.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// They are no text.
    #[error("{file}not readable as text: {why}")]
    Text {
        /// Which file, and a colon, if there are several.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// They are YAML, but no mapping.
    #[error("{file}not a mapping of values")]
    NoMapping {
        /// Which file, and a colon, if there are several.
        file: String,
    },
    /// Vault's configuration is not HCL.
    #[error("{place} is not readable as HCL: {source}")]
    Hcl {
        /// Where in the values.
        place: String,
        /// What is wrong, and in which line.
        source: HclError,
    },
    /// Vault's configuration begins as JSON and is none.
    #[error("{place} is not readable as JSON: {why}")]
    Json {
        /// Where in the values.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// More than one part of the values is of a Vault with such a seal.
    #[error(
        "the values are of several Vaults ({}), and a recipe is for one: pass the values of one of them",
        .0.join(", ")
    )]
    Several(Vec<String>),
    /// There is no `seal "awskms"`.
    #[error("no `seal \"awskms\"` in {}", .looked.join(", nor in "))]
    NoSeal {
        /// Where it was looked for.
        looked: Vec<String>,
    },
    /// One of several seals has no key.
    #[error("{place} names no key: it has no `kms_key_id`, and no variable names one")]
    NoKey {
        /// Where in the values.
        place: String,
    },
    /// The key is named by an alias.
    #[error(
        "{place} names the key by the alias `{alias}`, but a recipe creates the key and needs its id; \
`aws kms describe-key --key-id {alias}{region}` in the real account prints it"
    )]
    Alias {
        /// Where in the values.
        place: String,
        /// The alias.
        alias: String,
        /// The flag for its region, if that is known.
        region: String,
    },
    /// The key is named by something else.
    #[error(
        "{place} is `{text}`: neither a KMS key id (a UUID, or mrk- and 32 hexadecimal digits) nor the ARN of a KMS key"
    )]
    Key {
        /// Where in the values.
        place: String,
        /// What stands there.
        text: String,
    },
    /// A region is none.
    #[error("{place} is `{text}`, which is not an AWS region such as us-east-1")]
    Region {
        /// Where in the values.
        place: String,
        /// What stands there.
        text: String,
    },
    /// A value is a Helm template.
    #[error("{place} is the Helm template `{text}`, whose result only Helm knows")]
    Template {
        /// Where in the values.
        place: String,
        /// What stands there.
        text: String,
    },
    /// A value comes from a Secret.
    #[error(
        "{variable} comes from the Secret {secret} (server.extraSecretEnvironmentVars), which is not in the values"
    )]
    Secret {
        /// The variable.
        variable: String,
        /// The Secret.
        secret: String,
    },
    /// The annotation holds no role ARN.
    #[error("server.serviceAccount.annotations: {0}")]
    Role(RoleArnError),
    /// Key and role, or two keys, are in different accounts.
    #[error(
        "the key {key} is in account {account} but {other} in account {other_account}; a recipe has one account, and \
the emulator decrypts with keys of the role's own account only"
    )]
    Accounts {
        /// The key's id.
        key: String,
        /// The key's account.
        account: String,
        /// What is in the other account.
        other: String,
        /// The other account.
        other_account: String,
    },
    /// The key's ARN names another region than Vault would ask.
    #[error(
        "the key's ARN is in region {key} but {place} is {region}: on EKS, too, Vault would not find the key"
    )]
    Regions {
        /// The key's region.
        key: String,
        /// Where the other region stands.
        place: String,
        /// The other region.
        region: String,
    },
    /// Role and region are of two partitions.
    #[error("the role is in the partition {partition}, but {region} is a region of {other}")]
    Partitions {
        /// The role's partition.
        partition: String,
        /// The region.
        region: String,
        /// The region's partition.
        other: &'static str,
    },
}

/// Something that is not in the values, and the parameters that replace it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub error: ValuesError,
    /// The parameters without which it cannot be passed over.
    pub needs: &'static [&'static str],
}

/// What is in the seals.
pub(super) const SEAL: &[&str] = &["keyId", "region"];
/// What is only in the values.
pub(super) const ALL: &[&str] = &["account", "keyId", "region", "role"];

impl ValuesError {
    /// The error as a problem that these parameters solve.
    pub(super) fn needs(self, needs: &'static [&'static str]) -> Problem {
        Problem { error: self, needs }
    }

    /// Whether the values are to be corrected rather than passed over.
    #[must_use]
    pub fn is_in_the_file(&self) -> bool {
        matches!(
            self,
            Self::Yaml { .. } | Self::Text { .. } | Self::NoMapping { .. } | Self::Several(_) | Self::Role(_)
        )
    }
}
