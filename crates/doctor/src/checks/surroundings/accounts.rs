//! Who asks for which role.

use std::collections::{BTreeMap, BTreeSet};

use irsa_emu_core::contract::{CANARY, CANARY_NAMESPACE, NAMESPACE, ROLE_ARN};
use irsa_emu_core::grant::{GrantDefaults, GrantTables, find_mistakes, grant_for};
use irsa_emu_core::role_arn::RoleArn;
use k8s_openapi::api::core::v1::ServiceAccount;

use super::scope::Scope;

/// The ServiceAccounts that are looked at, and how their annotations are read.
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    /// What annotations can override.
    pub(crate) defaults: GrantDefaults,
    /// They.
    pub(crate) list: Vec<Account>,
}

/// A ServiceAccount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A ServiceAccount that asks for a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) role: RoleArn,
    pub(crate) audience: String,
}

impl Wish {
    /// The subject of its tokens.
    pub(crate) fn subject(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }

    /// Kind, Namespace and name.
    pub(crate) fn title(&self) -> String {
        format!("ServiceAccount {}/{}", self.namespace, self.name)
    }
}

impl Accounts {
    /// Those of these ServiceAccounts that are in a scope.
    pub(crate) fn of(found: Vec<ServiceAccount>, scope: &Scope, defaults: GrantDefaults) -> Self {
        let all = found.into_iter().filter_map(account);
        let list = all
            .filter(|account| in_scope(account, scope, &defaults.annotation_prefix))
            .collect();
        Self { defaults, list }
    }

    /// Those that ask for a role with an ARN that is one.
    pub(crate) fn wishes(&self) -> Vec<Wish> {
        self.list
            .iter()
            .filter_map(|account| self.wish(account))
            .collect()
    }

    /// The role that a ServiceAccount's own annotations grant.
    pub(crate) fn wish(&self, account: &Account) -> Option<Wish> {
        let Account {
            namespace,
            name,
            annotations,
        } = account;
        let none = GrantTables::default();
        let grant = grant_for(namespace, name, Some(annotations), &none, &self.defaults)?;
        Some(Wish {
            namespace: namespace.clone(),
            name: name.clone(),
            role: RoleArn::parse(grant.role_arn()?).ok()?,
            audience: grant.audience,
        })
    }

    /// Their Namespaces.
    pub(crate) fn namespaces(&self) -> BTreeSet<&str> {
        self.list
            .iter()
            .map(|account| account.namespace.as_str())
            .collect()
    }
}

fn account(found: ServiceAccount) -> Option<Account> {
    Some(Account {
        namespace: found.metadata.namespace?,
        name: found.metadata.name?,
        annotations: found.metadata.annotations.unwrap_or_default(),
    })
}

fn in_scope(account: &Account, scope: &Scope, prefix: &str) -> bool {
    let canary = account.namespace == CANARY_NAMESPACE && account.name == CANARY;
    if canary || account.namespace == NAMESPACE {
        return false;
    }
    match scope {
        Scope::Everywhere => true,
        Scope::Named(names) => names.contains(&account.namespace),
        // What is nearly an annotation of ours was meant to be one.
        Scope::Annotated => {
            account.annotations.contains_key(&format!("{prefix}/{ROLE_ARN}"))
                || !find_mistakes(&account.annotations, prefix).is_empty()
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use irsa_emu_core::contract::{DEFAULT_AUDIENCE, DEFAULT_TOKEN_EXPIRATION, EKS_PREFIX};
    use irsa_emu_core::grant::Compose;

    use super::*;

    pub(crate) fn account_with(namespace: &str, name: &str, annotations: &[(&str, &str)]) -> Account {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Account {
            namespace: namespace.into(),
            name: name.into(),
            annotations: annotations.iter().map(owned).collect(),
        }
    }

    pub(crate) fn accounts(list: Vec<Account>) -> Accounts {
        let defaults = GrantDefaults {
            annotation_prefix: EKS_PREFIX.into(),
            audience: DEFAULT_AUDIENCE.into(),
            token_expiration: DEFAULT_TOKEN_EXPIRATION,
            regional_sts: false,
            compose: None,
        };
        Accounts { defaults, list }
    }

    const ARN: &str = "arn:aws:iam::123456789012:role/app";

    #[test]
    fn a_scope_has_what_is_annotated_or_was_meant_to_be() {
        let annotated = account_with("a", "x", &[("eks.amazonaws.com/role-arn", ARN)]);
        let typo = account_with("a", "x", &[("eks.amazonaws.com/role_arn", ARN)]);
        let plain = account_with("b", "default", &[]);
        let scope = Scope::Annotated;
        assert!(in_scope(&annotated, &scope, EKS_PREFIX) && in_scope(&typo, &scope, EKS_PREFIX));
        assert!(!in_scope(&plain, &scope, EKS_PREFIX));
        let named = Scope::Named(vec!["b".into()]);
        assert!(in_scope(&plain, &named, EKS_PREFIX) && !in_scope(&annotated, &named, EKS_PREFIX));
        assert!(in_scope(&plain, &Scope::Everywhere, EKS_PREFIX));
    }

    #[test]
    fn what_is_ours_is_never_looked_at() {
        for (namespace, name) in [(CANARY_NAMESPACE, CANARY), (NAMESPACE, "x")] {
            let own = account_with(namespace, name, &[("eks.amazonaws.com/role-arn", ARN)]);
            assert!(
                !in_scope(&own, &Scope::Everywhere, EKS_PREFIX),
                "{namespace}/{name}"
            );
        }
    }

    #[test]
    fn a_wish_has_a_role_and_an_audience() {
        let list = vec![
            account_with(
                "a",
                "x",
                &[
                    ("eks.amazonaws.com/role-arn", ARN),
                    ("eks.amazonaws.com/audience", "vault"),
                ],
            ),
            account_with("a", "y", &[("eks.amazonaws.com/role-arn", "app")]),
            account_with("a", "z", &[]),
        ];
        let mut accounts = accounts(list);
        let wishes = accounts.wishes();
        assert_eq!((wishes.len(), wishes[0].audience.as_str()), (1, "vault"));
        assert_eq!(wishes[0].subject(), "system:serviceaccount:a:x");
        accounts.defaults.compose = Some(Compose {
            partition: "aws".into(),
            account: "123456789012".into(),
        });
        let wishes = accounts.wishes();
        assert_eq!(wishes[1].role.to_string(), ARN);
        assert_eq!(wishes[1].audience, DEFAULT_AUDIENCE);
    }
}
