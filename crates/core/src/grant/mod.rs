//! What a ServiceAccount grants to its Pods, out of every place that EKS's webhook looks at.
//!
//! In EKS's order (reference: `getPodSpecPatch` and the ServiceAccount cache of the EKS Pod Identity webhook): the list
//! of Pod Identity associations, the annotations of the ServiceAccount, the `pod-identity-webhook` ConfigMap.

mod annotations;
mod mistakes;
mod pod_identities;
mod role_map;

use std::collections::BTreeMap;

use serde::Serialize;

pub use self::annotations::{Compose, GrantDefaults};
pub(crate) use self::annotations::{is_annotation, parse_seconds};
pub use self::mistakes::{Mistake, find_mistakes, mistakes_of_pod, mistakes_of_service_account};
pub use self::pod_identities::{PodIdentities, PodIdentitiesError};
pub use self::role_map::{RoleMap, RoleMapError};
use crate::contract::{DEFAULT_TOKEN_EXPIRATION, POD_IDENTITY_AUDIENCE};

/// How Pods prove who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Identity {
    /// IAM Roles for Service Accounts: the SDK exchanges a projected token for this role. The value is the one that was
    /// written: EKS injects it even where it is no valid ARN.
    WebIdentity {
        /// The role.
        role_arn: String,
    },
    /// EKS Pod Identity: an agent on the node hands out the credentials.
    PodIdentity,
}

/// What the Pods of a ServiceAccount are granted, and how their token is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// How Pods prove who they are.
    pub identity: Identity,
    /// Audience of the projected token.
    pub audience: String,
    /// Lifetime of the projected token in seconds, before the Pod's own annotation.
    pub token_expiration: i64,
    /// Whether `AWS_STS_REGIONAL_ENDPOINTS=regional` is added.
    pub regional_sts: bool,
}

impl Grant {
    /// The role that Pods may assume by web identity.
    #[must_use]
    pub fn role_arn(&self) -> Option<&str> {
        match &self.identity {
            Identity::WebIdentity { role_arn } => Some(role_arn),
            Identity::PodIdentity => None,
        }
    }
}

/// What is configured beside the annotations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantTables {
    /// The ConfigMap `pod-identity-webhook`.
    pub role_map: RoleMap,
    /// The ServiceAccounts with an EKS Pod Identity association.
    pub pod_identities: PodIdentities,
}

/// Where a grant is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantSource {
    /// The list of EKS Pod Identity associations.
    Association,
    /// The annotation of the ServiceAccount.
    Annotation,
    /// The ConfigMap `pod-identity-webhook`.
    RoleMap,
}

/// What a ServiceAccount grants; `None` where nothing names a role for it. `annotations` is `None` where the
/// ServiceAccount is not known.
#[must_use]
pub fn grant_for(
    namespace: &str,
    name: &str,
    annotations: Option<&BTreeMap<String, String>>,
    tables: &GrantTables,
    defaults: &GrantDefaults,
) -> Option<Grant> {
    sourced_grant(namespace, name, annotations, tables, defaults).map(|(grant, _)| grant)
}

