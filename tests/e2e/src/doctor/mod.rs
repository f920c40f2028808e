//! Breaks one thing after the other, and asserts that the doctor finds exactly that.
#![expect(clippy::print_stdout, reason = "the table of what was found is the result")]

mod breaks;
mod emulator;
mod keeper;
mod means;

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use irsa_emu_core::contract::WEBHOOK;
use serde_json::Value;

use self::breaks::{ALONE, Ask, Break, WITHOUT_KEEPER};
use self::means::NAMESPACE;
use crate::world::{INSTANCE, Said, World, eventually};

const FIXTURES: &str = "tests/e2e/manifests/doctor.yaml";
/// What is broken shows after this at the latest, in seconds.
const SHOWS: u64 = 30;

pub(crate) fn each_break_is_found_alone(world: &World) -> Result<()> {
    world.apply(&std::fs::read_to_string(world.root.join(FIXTURES))?)?;
    for recipe in ["recipe/e2e-doctor", "recipe/e2e-doctor-role"] {
        world.kubectl(&["wait", "--for=condition=Ready", recipe, "--timeout=60s"])?;
    }
    let found = break_all(world);
    // What is left would spoil the steps that come after.
    world.kubectl(&["delete", "--wait=false", "-f", &world.file(FIXTURES)])?;
    found
}

fn break_all(world: &World) -> Result<()> {
    // What this machine is warned of anyway.
    let before = ids(&report(world, Ask::WithProbe)?);
    println!("| Check | What was broken | What the doctor printed |\n|---|---|---|");
    for one in ALONE {
        found_alone(world, one, &before)?;
    }
    keeper::without(world, |held| {
        for one in WITHOUT_KEEPER {
            held.check()?;
            found_alone(world, one, &before)?;
        }
        Ok(())
    })?;
    eventually("all is as it was before", 60, || {
        let after = ids(&report(world, Ask::Usual)?);
        ensure!(after.is_subset(&before), "still wrong: {after:?}");
        Ok(())
    })
}

/// Breaks something, asserts what is found, and fixes it whatever was found.
fn found_alone(world: &World, one: &Break, before: &BTreeSet<String>) -> Result<()> {
    let expected: BTreeSet<String> = one.ids.iter().map(|id| (*id).to_owned()).collect();
    let found = (one.by)(world).and_then(|()| {
        eventually(one.how, SHOWS, || {
            let report = report(world, one.ask)?;
            let found: BTreeSet<String> = ids(&report).difference(before).cloned().collect();
            ensure!(found == expected, "{found:?} instead of {expected:?}: {report}");
            Ok(report)
        })
    });
    let mended = (one.back)(world);
    let report = found.with_context(|| format!("breaking: {}", one.how))?;
    mended.with_context(|| format!("mending: {}", one.how))?;
    for check in checks(&report).filter(|check| one.ids.iter().any(|id| check["id"] == **id)) {
        println!(
            "| `{}` | {} | {} |",
            check["id"].as_str().unwrap_or_default(),
            one.how,
            said(check)
        );
    }
    Ok(())
}

/// A message as a cell of a table, with whom it is about.
fn said(check: &Value) -> String {
    let text = |name: &str| check[name].as_str().unwrap_or_default();
    let object = text("object");
    let about = if object.is_empty() {
        String::new()
    } else {
        format!("{object}: ")
    };
    let line = format!("{about}{}", text("message"));
    line.replace('\n', " ").replace('|', "\\|")
}

fn report(world: &World, ask: Ask) -> Result<Value> {
    let usual = ["doctor", "-n", NAMESPACE, "-o", "json", "--skip", "emu-reach-pod"];
    let said = match ask {
        Ask::Usual => world.irsa_emu(&usual)?,
        Ask::WithProbe => world.irsa_emu(&usual[..5])?,
        Ask::Only(id, words) => {
            let words = words(world);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            world.irsa_emu(&[&usual[..5], &["--only", id], &words[..]].concat())?
        }
        Ask::Variable(name, value) => {
            world.irsa_emu_with(name, value, &[&["--name", INSTANCE], &usual[..]].concat())?
        }
    };
    parsed(&said)
}

fn parsed(said: &Said) -> Result<Value> {
    ensure!(
        matches!(said.code, Some(0 | 1)),
        "exit code {:?}: {}",
        said.code,
        said.err
    );
    serde_json::from_str(&said.out).with_context(|| format!("no JSON: {}{}", said.out, said.err))
}

fn checks(report: &Value) -> impl Iterator<Item = &Value> {
    report["checks"].as_array().into_iter().flatten()
}

/// The checks that found something.
fn ids(report: &Value) -> BTreeSet<String> {
    checks(report)
        .filter(|check| check["result"] == "error" || check["result"] == "warning")
        .filter_map(|check| check["id"].as_str().map(str::to_owned))
        .collect()
}

/// `--fix` fixes what needs no decision; without a terminal it wants a yes.
pub(crate) fn doctor_mends_what_is_safe(world: &World) -> Result<()> {
    world.scale(WEBHOOK, 0)?;
    let image = means::sidecar_image(world)?;
    means::remove_image(world, &image)?;
    // What other steps broke on purpose is elsewhere.
    let usual = ["doctor", "--fix", "-n", "default", "--skip", "host-*"];
    world.irsa_emu(&usual)?.code(3)?.says("--yes")?;
    world
        .irsa_emu(&[&usual[..], &["--yes"]].concat())?
        .code(0)?
        .says("to do for images-present, wh-ready: irsa-emu up")?;
    Ok(())
}
