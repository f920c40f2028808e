//! What the webhook may do: the least that works.

use irsa_emu_cluster::kubernetes::apply::{ApplyError, Manifest};
use irsa_emu_core::contract::{
    API_GROUP, AWS_CREDENTIALS_SECRET, EMULATOR, KEEPER_LEASE, KEY_SEED_SECRET, NAMESPACE, WEBHOOK,
    WEBHOOK_CONFIGURATION, WEBHOOK_TLS_SECRET,
};
use irsa_emu_core::install::Backend;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};

use crate::objects::install::Install;

/// API group of the registration.
const REGISTRATION: &str = "admissionregistration.k8s.io";
/// API group of roles.
const RBAC: &str = "rbac.authorization.k8s.io";

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
        rules: Some(own_rules(install.settings.backend)),
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
        rule("", &["namespaces"], &["list", "watch"]),
        rule(API_GROUP, &["recipes"], &["list", "watch"]),
        rule(API_GROUP, &["recipes/status"], &["patch"]),
        // Of an object that does not exist yet no name can be compared, and server-side apply makes it by a patch.
        rule(REGISTRATION, &["mutatingwebhookconfigurations"], &["create"]),
        named(
            rule(
                REGISTRATION,
                &["mutatingwebhookconfigurations"],
                &["list", "watch", "patch"],
            ),
            &[WEBHOOK_CONFIGURATION],
        ),
        // The owner of the registration, so that the registration goes with it.
        named(rule(RBAC, &["clusterroles"], &["get"]), &[WEBHOOK]),
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

/// In our own Namespace: the CA with the serving certificate, the key seed, the maps that name roles, the Lease, and either
/// the emulator's Service, whose ClusterIP Pods are given, or the base credentials.
fn own_rules(backend: Backend) -> Vec<PolicyRule> {
    let mut rules = vec![
        rule("", &["secrets"], &["create"]),
        named(rule("", &["secrets"], &["get"]), &[KEY_SEED_SECRET]),
        named(
            rule("", &["secrets"], &["get", "list", "watch", "update"]),
            &[WEBHOOK_TLS_SECRET],
        ),
        rule("", &["configmaps"], &["list", "watch"]),
        rule("coordination.k8s.io", &["leases"], &["create"]),
        named(
            rule(
                "coordination.k8s.io",
                &["leases"],
                &["get", "list", "watch", "patch"],
            ),
            &[KEEPER_LEASE],
        ),
    ];
    rules.push(match backend {
        Backend::Emulator => named(rule("", &["services"], &["list", "watch"]), &[EMULATOR]),
        Backend::Aws => named(rule("", &["secrets"], &["get"]), &[AWS_CREDENTIALS_SECRET]),
    });
    rules
}

/// The rule, for the objects of these names only.
fn named(rule: PolicyRule, names: &[&str]) -> PolicyRule {
    PolicyRule {
        resource_names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..rule
    }
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
        api_group: RBAC.to_owned(),
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
