//! ServiceAccounts as users name them.

use std::fmt;

/// A ServiceAccount that a user names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountName {
    /// Its Namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl AccountName {
    /// Reads `NAMESPACE/SERVICEACCOUNT`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let legal = |part: &str, more: &str| {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c);
            let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            (1..=253).contains(&part.len())
                && part.chars().all(fits)
                && part.starts_with(edge)
                && part.ends_with(edge)
        };
        match text.split_once('/') {
            Some((namespace, name)) if legal(namespace, "-") && legal(name, "-.") => Ok(Self {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err("expected NAMESPACE/SERVICEACCOUNT, such as shop/app".to_owned()),
        }
    }
}
