//! Which Pods the API server sends to the webhook at all: what the registration's selectors come to, decided here for
//! those who ask why a Pod was not looked at.

use std::collections::BTreeMap;

use crate::contract::{
    INJECTION_DISABLED, INJECTION_ENFORCE, INJECTION_LABEL, SKIP_LABEL, SYSTEM_NAMESPACE, WEBHOOK_NAME,
    WEBHOOK_NAME_ENFORCED, WEBHOOK_NAME_SYSTEM,
};
use crate::pod_view::PodView;

/// The webhook of the registration that sees a Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// The one for every Namespace: a Pod is made even where the webhook does not respond.
    Everywhere,
    /// The one for Namespaces labelled `enforce`: no Pod is made without its response.
    Enforced,
    /// The one for `kube-system`: a Pod is made even where the webhook does not respond, whatever the Namespace's label is.
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
}

/// Which webhook sees a Pod that is created in a Namespace with these labels, or why none does. `own` is the Namespace of
/// the install.
pub fn reach(
    pod: &PodView<'_>,
    namespace: &str,
    labels: &BTreeMap<String, String>,
    own: &str,
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
    if namespace == SYSTEM_NAMESPACE {
        return Ok(Hook::System);
    }
    Ok(if injection == Some(INJECTION_ENFORCE) {
        Hook::Enforced
    } else {
        Hook::Everywhere
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reached(namespace: &str, injection: Option<&str>, skip: bool) -> Result<Hook, OutOfReach> {
        let labels = injection
            .map(|value| (INJECTION_LABEL.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        let mut object = json!({"metadata": {}, "spec": {"containers": []}});
        if skip {
            object["metadata"]["labels"] = json!({SKIP_LABEL: "false"});
        }
        reach(&PodView::of(&object).unwrap(), namespace, &labels, "irsa-emu")
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
            ("kube-system", None, false, Ok(H::System)),
            ("kube-system", Some("enforce"), false, Ok(H::System)),
            ("kube-system", Some("disabled"), false, Err(O::DisabledNamespace)),
            ("kube-system", None, true, Err(O::SkipLabel)),
        ] {
            assert_eq!(
                reached(namespace, injection, skip),
                expected,
                "{namespace} {injection:?} {skip}"
            );
        }
    }
}
