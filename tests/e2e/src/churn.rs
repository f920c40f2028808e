//! Apps that call AWS all the time, each call with credentials fetched for it, while what serves them is replaced.
#![expect(
    clippy::print_stdout,
    reason = "how many calls there were is part of the result"
)]

use anyhow::{Context, Result, ensure};
use irsa_emu_core::contract::{DELIVERY, EMULATOR, WEBHOOK};
use serde_json::{Map, Value, json};

use crate::world::{World, eventually};

/// One Pod for each, of eight clients.
const DELIVERIES: [&str; 2] = ["web-identity", "sidecar"];

/// Calls that prove something: several of each client.
const MORE_CALLS: u64 = 40;

/// New replicas of the webhook come and the old ones go: no call may fail.
pub(crate) fn webhook_rolls(world: &World) -> Result<()> {
    let counts = while_clients_call(world, "roll", || world.roll_out(WEBHOOK))?;
    for (delivery, counts) in DELIVERIES.iter().zip(&counts) {
        println!(
            "{delivery}, while the webhook rolled: {}",
            Value::Object(counts.clone())
        );
        ensure!(failures(counts).is_empty(), "{delivery}: {counts:?}");
    }
    Ok(())
}

/// The emulator's only Pod ends and comes back without its memory. Until the keeper has restored them, keys are missing,
/// and the emulator reports it, at first with a bare 404, as it loads a service with the first call; every other call must
/// outlive it by the SDK's own retries.
pub(crate) fn emulator_restarts(world: &World) -> Result<()> {
    let counts = while_clients_call(world, "restart", || {
        world.restart_emulator()?;
        world.until_rolled_out(EMULATOR)
    })?;
    for (delivery, counts) in DELIVERIES.iter().zip(&counts) {
        println!(
            "{delivery}, while the emulator restarted: {}",
            Value::Object(counts.clone())
        );
        let others: Vec<_> = failures(counts)
            .into_iter()
            .filter(|what| !what.ends_with("NotFoundException") && !what.ends_with(": 404"))
            .collect();
        ensure!(others.is_empty(), "{delivery}: {counts:?}");
    }
    Ok(())
}

fn failures(counts: &Map<String, Value>) -> Vec<&String> {
    counts.keys().filter(|what| *what != "ok").collect()
}

/// What the clients counted, in the order of [`DELIVERIES`].
fn while_clients_call(
    world: &World,
    name: &str,
    replace: impl FnOnce() -> Result<()>,
) -> Result<Vec<Map<String, Value>>> {
    let script = std::fs::read_to_string(world.root.join("tests/e2e/manifests/clients.py"))?;
    let names = DELIVERIES.map(|delivery| format!("{name}-{delivery}"));
    for (name, delivery) in names.iter().zip(DELIVERIES) {
        // One of an earlier run on this cluster has ended.
        world.kubectl(&["delete", "pod", "-n", "e2e", name, "--ignore-not-found"])?;
        world.apply(&pod(world, name, delivery, &script).to_string())?;
    }
    for name in &names {
        world.kubectl(&[
            "wait",
            "-n",
            "e2e",
            "--for=condition=Ready",
            &format!("pod/{name}"),
            "--timeout=60s",
        ])?;
    }
    for name in &names {
        more_calls(world, name)?;
    }
    replace()?;
    // What the old ones broke shows later, too.
    for name in &names {
        more_calls(world, name)?;
    }
    let mut counts = Vec::new();
    for name in &names {
        world.kubectl(&[
            "exec",
            "-n",
            "e2e",
            name,
            "-c",
            "app",
            "--",
            "python3",
            "-c",
            "open('/tmp/stop', 'w')",
        ])?;
    }
    for name in &names {
        let text = eventually("the clients end", 90, || {
            let log = world.kubectl(&["logs", "-n", "e2e", name, "-c", "app"])?;
            ensure!(log.contains('{'), "nothing printed yet: {log}");
            Ok(log)
        })?;
        let told: Map<String, Value> = serde_json::from_str(text.trim()).with_context(|| text.clone())?;
        counts.push(told);
        world.kubectl(&["delete", "pod", "-n", "e2e", name, "--wait=false"])?;
    }
    Ok(counts)
}

fn pod(world: &World, name: &str, delivery: &str, script: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "e2e", "annotations": {DELIVERY: delivery}},
        "spec": {"serviceAccountName": "app", "restartPolicy": "Never", "containers": [{
            "name": "app", "image": world.sdk_image, "imagePullPolicy": "Never", "args": ["-c", script],
            "env": [
                {"name": "AWS_RETRY_MODE", "value": "standard"},
                {"name": "AWS_MAX_ATTEMPTS", "value": "12"},
            ],
        }]},
    })
}

/// Waits until each client has called a few times more.
fn more_calls(world: &World, name: &str) -> Result<()> {
    let count = || -> Result<u64> {
        let ask = "import os; print(os.path.exists('/tmp/ok') and os.path.getsize('/tmp/ok') or 0)";
        let said = world.kubectl(&["exec", "-n", "e2e", name, "-c", "app", "--", "python3", "-c", ask])?;
        said.trim().parse().with_context(|| said.clone())
    };
    let before = count()?;
    eventually("the clients call", 120, || {
        let calls = count()?;
        ensure!(calls >= before + MORE_CALLS, "{calls} calls, {before} before");
        Ok(())
    })
}
