//! The region of containers: old SDKs read one variable, new ones the other.

use irsa_emu_core::contract::{SIDECAR, env};
use serde_json::Value;

use super::first::{Wrong, judge};
use crate::checks::engine::Verdict;
use crate::checks::surroundings::Surroundings;
use crate::checks::surroundings::pods::Pod;

pub(super) async fn one(s: &Surroundings<'_>) -> Verdict {
    judge(s.pods().await?, wrong)
}

/// What is wrong with the region of an injected Pod.
fn wrong(pod: &Pod) -> Option<Wrong> {
    if !pod.is_injected() {
        return None;
    }
    let containers = pod.object["spec"]["containers"].as_array().into_iter().flatten();
    let mut containers = containers.filter(|container| container["name"] != SIDECAR);
    containers.find_map(|container| {
        let (why, region) = judge_container(container, pod.key_region.as_deref())?;
        let name = container["name"].as_str().unwrap_or_default();
        let fix = format!(
            "set both in the container {name}: {}={region}, {}={region}",
            env::REGION,
            env::DEFAULT_REGION
        );
        Some((format!("container {name}: {why}"), fix))
    })
}

/// What is wrong with the region of a container, and the region that it should have.
fn judge_container(container: &Value, key_region: Option<&str>) -> Option<(String, String)> {
    // What comes from elsewhere cannot be seen here.
    let from_elsewhere = container["envFrom"]
        .as_array()
        .is_some_and(|list| !list.is_empty());
    let variable = |name: &str| {
        let mut items = container["env"].as_array().into_iter().flatten();
        items.find(|item| item["name"] == name)
    };
    let (region, default) = (variable(env::REGION), variable(env::DEFAULT_REGION));
    if from_elsewhere
        || [region, default]
            .iter()
            .flatten()
            .any(|item| item["value"].is_null())
    {
        return None;
    }
    let text = |item: Option<&Value>| item.and_then(|item| item["value"].as_str()).map(str::to_owned);
    match (text(region), text(default)) {
        (None, None) => Some((
            "it has no region".to_owned(),
            key_region.unwrap_or("REGION").to_owned(),
        )),
        (Some(one), None) => Some((
            format!("it sets {} only, which some SDKs do not read", env::REGION),
            one,
        )),
        (None, Some(one)) => Some((
            format!(
                "it sets {} only, which some SDKs do not read",
                env::DEFAULT_REGION
            ),
            one,
        )),
        (Some(one), Some(other)) if one != other => {
            let why = format!(
                "{} is {one} and {} is {other}: which one is used depends on the SDK",
                env::REGION,
                env::DEFAULT_REGION
            );
            Some((why, key_region.map_or(one, str::to_owned)))
        }
        (Some(one), Some(_)) => {
            let keys = key_region.filter(|keys| *keys != one)?;
            Some((
                format!("its region is {one}, but the keys of its Recipe are in {keys}"),
                keys.to_owned(),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use irsa_emu_core::contract::INJECTED;
    use serde_json::json;

    use super::*;
    use crate::checks::surroundings::pods::tests::pod;

    fn told(variables: &[(&str, &str)], key_region: Option<&str>) -> Option<String> {
        let variables: Vec<Value> = variables
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        let container = json!({"name": "app", "env": variables});
        judge_container(&container, key_region).map(|(why, _)| why)
    }

    #[test]
    fn a_container_has_one_region_and_it_is_that_of_its_keys() {
        let both = |one, other| {
            told(
                &[("AWS_REGION", one), ("AWS_DEFAULT_REGION", other)],
                Some("us-east-1"),
            )
        };
        assert_eq!(both("us-east-1", "us-east-1"), None);
        assert!(
            both("us-east-1", "eu-west-1").is_some_and(|why| why.contains("AWS_DEFAULT_REGION is eu-west-1"))
        );
        assert!(
            both("eu-west-1", "eu-west-1")
                .is_some_and(|why| why.contains("keys of its Recipe are in us-east-1"))
        );
        assert!(told(&[], None).is_some_and(|why| why.contains("no region")));
        assert!(told(&[("AWS_REGION", "x")], None).is_some_and(|why| why.contains("AWS_REGION only")));
        assert!(
            told(&[("AWS_DEFAULT_REGION", "x")], None)
                .is_some_and(|why| why.contains("AWS_DEFAULT_REGION only"))
        );
    }

    #[test]
    fn what_comes_from_elsewhere_is_not_judged() {
        let elsewhere = json!({"name": "app", "envFrom": [{"configMapRef": {"name": "x"}}]});
        assert_eq!(judge_container(&elsewhere, None), None);
        let field = json!({"name": "app", "env": [{"name": "AWS_REGION", "valueFrom": {}}]});
        assert_eq!(judge_container(&field, None), None);
    }

    #[test]
    fn only_injected_pods_and_their_own_containers_are_judged() {
        let spec = json!({"containers": [{"name": SIDECAR}, {"name": "app"}]});
        assert!(wrong(&pod("p", json!({"metadata": {}, "spec": spec}))).is_none());
        let marked = json!({"metadata": {"annotations": {INJECTED: "web-identity"}}, "spec": spec});
        assert!(wrong(&pod("p", marked)).is_some_and(|(why, _)| why.starts_with("container app")));
    }
}
