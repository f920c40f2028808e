//! The ClusterIP of the emulator, which Pods get for S3.

use anyhow::{Result, ensure};
use irsa_emu_core::contract::{self, EMULATOR, EMULATOR_PORT};
use serde_json::{Value, json};

use super::{NAMESPACE, dry_run, pod, variable};
use crate::world::{World, eventually, text_at};

const SERVICE: &[&str] = &["service", "-n", contract::NAMESPACE, EMULATOR];
const S3: &str = "AWS_ENDPOINT_URL_S3";

/// A Service that is made again mostly has another address: the next Pods get it, and those before are reported as stale.
pub(crate) fn next_address_of_the_emulator_is_injected(world: &World) -> Result<()> {
    let address = || -> Result<String> {
        let service = world.get(SERVICE)?;
        Ok(format!(
            "http://{}:{EMULATOR_PORT}",
            text_at(&service, "/spec/clusterIP")?
        ))
    };
    let given = |made: &Value| variable(made, "containers", "app", S3).cloned();
    let before = address()?;
    let early = pod(NAMESPACE, "early", "app");
    world.apply(&early.to_string())?;
    let made = world.get(&["pod", "-n", NAMESPACE, "early"])?;
    ensure!(
        given(&made) == Some(json!(before)),
        "{}",
        made["spec"]["containers"]
    );

    world.kubectl(&[&["delete"], SERVICE].concat())?;
    // Keeps the address from being given again.
    let former = before.trim_start_matches("http://");
    let former = former.trim_end_matches(&format!(":{EMULATOR_PORT}"));
    let taken = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "e2e-taken", "namespace": NAMESPACE},
        "spec": {"clusterIP": former, "ports": [{"port": 1}]}});
    world.apply(&taken.to_string())?;
    let repaired = world.up();
    world.kubectl(&["delete", "service", "-n", NAMESPACE, "e2e-taken"])?;
    repaired?.code(0)?;
    let now = address()?;
    ensure!(now != before, "the Service has its former address {now}");
    eventually("a new Pod gets the new address", 30, || {
        let made = dry_run(world, &pod(NAMESPACE, "late", "app"))?;
        ensure!(given(&made) == Some(json!(now)), "{}", made["spec"]["containers"]);
        Ok(())
    })?;
    let explained = world.irsa_emu(&["explain", "pod", "early", "-n", NAMESPACE])?;
    explained.code(0)?.says("[stale]")?;
    world.kubectl(&["delete", "pod", "-n", NAMESPACE, "early"])?;
    Ok(())
}
