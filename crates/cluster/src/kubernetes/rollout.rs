//! Whether a Deployment is rolled out.

use k8s_openapi::api::apps::v1::Deployment;

/// Why a Deployment is not rolled out; `None` when it is.
#[must_use]
pub fn incomplete(deployment: &Deployment) -> Option<String> {
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    if status.observed_generation.unwrap_or_default() < deployment.metadata.generation.unwrap_or_default() {
        return Some("its newest version has not been seen by the cluster".to_owned());
    }
    let count = |number: Option<i32>| number.unwrap_or_default();
    if count(status.updated_replicas) < wanted {
        return Some(format!(
            "{} of {wanted} Pods are made",
            count(status.updated_replicas)
        ));
    }
    if count(status.replicas) > count(status.updated_replicas) {
        return Some("a Pod of the version before is still there".to_owned());
    }
    if count(status.available_replicas) < wanted {
        return Some(format!(
            "{} of {wanted} Pods are ready",
            count(status.available_replicas)
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn deployment(generation: i64, status: &Value) -> Deployment {
        let object = json!({
            "metadata": { "generation": generation },
            "spec": { "replicas": 1, "selector": {}, "template": {} },
            "status": status,
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_rollout_is_complete_only_when_the_newest_pod_alone_is_available() {
        let done = json!({
            "observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1,
        });
        assert_eq!(incomplete(&deployment(2, &done)), None);
        assert!(
            incomplete(&deployment(3, &done))
                .unwrap()
                .contains("newest version")
        );
        let with = |key: &str, value: i32| {
            let mut status = done.clone();
            status[key] = value.into();
            incomplete(&deployment(2, &status)).unwrap()
        };
        assert_eq!(with("updatedReplicas", 0), "0 of 1 Pods are made");
        assert_eq!(with("replicas", 2), "a Pod of the version before is still there");
        assert_eq!(with("availableReplicas", 0), "0 of 1 Pods are ready");
    }
}
