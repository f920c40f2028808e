//! The ConfigMap `pod-identity-webhook`: roles for ServiceAccounts that carry no annotation.

use std::collections::BTreeMap;

use serde_json::Value;

use super::GrantDefaults;
use crate::contract::MIN_TOKEN_EXPIRATION;

/// Roles by `namespace/name`, where the namespace may be the literal `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleMap {
    entries: BTreeMap<(String, String), Entry>,
}

/// One entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) role_arn: String,
    /// Empty unless written: no default applies here, as in EKS.
    pub(super) audience: String,
    pub(super) regional_sts: bool,
    token_expiration: i64,
}

impl Entry {
    /// 0 means the install's default. EKS does not raise short lifetimes here, and the API server then refuses the Pod;
    /// a Pod that was valid must stay so, hence the bound.
    pub(super) fn token_expiration(&self, defaults: &GrantDefaults) -> i64 {
        let seconds = if self.token_expiration == 0 {
            defaults.token_expiration
        } else {
            self.token_expiration
        };
        seconds.max(MIN_TOKEN_EXPIRATION)
    }
}

/// Why the ConfigMap's `config` cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum RoleMapError {
    /// It is not JSON.
    #[error("`config` is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is JSON of another shape.
    #[error("`config` is not a JSON object with a `namespace/name` for every key")]
    Shape,
}

impl RoleMap {
    /// Reads the ConfigMap's `config`. Entries that cannot be used are left out and come back as sentences; EKS's
    /// webhook ends with a panic on a key without a slash.
    pub fn parse(text: &str) -> Result<(Self, Vec<String>), RoleMapError> {
        let Value::Object(object) = serde_json::from_str(text)? else {
            return Err(RoleMapError::Shape);
        };
        let (mut map, mut problems) = (Self::default(), Vec::new());
        for (key, value) in object {
            match (split(&key), entry(&value)) {
                (Some(account), Ok(entry)) => {
                    map.entries.insert(account, entry);
                }
                (None, _) => problems.push(format!("`{key}` is not of the form namespace/name")),
                (_, Err(problem)) => problems.push(format!("`{key}`: {problem}")),
            }
        }
        Ok((map, problems))
    }

    /// The entry of exactly this Namespace.
    pub(super) fn exact(&self, namespace: &str, name: &str) -> Option<&Entry> {
        // One allocation each: the map is as good as always empty.
        if self.entries.is_empty() {
            return None;
        }
        self.entries.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// The entry of this Namespace, or else of `*`.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Entry> {
        self.exact(namespace, name).or_else(|| self.exact("*", name))
    }
}

/// Namespace and name; what follows a second slash is ignored, as in EKS.
fn split(key: &str) -> Option<(String, String)> {
    let mut parts = key.split('/');
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

/// Field names are compared without regard to case, as Go's JSON reader does.
fn entry(value: &Value) -> Result<Entry, String> {
    let Value::Object(fields) = value else {
        return Err("expected an object".to_owned());
    };
    let mut entry = Entry::default();
    for (name, value) in fields {
        let wrong = |expected: &str| format!("{name}: expected {expected}");
        match name.to_ascii_lowercase().as_str() {
            _ if value.is_null() => {}
            "rolearn" => entry.role_arn = String::from(value.as_str().ok_or_else(|| wrong("a string"))?),
            "audience" => entry.audience = String::from(value.as_str().ok_or_else(|| wrong("a string"))?),
            "useregionalsts" => entry.regional_sts = value.as_bool().ok_or_else(|| wrong("true or false"))?,
            "tokenexpiration" => {
                entry.token_expiration = value.as_i64().ok_or_else(|| wrong("a number of seconds"))?;
            }
            _ => {}
        }
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_entries_are_kept_and_bad_ones_told() {
        let (map, problems) = RoleMap::parse(
            r#"{"n/a": {"rolearn": "r", "USEREGIONALSTS": true, "Other": 1, "Audience": null}, "noslash": {},
                "n/b": [], "n/c": {"RoleARN": 5}, "n/d/e": {"RoleARN": "d"}}"#,
        )
        .unwrap();
        let entry = map.get("n", "a").unwrap();
        assert_eq!((entry.role_arn.as_str(), entry.regional_sts), ("r", true));
        assert_eq!(map.get("n", "d").unwrap().role_arn, "d");
        assert_eq!(
            problems,
            [
                "`n/b`: expected an object",
                "`n/c`: RoleARN: expected a string",
                "`noslash` is not of the form namespace/name"
            ]
        );
    }

    #[test]
    fn what_is_no_map_is_refused_whole() {
        for text in ["", "{", "[]", "null"] {
            assert!(RoleMap::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_other_than_the_star_is_no_pattern() {
        let (map, _) = RoleMap::parse(r#"{"test-*/a": {"RoleARN": "r"}}"#).unwrap();
        assert!(map.get("test-1", "a").is_none());
    }
}
