//! Pods of kube-system, where the charts of many controllers put them, while the webhook works and while it is dead.
#![expect(clippy::print_stdout, reason = "what a dead webhook costs is the result")]

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use irsa_emu_core::contract::{self, INJECTION_ENFORCE, INJECTION_LABEL, WEBHOOK, WEBHOOK_PORT};
use serde_json::{Value, json};

use crate::admission::{dry_run, has_identity, pod};
use crate::probe::{answer_in, ensure_served};
use crate::world::{PART_LABEL, World, eventually};

const NAMESPACE: &str = "kube-system";
/// ServiceAccount, Deployment and role.
const CONTROLLER: &str = "e2e-controller";
/// A Pod that takes the connections of the webhook's Service, and never sends a byte.
const SILENT: &str = "e2e-silent";
/// What the registration says: the API server waits no longer for a Pod of kube-system.
const BOUND: Duration = Duration::from_secs(2);
/// kubectl and the API server of a busy machine take their time as well.
const SLACK: Duration = Duration::from_secs(3);

/// As a chart installs it: no Recipe names it, and no label is set.
pub(crate) fn controller_gets_its_role(world: &World) -> Result<()> {
    world.load(&world.sdk_image)?;
    world.apply(
        &json!({"apiVersion": "v1", "kind": "List", "items": [account(), controller(world)]}).to_string(),
    )?;
    let answer = eventually("the controller has called the emulator", 120, || {
        answer_in(&world.kubectl(&["logs", "-n", NAMESPACE, &format!("deployment/{CONTROLLER}")])?)
    });
    let explained = world.irsa_emu(&["explain", "deployment", CONTROLLER, "-n", NAMESPACE]);
    let deleted = world.kubectl(&[
        "delete",
        "deployment,serviceaccount",
        "-n",
        NAMESPACE,
        CONTROLLER,
        "--wait=false",
    ]);
    ensure_served(&answer?, CONTROLLER)?;
    explained?.code(0)?.says("its Pods get the credentials of")?;
    deleted?;
    Ok(())
}

/// With no Pod behind its Service, then with one that does not respond: a Pod of kube-system is made all the same, and soon.
pub(crate) fn dead_webhook_delays_no_pod_for_long(world: &World) -> Result<()> {
    world.load(&world.sdk_image)?;
    world.apply(&account().to_string())?;
    let (alive, made) = timed(world)?;
    ensure!(
        has_identity(&made),
        "no identity while all is well: {}",
        made["spec"]
    );
    // Even where somebody labels kube-system so, no Pod of it is refused.
    let label = |label: &str| world.kubectl(&["label", "namespace", NAMESPACE, label, "--overwrite"]);
    label(&format!("{INJECTION_LABEL}={INJECTION_ENFORCE}"))?;
    let measured = world.without(WEBHOOK, || {
        let measured = with_none_and_with_a_silent_one(world);
        // It has the label of the webhook's Pods.
        let gone = ["delete", "pod", SILENT, "--ignore-not-found", "--grace-period=1"];
        world.in_install(&gone)?;
        measured
    });
    let served = eventually("a new Pod of kube-system gets its identity", 60, || {
        ensure!(has_identity(&timed(world)?.1), "it did not");
        Ok(())
    });
    label(&format!("{INJECTION_LABEL}-"))?;
    world.kubectl(&["delete", "serviceaccount", "-n", NAMESPACE, CONTROLLER])?;
    let (gone, silent) = measured?;
    served?;
    println!(
        "a Pod of kube-system, made with the webhook alive: {alive:?}; without a Pod of the webhook: {:?}; with one that does not \
respond: {:?}",
        gone.0, silent.0
    );
    for (took, made) in [gone, silent] {
        ensure!(took < BOUND + SLACK, "a Pod of kube-system took {took:?}");
        ensure!(!has_identity(&made), "an identity came from nowhere");
    }
    Ok(())
}

/// What `timed` returns while no Pod is behind the webhook's Service, and while one is that does not respond.
fn with_none_and_with_a_silent_one(world: &World) -> Result<(Timed, Timed)> {
    let gone = timed(world)?;
    world.apply(&silent(world).to_string())?;
    let pod = format!("pod/{SILENT}");
    world.in_install(&["wait", "--for=condition=Ready", &pod, "--timeout=60s"])?;
    // Every node must have heard of the endpoint: without it the API server has its refusal at once.
    let silent = eventually("the silent Pod holds up the API server", 30, || {
        let silent = timed(world)?;
        ensure!(silent.0 > BOUND, "it took {:?}", silent.0);
        Ok(silent)
    })?;
    Ok((gone, silent))
}

type Timed = (Duration, Value);

/// How long the API server takes for a Pod, and what it makes of it.
fn timed(world: &World) -> Result<Timed> {
    let began = Instant::now();
    let made = dry_run(world, &pod(NAMESPACE, "e2e-timed", CONTROLLER))?;
    Ok((began.elapsed(), made))
}

fn account() -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": CONTROLLER, "namespace": NAMESPACE,
        "annotations": {"eks.amazonaws.com/role-arn": format!("arn:aws:iam::123456789012:role/{CONTROLLER}")}}})
}

/// Asks AWS once, as a controller does when it starts, and goes on running.
fn controller(world: &World) -> Value {
    let program = "import subprocess, sys, time\n\
subprocess.run([sys.executable, '/probe.py', 'alias/e2e', 'e2e-controller'], check=True)\n\
time.sleep(3600)";
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": CONTROLLER, "namespace": NAMESPACE},
        "spec": {"selector": {"matchLabels": {"app": CONTROLLER}}, "template": {"metadata": {"labels": {"app": CONTROLLER}},
            "spec": {"serviceAccountName": CONTROLLER, "terminationGracePeriodSeconds": 1, "containers": [
                {"name": "app", "image": world.sdk_image, "imagePullPolicy": "Never", "args": ["-c", program]}]}}}})
}

fn silent(world: &World) -> Value {
    let program = format!(
        "import socket, time\n\
listener = socket.create_server(('0.0.0.0', {WEBHOOK_PORT}), backlog=128)\n\
time.sleep(3600)"
    );
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": SILENT, "namespace": contract::NAMESPACE, "labels": {PART_LABEL: WEBHOOK}},
        "spec": {
            "automountServiceAccountToken": false,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "app", "image": world.sdk_image, "imagePullPolicy": "Never", "args": ["-c", program],
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}})
}
