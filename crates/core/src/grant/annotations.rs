//! The annotations of a ServiceAccount, as EKS's webhook reads them.

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
    /// How a bare role name becomes an ARN; where absent, it stays what it is.
    pub compose: Option<Compose>,
}

/// Where roles are that an annotation names without their ARN (EKS: `--compose-role-arn`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compose {
    /// `aws`, `aws-cn`, `aws-us-gov` and so on.
    pub partition: String,
    /// Twelve digits.
    pub account: String,
}

/// The annotations of one ServiceAccount, or else the defaults.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Annotated {
    pub(super) role_arn: Option<String>,
    pub(super) audience: String,
    pub(super) token_expiration: i64,
    pub(super) regional_sts: bool,
}

/// Reads them. An annotation that cannot be read is ignored.
pub(super) fn read(annotations: &BTreeMap<String, String>, defaults: &GrantDefaults) -> Annotated {
    let prefix = defaults.annotation_prefix.as_str();
    let get = |name: &str| {
        let mut all = annotations.iter();
        all.find(|(key, _)| is_annotation(key, prefix, name))
            .map(|(_, value)| value)
    };
    let role_arn = get(ROLE_ARN).map(|value| compose(value, defaults.compose.as_ref()));
    Annotated {
        role_arn: role_arn.filter(|arn| !arn.is_empty()),
        audience: get(AUDIENCE)
            .cloned()
            .unwrap_or_else(|| defaults.audience.clone()),
        token_expiration: get(TOKEN_EXPIRATION)
            .and_then(|text| parse_seconds(text))
            .unwrap_or(defaults.token_expiration)
            .max(MIN_TOKEN_EXPIRATION),
        regional_sts: get(STS_REGIONAL_ENDPOINTS)
            .and_then(|text| parse_bool(text))
            .unwrap_or(defaults.regional_sts),
    }
}

/// Whether a key is `<prefix>/<name>`.
pub(crate) fn is_annotation(key: &str, prefix: &str, name: &str) -> bool {
    key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')) == Some(name)
}

/// EKS asks whether the text contains `arn:`, not whether it begins so.
fn compose(value: &str, compose: Option<&Compose>) -> String {
    match compose {
        Some(Compose { partition, account }) if !value.contains("arn:") => {
            format!("arn:{partition}:iam::{account}:role/{value}")
        }
        _ => value.to_owned(),
    }
}

/// A number of seconds as Go's `strconv.ParseInt` reads it with base 10.
pub(crate) fn parse_seconds(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// A boolean as Go's `strconv.ParseBool` reads it.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
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
            compose: None,
        }
    }

    fn reads(pairs: &[(&str, &str)], defaults: &GrantDefaults) -> Annotated {
        let annotations = pairs
            .iter()
            .map(|(key, value)| (format!("{EKS_PREFIX}/{key}"), (*value).to_owned()))
            .collect();
        read(&annotations, defaults)
    }

    #[test]
    fn no_or_an_empty_role_arn_names_no_role() {
        assert_eq!(reads(&[("audience", "x")], &defaults()).role_arn, None);
        assert_eq!(reads(&[("role-arn", "")], &defaults()).role_arn, None);
    }

    #[test]
    fn annotations_beat_the_defaults() {
        let read = reads(
            &[
                ("role-arn", "r"),
                ("audience", ""),
                ("token-expiration", "1200"),
                ("sts-regional-endpoints", "T"),
            ],
            &defaults(),
        );
        let expected = Annotated {
            role_arn: Some("r".into()),
            audience: String::new(),
            token_expiration: 1200,
            regional_sts: true,
        };
        assert_eq!(read, expected);
        let regional = GrantDefaults {
            regional_sts: true,
            ..defaults()
        };
        assert!(!reads(&[("sts-regional-endpoints", "0")], &regional).regional_sts);
    }

    #[test]
    fn an_unreadable_annotation_counts_as_absent_and_short_lifetimes_are_raised() {
        for (text, seconds) in [
            ("soon", 86_400),
            ("", 86_400),
            ("0x10", 86_400),
            (" 900", 86_400),
            ("+900", 900),
            ("-1", 600),
            ("599", 600),
            ("99999999", 99_999_999),
        ] {
            let read = reads(&[("token-expiration", text)], &defaults());
            assert_eq!(read.token_expiration, seconds, "{text}");
        }
        assert!(!reads(&[("sts-regional-endpoints", "yes")], &defaults()).regional_sts);
    }

    #[test]
    fn the_prefix_is_configurable() {
        let annotations = BTreeMap::from([("iam.example.org/role-arn".to_owned(), "r".to_owned())]);
        assert_eq!(read(&annotations, &defaults()).role_arn, None);
        let mine = GrantDefaults {
            annotation_prefix: "iam.example.org".into(),
            ..defaults()
        };
        assert_eq!(read(&annotations, &mine).role_arn.as_deref(), Some("r"));
    }

    #[test]
    fn a_bare_role_name_is_composed_only_where_that_is_asked_for() {
        let composing = GrantDefaults {
            compose: Some(Compose {
                partition: "aws-cn".into(),
                account: "000000000000".into(),
            }),
            ..defaults()
        };
        let role =
            |value, defaults: &GrantDefaults| reads(&[("role-arn", value)], defaults).role_arn.unwrap();
        assert_eq!(role("team/app", &defaults()), "team/app");
        assert_eq!(
            role("team/app", &composing),
            "arn:aws-cn:iam::000000000000:role/team/app"
        );
        assert_eq!(role("arn:aws:iam::1:role/x", &composing), "arn:aws:iam::1:role/x");
    }
}
