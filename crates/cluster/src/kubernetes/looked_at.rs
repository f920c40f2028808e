//! Which Pods are looked at.

use irsa_emu_core::contract::{CANARY_NAMESPACE, NAMESPACE, PROBE};
use serde_json::Value;

/// Whether a Pod runs or is about to, and is one that the user asks about.
#[must_use]
pub fn is_looked_at(pod: &Value, namespaces: Option<&[String]>) -> bool {
    let metadata = &pod["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    let is_probe = namespace == CANARY_NAMESPACE && metadata["name"] == PROBE;
    let has_ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    !is_probe
        && !has_ended
        && namespace != NAMESPACE
        && metadata["deletionTimestamp"].is_null()
        && namespaces.is_none_or(|names| names.iter().any(|name| name == namespace))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_that_have_ended_or_end_and_our_own_are_not_looked_at() {
        let at = |namespace: &str, change: Value| {
            let mut pod =
                json!({"metadata": {"namespace": namespace, "name": "p"}, "status": {"phase": "Running"}});
            for (key, value) in change.as_object().unwrap() {
                pod[key] = value.clone();
            }
            pod
        };
        let shop = ["shop".to_owned()];
        assert!(is_looked_at(&at("shop", json!({})), Some(&shop)));
        assert!(is_looked_at(&at("other", json!({})), None));
        assert!(!is_looked_at(&at("other", json!({})), Some(&shop)));
        assert!(!is_looked_at(&at(NAMESPACE, json!({})), None));
        for change in [
            json!({"status": {"phase": "Succeeded"}}),
            json!({"status": {"phase": "Failed"}}),
            json!({"metadata": {"namespace": "shop", "name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"}}),
            json!({"metadata": {"namespace": CANARY_NAMESPACE, "name": PROBE}}),
        ] {
            assert!(!is_looked_at(&at("shop", change.clone()), None), "{change}");
        }
    }
}
