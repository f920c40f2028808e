//! Images that do not run: what `up` reports, and that the next `up` repairs it.

use anyhow::{Result, ensure};
use irsa_emu_core::contract::WEBHOOK;

use crate::world::{INSTANCE, World, eventually};

/// An image whose program ends as LocalStack does without its licence.
const BROKEN: &str = "testbed/e2e-broken:1";
/// What it says before.
const LAST_WORDS: &str = "License activation failed! No credentials were found in the environment.";

pub(crate) fn broken_emulator_is_told(world: &World) -> Result<()> {
    make_image(world)?;
    let args = ["up", "--emulator-image", BROKEN, "--timeout", "60s"];
    world
        .irsa_emu(&args)?
        .code(1)?
        .says("waiting cannot help:")?
        .says("55")?
        .says("needs a licence")?
        .says(&format!("next: irsa-emu up --name {INSTANCE} --emulator-image"))?;
    world.up()?.code(0)?;
    Ok(())
}

/// Old replicas serve on while the new ones do not come up.
pub(crate) fn broken_webhook_is_told(world: &World) -> Result<()> {
    make_image(world)?;
    world.load(BROKEN)?;
    let args = world.up_args(&["--webhook-image", BROKEN, "--timeout", "20s"]);
    // On a busy machine the program may not have ended within one such time.
    eventually("the last words of the webhook are in the error", 180, || {
        let said = world.irsa_emu(&args)?;
        ensure!(
            [Some(1), Some(124)].contains(&said.code),
            "{:?}: {}",
            said.code,
            said.err
        );
        said.says(WEBHOOK)?.says(LAST_WORDS)
    })?;
    world.irsa_emu(&["doctor", "--only", "wh-dryrun"])?.code(0)?;
    world.up()?.code(0)?;
    Ok(())
}

fn make_image(world: &World) -> Result<()> {
    // One of the same name would stay behind without a name.
    remove_image(world)?;
    let docker = |args: &[&str]| -> Result<String> { Ok(world.program("docker", args)?.code(0)?.out) };
    let container = docker(&["create", &world.sdk_image])?;
    let container = container.trim();
    let script = format!("print('{LAST_WORDS}', flush=True); raise SystemExit(55)");
    let entrypoint = serde_json::json!(["python3", "-c", script]);
    docker(&[
        "commit",
        "--change",
        &format!("ENTRYPOINT {entrypoint}"),
        container,
        BROKEN,
    ])?;
    docker(&["rm", container])?;
    Ok(())
}

/// Removes the image that the steps of this file make.
pub(crate) fn remove_image(world: &World) -> Result<()> {
    world.program("docker", &["image", "rm", "--force", BROKEN])?;
    Ok(())
}
