//! What a ServiceAccount's annotations grant to its Pods.

use std::collections::BTreeMap;

use crate::contract::{AUDIENCE, MIN_TOKEN_EXPIRATION, ROLE_ARN, STS_REGIONAL_ENDPOINTS, TOKEN_EXPIRATION};

/// Settings of an install that annotations can override.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantDefaults {
    /// Prefix of the annotations, `eks.amazonaws.com` unless configured.
    pub annotation_prefix: String,
    /// Audience of the projected token.
    pub audience: String,
    /// Lifetime of the projected token in seconds.
    pub token_expiration: i64,
    /// Whether `AWS_STS_REGIONAL_ENDPOINTS=regional` is added.
    pub regional_sts: bool,
}

/// A role, and how the Pod's token for it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleGrant {
    /// The annotation's value as written: EKS injects it even where it is no valid ARN.
    pub role_arn: String,
    /// Audience of the projected token.
    pub audience: String,
    /// Lifetime of the projected token in seconds, at least 600.
    pub token_expiration: i64,
    /// Whether `AWS_STS_REGIONAL_ENDPOINTS=regional` is added.
    pub regional_sts: bool,
}

/// Reads the grant out of a ServiceAccount's annotations; `None` where they name no role.
///
/// An annotation that cannot be read counts as absent, as in EKS (reference section 1.1).
#[must_use]
pub fn read_grant(annotations: &BTreeMap<String, String>, defaults: &GrantDefaults) -> Option<RoleGrant> {
    let get = |name: &str| annotations.get(&format!("{}/{name}", defaults.annotation_prefix));
    let role_arn = get(ROLE_ARN).filter(|arn| !arn.is_empty())?.clone();
    Some(RoleGrant {
        role_arn,
        audience: get(AUDIENCE)
            .cloned()
            .unwrap_or_else(|| defaults.audience.clone()),
        token_expiration: get(TOKEN_EXPIRATION)
            .and_then(|text| text.parse().ok())
            .unwrap_or(defaults.token_expiration)
            .max(MIN_TOKEN_EXPIRATION),
        regional_sts: get(STS_REGIONAL_ENDPOINTS)
            .and_then(|text| parse_bool(text))
            .unwrap_or(defaults.regional_sts),
    })
}

/// A boolean as Go's `strconv.ParseBool` reads it, which is what EKS uses.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::EKS_PREFIX;

    fn defaults() -> GrantDefaults {
        GrantDefaults {
            annotation_prefix: EKS_PREFIX.into(),
            audience: "sts.amazonaws.com".into(),
            token_expiration: 86_400,
            regional_sts: false,
        }
    }

    fn grant(pairs: &[(&str, &str)]) -> Option<RoleGrant> {
        let annotations = pairs
            .iter()
            .map(|(k, v)| (format!("{EKS_PREFIX}/{k}"), (*v).to_owned()))
            .collect();
        read_grant(&annotations, &defaults())
    }

    #[test]
    fn no_or_an_empty_role_arn_grants_nothing() {
        assert_eq!(grant(&[("audience", "x")]), None);
        assert_eq!(grant(&[("role-arn", "")]), None);
    }

    #[test]
    fn annotations_beat_the_defaults() {
        let read = grant(&[
            ("role-arn", "r"),
            ("audience", ""),
            ("token-expiration", "1200"),
            ("sts-regional-endpoints", "T"),
        ]);
        let expected = RoleGrant {
            role_arn: "r".into(),
            audience: String::new(),
            token_expiration: 1200,
            regional_sts: true,
        };
        assert_eq!(read, Some(expected));
    }

    #[test]
    fn an_unreadable_annotation_counts_as_absent_and_short_lifetimes_are_raised() {
        for (text, seconds) in [
            ("soon", 86_400),
            ("", 86_400),
            ("0x10", 86_400),
            ("-1", 600),
            ("599", 600),
            ("99999999", 99_999_999),
        ] {
            assert_eq!(
                grant(&[("role-arn", "r"), ("token-expiration", text)])
                    .unwrap()
                    .token_expiration,
                seconds,
                "{text}"
            );
        }
        assert!(
            !grant(&[("role-arn", "r"), ("sts-regional-endpoints", "yes")])
                .unwrap()
                .regional_sts
        );
    }

    #[test]
    fn the_prefix_is_configurable() {
        let annotations = BTreeMap::from([("iam.example.org/role-arn".to_owned(), "r".to_owned())]);
        assert_eq!(read_grant(&annotations, &defaults()), None);
        let mine = GrantDefaults {
            annotation_prefix: "iam.example.org".into(),
            ..defaults()
        };
        assert_eq!(read_grant(&annotations, &mine).unwrap().role_arn, "r");
    }
}
