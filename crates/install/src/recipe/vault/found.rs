//! What is in the values of a chart about its seal.

use std::collections::BTreeMap;

use super::error::Problem;

/// A key that a seal uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SealKey {
    /// Its id; `None` where it cannot be read.
    pub id: Option<String>,
    /// Its region, where the seal or its ARN names one.
    pub region: Option<String>,
    /// The alias by which the seal asks for it.
    pub alias: Option<String>,
}

/// What is in the values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VaultValues {
    /// The keys, the one that seals first.
    pub keys: Vec<SealKey>,
    /// Account of the keys and the role.
    pub account: Option<String>,
    /// Name of the role.
    pub role: Option<String>,
    /// Path of the role.
    pub role_path: Option<String>,
    /// ServiceAccount that Vault runs as.
    pub service_account: String,
    /// Namespace, where the values fix it.
    pub namespace: Option<String>,
    /// The release that is taken, where it is another than the recipe's default.
    pub release: Option<String>,
    /// What to mind.
    pub warnings: Vec<String>,
    /// What cannot be read.
    pub problems: Vec<Problem>,
}

impl VaultValues {
    /// The values as parameters of a recipe.
    #[must_use]
    pub fn parameters(&self) -> BTreeMap<String, String> {
        let first = self.keys.first();
        let account = Some(self.service_account.clone());
        let of_first = |part: fn(&SealKey) -> &Option<String>| first.and_then(|key| part(key).clone());
        [
            ("account", self.account.clone()),
            ("region", of_first(|key| &key.region)),
            ("keyId", of_first(|key| &key.id)),
            ("role", self.role.clone()),
            ("rolePath", self.role_path.clone()),
            ("serviceAccount", account),
            ("namespace", self.namespace.clone()),
            ("release", self.release.clone()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
    }
}