/// [`grant_for`], and where it is written.
#[must_use]
pub fn sourced_grant(
    namespace: &str,
    name: &str,
    annotations: Option<&BTreeMap<String, String>>,
    tables: &GrantTables,
    defaults: &GrantDefaults,
) -> Option<(Grant, GrantSource)> {
    let annotated = annotations.map(|annotations| annotations::read(annotations, defaults));
    if tables.pod_identities.names(namespace, name) {
        // The list holds neither, so both come from where the older method has them: never from `*`, and from no flag
        // where the ServiceAccount is not known.
        let mapped = tables.role_map.exact(namespace, name);
        let (regional_sts, token_expiration) = match (&annotated, mapped) {
            (Some(settings), _) => (settings.regional_sts, settings.token_expiration),
            (None, Some(entry)) => (entry.regional_sts, entry.token_expiration(defaults)),
            (None, None) => (false, DEFAULT_TOKEN_EXPIRATION),
        };
        let grant = Grant {
            identity: Identity::PodIdentity,
            audience: POD_IDENTITY_AUDIENCE.to_owned(),
            token_expiration,
            regional_sts,
        };
        return Some((grant, GrantSource::Association));
    }
    if let Some(settings) = annotated
        && let Some(role_arn) = settings.role_arn
    {
        let grant = Grant {
            identity: Identity::WebIdentity { role_arn },
            audience: settings.audience,
            token_expiration: settings.token_expiration,
            regional_sts: settings.regional_sts,
        };
        return Some((grant, GrantSource::Annotation));
    }
    let entry = tables.role_map.get(namespace, name)?;
    let grant = || Grant {
        identity: Identity::WebIdentity {
            role_arn: entry.role_arn.clone(),
        },
        audience: entry.audience.clone(),
        token_expiration: entry.token_expiration(defaults),
        regional_sts: entry.regional_sts,
    };
    (!entry.role_arn.is_empty()).then(|| (grant(), GrantSource::RoleMap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::EKS_PREFIX;

    fn defaults() -> GrantDefaults {
        GrantDefaults {
            annotation_prefix: EKS_PREFIX.into(),
            audience: "sts.amazonaws.com".into(),
            token_expiration: 43_200,
            regional_sts: true,
            compose: None,
        }
    }

    fn annotated(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| (format!("{EKS_PREFIX}/{key}"), (*value).to_owned()))
            .collect()
    }

    fn tables() -> GrantTables {
        let (role_map, problems) = RoleMap::parse(
            r#"{"n/mapped": {"RoleARN": "exact", "Audience": "a", "TokenExpiration": 900},
                "*/mapped": {"RoleARN": "any"}, "n/empty": {"Audience": "a"}, "*/empty": {"RoleARN": "any"},
                "n/annotated": {"RoleARN": "exact"}, "n/associated": {"TokenExpiration": 1200}}"#,
        )
        .unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        let pod_identities =
            PodIdentities::parse(br#"{"identities": [{"namespace": "n", "serviceAccount": "associated"}]}"#)
                .unwrap();
        GrantTables {
            role_map,
            pod_identities,
        }
    }

    fn role(namespace: &str, name: &str, annotations: Option<&BTreeMap<String, String>>) -> Option<String> {
        let grant = grant_for(namespace, name, annotations, &tables(), &defaults())?;
        grant.role_arn().map(str::to_owned)
    }

    #[test]
    fn an_annotated_role_wins_over_the_config_map() {
        let own = annotated(&[("role-arn", "own")]);
        assert_eq!(role("n", "annotated", Some(&own)).as_deref(), Some("own"));
        assert_eq!(
            role("n", "annotated", Some(&BTreeMap::new())).as_deref(),
            Some("exact")
        );
    }

    #[test]
    fn the_config_map_is_asked_for_the_namespace_first_and_then_for_the_star() {
        assert_eq!(role("n", "mapped", None).as_deref(), Some("exact"));
        assert_eq!(role("other", "mapped", None).as_deref(), Some("any"));
        assert_eq!(
            role("n", "empty", None),
            None,
            "an entry without a role still hides the star"
        );
        assert_eq!(role("n", "nobody", None), None);
    }

    #[test]
    fn the_config_map_brings_its_own_audience_and_lifetime() {
        let get = |namespace| grant_for(namespace, "mapped", None, &tables(), &defaults()).unwrap();
        let (exact, any) = (get("n"), get("other"));
        assert_eq!((exact.audience.as_str(), exact.token_expiration), ("a", 900));
        assert_eq!(
            (any.audience.as_str(), any.token_expiration, any.regional_sts),
            ("", 43_200, false)
        );
    }

    #[test]
    fn a_grant_tells_where_it_is_written() {
        let own = annotated(&[("role-arn", "own")]);
        let source = |name, annotations| {
            sourced_grant("n", name, annotations, &tables(), &defaults()).map(|(_, source)| source)
        };
        assert_eq!(source("associated", Some(&own)), Some(GrantSource::Association));
        assert_eq!(source("annotated", Some(&own)), Some(GrantSource::Annotation));
        assert_eq!(source("annotated", None), Some(GrantSource::RoleMap));
        assert_eq!(source("nobody", None), None);
    }

    #[test]
    fn a_pod_identity_association_wins_over_a_role() {
        let own = annotated(&[("role-arn", "own"), ("token-expiration", "7200")]);
        let bare = BTreeMap::new();
        let with = |annotations| grant_for("n", "associated", annotations, &tables(), &defaults()).unwrap();
        let grant = with(Some(&own));
        assert_eq!(grant.identity, Identity::PodIdentity);
        assert_eq!(
            (
                grant.audience.as_str(),
                grant.token_expiration,
                grant.regional_sts
            ),
            ("pods.eks.amazonaws.com", 7200, true)
        );
        assert_eq!(
            with(Some(&bare)).token_expiration,
            43_200,
            "the flag, where the ServiceAccount is known"
        );
        let unknown = with(None);
        assert_eq!(
            (unknown.token_expiration, unknown.regional_sts),
            (1200, false),
            "the ConfigMap, where it is not"
        );
    }
}
