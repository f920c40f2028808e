//! What happens to Pods while the webhook is replaced, distrusted or gone.
#![expect(clippy::print_stdout, reason = "the number of Pods is the result")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use irsa_emu_core::contract::{
    self, WEBHOOK, WEBHOOK_CONFIGURATION, WEBHOOK_NAME_ENFORCED, WEBHOOK_PATH, WEBHOOK_PATH_ENFORCED,
    WEBHOOK_TLS_SECRET,
};
use serde_json::{Value, json};

use super::{NAMESPACE, dry_run, has_identity, pod, wait_for_injection};
use crate::world::{World, eventually, text_at};

const SECRET: &[&str] = &["secret", "-n", contract::NAMESPACE, WEBHOOK_TLS_SECRET];
const REGISTRATION: &[&str] = &["mutatingwebhookconfiguration", WEBHOOK_CONFIGURATION];

/// Pods are created without a pause while every replica is replaced, twice; none goes without its identity.
pub(crate) fn rolling_restart_misses_no_pod(world: &World) -> Result<()> {
    let (stop, created, without) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let creators: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    while !stop.load(Ordering::Relaxed) {
                        for made in dry_runs(world)? {
                            created.fetch_add(1, Ordering::Relaxed);
                            if !has_identity(&made) {
                                without.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        // The end of the old ones is what can go wrong: it is waited for.
        let restarted = world.roll_out(WEBHOOK).and_then(|()| world.roll_out(WEBHOOK));
        stop.store(true, Ordering::Relaxed);
        for creator in creators {
            creator.join().ok().context("a creator of Pods panicked")??;
        }
        restarted
    })?;
    let (created, without) = (created.into_inner(), without.into_inner());
    println!("{created} Pods created during two rolling restarts, {without} without identity");
    ensure!(
        created > 20,
        "only {created} Pods were created: that proves nothing"
    );
    ensure!(without == 0, "{without} of {created} Pods have no identity");
    Ok(())
}

/// What the API server makes of many Pods, one after the other: a program for each would be most of the work.
fn dry_runs(world: &World) -> Result<Vec<Value>> {
    let items: Vec<Value> = (0..20)
        .map(|index| pod(NAMESPACE, &format!("restart-{index}"), "app"))
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let said = world
        .kubectl_with(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &list)?
        .code(0)?;
    super::objects(&said.out)
}

pub(crate) fn broken_trust_is_mended(world: &World) -> Result<()> {
    let bundle = |world: &World| -> Result<Value> {
        Ok(world.get(REGISTRATION)?["webhooks"][0]["clientConfig"]["caBundle"].clone())
    };
    let authority = |world: &World| -> Result<Value> { Ok(world.get(SECRET)?["data"]["ca.crt"].clone()) };
    let (before, own) = (bundle(world)?, authority(world)?);

    // Somebody else writes the registration.
    let foreign = rcgen::generate_simple_self_signed(["x.invalid".to_owned()])?;
    let foreign = base64::engine::general_purpose::STANDARD.encode(foreign.cert.pem());
    let patch =
        json!([{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": foreign}]).to_string();
    world.kubectl(&[&["patch"], REGISTRATION, &["--type=json", "-p", &patch]].concat())?;
    eventually("caBundle is right again", 30, || {
        ensure!(bundle(world)? == before, "it is another one");
        Ok(())
    })?;
    wait_for_injection(world)?;
    world.kubectl(&[&["delete"], REGISTRATION].concat())?;
    wait_for_injection(world)?;

    // The Secret is damaged, then deleted: what is served goes on, under the same authority.
    let damage = json!({"data": {"tls.key": "bm9uc2Vuc2U="}}).to_string();
    world.kubectl(&[&["patch"], SECRET, &["--type=merge", "-p", &damage]].concat())?;
    eventually("the Secret is whole again", 30, || {
        ensure!(
            world.get(SECRET)?["data"]["tls.key"] != "bm9uc2Vuc2U=",
            "it is still damaged"
        );
        Ok(())
    })?;
    world.kubectl(&[&["delete"], SECRET].concat())?;
    eventually("the Secret is there again", 30, || world.get(SECRET))?;
    ensure!(authority(world)? == own, "another authority was made");
    wait_for_injection(world)
}

/// Without any webhook Pods run as they are; where the Namespace enforces, they do not run.
pub(crate) fn enforcing_namespaces_refuse_what_nobody_judged(world: &World) -> Result<()> {
    let enforced = pod("e2e-enforced", "p", "app");
    ensure!(
        has_identity(&dry_run(world, &enforced)?),
        "no identity while all is well"
    );
    let (refused, lenient) = world.without(WEBHOOK, || {
        let refused =
            world.kubectl_with(&["create", "--dry-run=server", "-f", "-"], &enforced.to_string())?;
        Ok((refused, dry_run(world, &pod(NAMESPACE, "p", "app"))?))
    })?;
    ensure!(
        refused.code == Some(1) && refused.err.contains(WEBHOOK_NAME_ENFORCED),
        "an enforced Pod was accepted: {}{}",
        refused.out,
        refused.err
    );
    ensure!(!has_identity(&lenient), "an identity came from nowhere");
    wait_for_injection(world)
}

/// Whoever removes the install without `down` knows nothing of the registration, which the webhook writes. It must not go on
/// to refuse Pods.
pub(crate) fn registration_goes_with_the_install(world: &World) -> Result<()> {
    let owner = |world: &World| -> Result<Value> {
        Ok(world.get(REGISTRATION)?["metadata"]["ownerReferences"].clone())
    };
    let cluster_role = world.get(&["clusterrole", WEBHOOK])?;
    let uid = text_at(&cluster_role, "/metadata/uid")?;
    let is_owned = || -> Result<()> {
        let owner = owner(world)?;
        ensure!(owner[0]["uid"] == uid, "it belongs to {owner}");
        Ok(())
    };
    eventually("the registration belongs to the ClusterRole", 30, is_owned)?;
    let patch = json!([{"op": "remove", "path": "/metadata/ownerReferences"}]).to_string();
    world.kubectl(&[&["patch"], REGISTRATION, &["--type=json", "-p", &patch]].concat())?;
    eventually("it belongs to the ClusterRole again", 30, is_owned)?;

    let rendered = world
        .irsa_emu(&["render", "--emulator-image", &world.emulator_image])?
        .code(0)?
        .out;
    let deleted = world
        .kubectl_with(
            &["delete", "--ignore-not-found", "--timeout=120s", "-f", "-"],
            &rendered,
        )
        .and_then(|said| said.code(0));
    let gone = eventually("the registration is gone", 90, || {
        let found = world.kubectl(&[&["get", "--ignore-not-found", "-o", "name"], REGISTRATION].concat())?;
        ensure!(found.trim().is_empty(), "it is there: {found}");
        Ok(())
    });
    let admitted = dry_run(world, &pod("e2e-enforced", "p", "app"));
    // Whatever came of it, the steps after this one need an install.
    world.up_with(&[], &[])?.code(0)?;
    wait_for_injection(world)?;
    deleted?;
    gone?;
    ensure!(!has_identity(&admitted?), "an identity came from nowhere");
    Ok(())
}

/// A review that does not come by the registration's path is not looked at.
pub(crate) fn only_the_api_server_is_answered(world: &World) -> Result<()> {
    let review = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","namespace":"e2e","object":{}}}"#;
    let post = |path: &str| {
        let service = format!(
            "/api/v1/namespaces/{}/services/https:{WEBHOOK}:443/proxy",
            contract::NAMESPACE
        );
        world.kubectl_with(
            &["create", "--raw", &format!("{service}{path}"), "-f", "-"],
            review,
        )
    };
    for path in [
        WEBHOOK_PATH.to_owned(),
        format!("{WEBHOOK_PATH}{WEBHOOK_PATH_ENFORCED}"),
        format!("{WEBHOOK_PATH}/00000000000000000000000000000000"),
    ] {
        let said = post(&path)?;
        ensure!(said.code != Some(0), "{path} answered: {}", said.out);
        said.says("could not find the requested resource")?;
    }
    let registration = world.get(REGISTRATION)?;
    let path = text_at(&registration, "/webhooks/0/clientConfig/service/path")?;
    // kubectl sends another Content-Type than the API server: enough to see that the path is taken.
    post(path)?.says("expected `application/json`")?;
    Ok(())
}
