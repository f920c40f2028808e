//! What the webhook may do: the least that works.

use irsa_emu_core::contract::{API_GROUP, NAMESPACE, WEBHOOK};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};

use super::Install;
use super::apply::{ApplyError, Manifest};

pub(super) fn manifests(install: &Install) -> Result<Vec<Manifest>, ApplyError> {
    let account = ServiceAccount {
        metadata: install.meta(WEBHOOK, WEBHOOK),
        ..ServiceAccount::default()
    };
    let cluster_role = ClusterRole {
        metadata: install.cluster_meta(WEBHOOK),
        rules: Some(cluster_rules()),
        aggregation_rule: None,
    };
    let cluster_binding = ClusterRoleBinding {
        metadata: install.cluster_meta(WEBHOOK),
        role_ref: role_ref("ClusterRole"),
        subjects: Some(vec![subject()]),
    };
    let role = Role {
        metadata: install.meta(WEBHOOK, WEBHOOK),
        rules: Some(own_rules()),
    };
    let binding = RoleBinding {
        metadata: install.meta(WEBHOOK, WEBHOOK),
        role_ref: role_ref("Role"),
        subjects: Some(vec![subject()]),
    };
    Ok(vec![
        Manifest::of(&account)?,
        Manifest::of(&cluster_role)?,
        Manifest::of(&cluster_binding)?,
        Manifest::of(&role)?,
        Manifest::of(&binding)?,
    ])
}

fn cluster_rules() -> Vec<PolicyRule> {
    vec![
        rule("", &["serviceaccounts"], &["get", "list", "watch"]),
        rule(API_GROUP, &["recipes"], &["get", "list", "watch"]),
        rule(API_GROUP, &["recipes/status"], &["get", "patch", "update"]),
        rule(
            "admissionregistration.k8s.io",
            &["mutatingwebhookconfigurations"],
            &["get", "list", "watch", "create", "patch", "update"],
        ),
        rule("", &["events"], &["create", "patch"]),
        rule("events.k8s.io", &["events"], &["create", "patch"]),
        PolicyRule {
            // The keys and the issuer of the tokens that the STS front verifies.
            non_resource_urls: Some(vec![
                "/openid/v1/jwks".to_owned(),
                "/.well-known/openid-configuration".to_owned(),
            ]),
            verbs: vec!["get".to_owned()],
            ..PolicyRule::default()
        },
    ]
}

/// In our own Namespace: the CA, the serving certificate and the key seed.
fn own_rules() -> Vec<PolicyRule> {
    vec![rule("", &["secrets"], &["get", "create", "update", "patch"])]
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}

fn role_ref(kind: &str) -> RoleRef {
    RoleRef {
        api_group: "rbac.authorization.k8s.io".to_owned(),
        kind: kind.to_owned(),
        name: WEBHOOK.to_owned(),
    }
}

fn subject() -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: WEBHOOK.to_owned(),
        namespace: Some(NAMESPACE.to_owned()),
        api_group: None,
    }
}
