//! A law on many Pods: whatever passes the API server's validation without us passes it with us.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use irsa_emu_core::contract::{CREDENTIALS_MOUNT, CREDENTIALS_VOLUME, DELIVERY, INJECTED, TOKEN_VOLUME};
use serde_json::{Value, json};

use super::NAMESPACE;
use crate::world::World;

const PODS: u64 = 150;

pub(crate) fn injected_pods_stay_valid(world: &World) -> Result<()> {
    let untouched = accepted(world, "e2e-untouched")?;
    let injected = accepted(world, NAMESPACE)?;
    let lost: Vec<&String> = untouched
        .keys()
        .filter(|name| !injected.contains_key(*name))
        .collect();
    let served = injected
        .values()
        .filter(|pod| pod["metadata"]["annotations"][INJECTED].is_string())
        .count();
    ensure!(
        served > injected.len() / 2,
        "only {served} of {} Pods were patched at all",
        injected.len()
    );
    ensure!(
        lost.is_empty(),
        "valid without injection, refused with it: {lost:?}"
    );
    ensure!(
        untouched.len() as u64 > PODS / 2,
        "only {} of {PODS} generated Pods are valid at all",
        untouched.len()
    );
    Ok(())
}

/// The generated Pods that a Namespace accepts, by name, as the API server makes them.
fn accepted(world: &World, namespace: &str) -> Result<BTreeMap<String, Value>> {
    let items: Vec<Value> = (0..PODS).map(|seed| generate(seed, namespace)).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let said = world.kubectl_with(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &list)?;
    let made = super::objects(&said.out)?;
    ensure!(!made.is_empty(), "no Pod was accepted: {}", said.err);
    Ok(made
        .into_iter()
        .filter_map(|pod| Some((pod["metadata"]["name"].as_str()?.to_owned(), pod)))
        .collect())
}

/// A small generator of numbers, the same on every machine (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = usize::try_from(self.roll(items.len() as u64)).unwrap_or_default();
        &items[index]
    }
}

/// A Pod out of the corners where an injector can break one.
pub(crate) fn generate(seed: u64, namespace: &str) -> Value {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let windows = dice.one_in(12);
    let containers = if dice.one_in(20) { 50 } else { 1 + dice.roll(3) };
    let mut spec = json!({
        "serviceAccountName": "app", "nodeSelector": {"e2e": "nowhere"},
        "containers": (0..containers).map(|index| container(&mut dice, &format!("c{index}"), windows)).collect::<Vec<_>>(),
    });
    if dice.one_in(2) {
        let mut init: Vec<Value> = (0..=dice.roll(2))
            .map(|index| container(&mut dice, &format!("i{index}"), windows))
            .collect();
        if dice.one_in(2) {
            init[0]["restartPolicy"] = json!("Always");
        }
        if dice.one_in(4) {
            init[0]["name"] = json!("istio-init");
        }
        spec["initContainers"] = json!(init);
    }
    let volume = *dice.pick(&["data", "data", TOKEN_VOLUME, CREDENTIALS_VOLUME]);
    spec["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
    if volume != "data" {
        spec["volumes"] = json!([{"name": "data", "emptyDir": {}}, {"name": volume, "emptyDir": {}}]);
    }
    if windows {
        spec["os"] = json!({"name": "windows"});
    } else {
        if dice.one_in(4) {
            spec["hostNetwork"] = json!(true);
        }
        if dice.one_in(3) {
            spec["securityContext"] = json!({"runAsNonRoot": true, "runAsUser": 1000, "fsGroup": 1000});
        }
        if dice.one_in(3) {
            spec["resources"] = json!({"requests": {"cpu": "60m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}});
        }
    }
    if dice.one_in(4) {
        spec["schedulingGates"] = json!([{"name": "e2e.invalid/gate"}]);
    }
    if dice.one_in(5) {
        spec["restartPolicy"] = json!("Never");
    }
    let delivery = dice.pick(&["web-identity", "sidecar", "none"]);
    let mut annotations = json!({"e2e/note": "☃ \" ~1/~0", DELIVERY: delivery});
    if dice.one_in(6) {
        let lifetime = dice.pick(&["1", "600", "99999999999", "-5", "soon"]);
        annotations["eks.amazonaws.com/token-expiration"] = json!(lifetime);
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("generated-{seed}"), "namespace": namespace, "annotations": annotations},
        "spec": spec})
}

fn container(dice: &mut Dice, name: &str, windows: bool) -> Value {
    let mut container = json!({"name": name, "image": "e2e.invalid/app"});
    if dice.one_in(2) {
        let names = [
            "AWS_REGION",
            "AWS_ROLE_ARN",
            "AWS_ENDPOINT_URL",
            "AWS_STS_REGIONAL_ENDPOINTS",
            "OTHER",
        ];
        container["env"] = (0..=dice.roll(4))
            .map(|_| json!({"name": dice.pick(&names), "value": "x"}))
            .collect();
    }
    if dice.one_in(4) {
        container["envFrom"] = json!([{"secretRef": {"name": "aws-keys", "optional": true}}]);
    }
    let paths = [
        "/data",
        "/var/run/secrets/eks.amazonaws.com/serviceaccount",
        "/var/run/secrets/eks.amazonaws.com/serviceaccount/",
        CREDENTIALS_MOUNT,
    ];
    if dice.one_in(2) {
        container["volumeMounts"] = json!([{"name": "data", "mountPath": dice.pick(&paths)}]);
    }
    if dice.one_in(3) {
        container["resources"] =
            json!({"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}});
    }
    if !windows && dice.one_in(4) {
        container["securityContext"] =
            json!({"readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
    }
    container
}
