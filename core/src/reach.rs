//! Which Pods the API server sends to the webhook at all: what the registration's selectors come to, decided here for
//! those who ask why a Pod was not looked at.

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::{
    EXCLUDED_NAMESPACES, INJECTION_DISABLED, INJECTION_ENFORCE, INJECTION_LABEL, SKIP_LABEL, WEBHOOK_NAME,
    WEBHOOK_NAME_ENFORCED, WEBHOOK_NAME_SYSTEM,
};
use crate::pod_view::PodView;
use crate::rules::RecipeRules;

/// The webhook of the registration that sees a Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// The one for every Namespace: a Pod is made even where the webhook does not answer.
    Everywhere,
    /// The one for Namespaces labelled `enforce`: no Pod is made without its answer.
    Enforced,
    /// The one for ServiceAccounts of excluded Namespaces that a Recipe names.
    System,
}

impl Hook {
    /// Its name in the registration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Everywhere => WEBHOOK_NAME,
            Self::Enforced => WEBHOOK_NAME_ENFORCED,
            Self::System => WEBHOOK_NAME_SYSTEM,
        }
    }
}

/// Why no webhook of the registration sees a Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutOfReach {
    /// The Pod has the label that switches injection off.
    SkipLabel,
    /// The Namespace has the label that switches injection off.
    DisabledNamespace,
    /// The Namespace is irsa-emu's own.
    OwnNamespace,
    /// The Namespace is excluded, and no Recipe's rule names the ServiceAccount.
    ExcludedNamespace,
}

/// Which webhook sees a Pod that is created in a Namespace with these labels, or why none does. `own` is the Namespace of
/// the install.
pub fn reach(
    pod: &PodView<'_>,
    namespace: &str,
    labels: &BTreeMap<String, String>,
    own: &str,
    rules: &[RecipeRules],
) -> Result<Hook, OutOfReach> {
    if pod.has_label(SKIP_LABEL) {
        return Err(OutOfReach::SkipLabel);
    }
    let injection = labels.get(INJECTION_LABEL).map(String::as_str);
    if injection == Some(INJECTION_DISABLED) {
        return Err(OutOfReach::DisabledNamespace);
    }
    if namespace == own {
        return Err(OutOfReach::OwnNamespace);
    }
    if EXCLUDED_NAMESPACES.contains(&namespace) {
        return if system_accounts(rules).contains(&(namespace, pod.service_account())) {
            Ok(Hook::System)
        } else {
            Err(OutOfReach::ExcludedNamespace)
        };
    }
    Ok(if injection == Some(INJECTION_ENFORCE) {
        Hook::Enforced
    } else {
        Hook::Everywhere
    })
}

/// ServiceAccounts of excluded Namespaces that a Recipe's rule names. Names that Kubernetes would not accept are left
/// out: they go into an expression.
#[must_use]
pub fn system_accounts(rules: &[RecipeRules]) -> BTreeSet<(&str, &str)> {
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
    };
    let matches = rules
        .iter()
        .flat_map(|recipe| &recipe.rules)
        .map(|rule| &rule.r#match);
    matches
        .filter_map(|matched| Some((matched.namespace.as_str(), matched.service_account.as_deref()?)))
        .filter(|(namespace, name)| EXCLUDED_NAMESPACES.contains(namespace) && is_name(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::recipe::{InjectRule, RuleMatch};

    fn reached(namespace: &str, injection: Option<&str>, skip: bool) -> Result<Hook, OutOfReach> {
        let rule = InjectRule {
            r#match: RuleMatch {
                namespace: "kube-system".into(),
                service_account: Some("vault".into()),
                role: None,
            },
            delivery: None,
            credentials_file: false,
            env: BTreeMap::new(),
        };
        let rules = [RecipeRules {
            recipe: "r".into(),
            region: None,
            rules: vec![rule],
        }];
        let labels = injection
            .map(|value| (INJECTION_LABEL.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        let (namespace, account) = namespace.split_once('/').unwrap_or((namespace, "app"));
        let mut object = json!({"metadata": {}, "spec": {"containers": [], "serviceAccountName": account}});
        if skip {
            object["metadata"]["labels"] = json!({SKIP_LABEL: "false"});
        }
        reach(
            &PodView::of(&object).unwrap(),
            namespace,
            &labels,
            "irsa-emu",
            &rules,
        )
    }

    #[test]
    fn labels_and_names_decide_who_is_seen() {
        use {Hook as H, OutOfReach as O};
        for (namespace, injection, skip, expected) in [
            ("default", None, false, Ok(H::Everywhere)),
            ("default", Some("anything"), false, Ok(H::Everywhere)),
            ("default", Some("enforce"), false, Ok(H::Enforced)),
            ("default", Some("disabled"), false, Err(O::DisabledNamespace)),
            ("default", None, true, Err(O::SkipLabel)),
            ("irsa-emu", None, false, Err(O::OwnNamespace)),
            ("kube-system", None, false, Err(O::ExcludedNamespace)),
            ("kube-system/vault", None, false, Ok(H::System)),
            ("kube-system/vault", Some("enforce"), false, Ok(H::System)),
            (
                "kube-system/vault",
                Some("disabled"),
                false,
                Err(O::DisabledNamespace),
            ),
            ("kube-system/vault", None, true, Err(O::SkipLabel)),
        ] {
            assert_eq!(
                reached(namespace, injection, skip),
                expected,
                "{namespace} {injection:?} {skip}"
            );
        }
    }
}
