//! A cluster that publishes no port for the emulator, as one that others made: a container beside its nodes, and
//! commands that bring a way of their own. The cluster of the run serves as such a one when it is named by its context
//! and asked for the spare port, which its node does not publish.

use anyhow::{Result, ensure};
use irsa_emu_core::contract::{EMULATOR_PORT, INSTANCE_LABEL, RUN_AS};

use crate::clusters::answers;
use crate::world::{CONTEXT, INSTANCE, Said, World};

/// The container that leads it to the cluster.
const PROXY: &str = "irsa-emu-proxy-kind-irsa-emu-e2e";
/// Asks the emulator as any tool would.
const ASK: &str = "curl -sS --fail \"$AWS_ENDPOINT_URL/_localstack/health\"";

pub(crate) fn container_leads_to_the_emulator(world: &World) -> Result<()> {
    let address = format!("127.0.0.1:{}", world.spare_port);
    up(world, &[])?.code(0)?.says(PROXY)?;
    let published = world
        .program("docker", &["port", PROXY, &format!("{EMULATOR_PORT}/tcp")])?
        .code(0)?
        .out;
    ensure!(published.trim() == address, "published on {published}");
    let rights =
        "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}";
    let rights = inspect(world, rights)?;
    ensure!(
        rights == format!("{RUN_AS}:{RUN_AS} true [ALL] [no-new-privileges]"),
        "{rights}"
    );
    answers(&address)?;
    let before = inspect(world, "{{.Id}} {{.State.StartedAt}}")?;
    up(world, &[])?.code(0)?.says("irsa-emu is unchanged")?;
    ensure!(
        inspect(world, "{{.Id}} {{.State.StartedAt}}")? == before,
        "a second `up` did not leave the container alone"
    );
    let planned = ["--dry-run", "--detailed-exitcode"];
    up(world, &planned)?.code(0)?.says("nothing to do")?;
    world.program("docker", &["kill", PROXY])?.code(0)?;
    world
        .irsa_emu(&["--context", CONTEXT, "status"])?
        .code(0)?
        .says(&format!("the container {PROXY} does not run"))?;
    up(world, &[])?.code(0)?;
    answers(&address)
}

pub(crate) fn commands_reach_the_emulator(world: &World) -> Result<()> {
    let exec =
        |script: &str| world.irsa_emu(&["--context", CONTEXT, "env", "--exec", "--", "sh", "-c", script]);
    let health = exec(ASK)?.code(0)?;
    ensure!(health.out.contains("\"kms\""), "{}", health.out);
    exec(&format!(
        "case $AWS_ENDPOINT_URL in *:{}) exit 7;; esac",
        world.spare_port
    ))?
    .code(7)?;
    // Without the container nobody listens there any more.
    world.program("docker", &["rm", "--force", PROXY])?.code(0)?;
    let health = exec(ASK)?.code(0)?;
    ensure!(health.out.contains("\"kms\""), "{}", health.out);
    exec("kill -TERM $$")?.code(143)?;
    Ok(())
}

pub(crate) fn container_goes_with_the_install(world: &World) -> Result<()> {
    up(world, &[])?.code(0)?;
    let image = inspect(world, "{{.Config.Image}}")?;
    let down = ["--context", CONTEXT, "down"];
    world
        .irsa_emu(&[&down[..], &["--dry-run"]].concat())?
        .code(0)?
        .says(&format!("container {PROXY}"))?;
    world.irsa_emu(&down)?.code(0)?;
    let label = format!("label={INSTANCE_LABEL}={INSTANCE}");
    let role = "label=irsa-emu.dev/role=proxy";
    let list = ["ps", "--all", "--quiet", "--filter", &label, "--filter", role];
    let left = world.program("docker", &list)?.code(0)?.out;
    ensure!(left.is_empty(), "containers left: {left}");
    // Another install of the same version may use the image, too.
    let ancestor = format!("ancestor={image}");
    let users = ["ps", "--all", "--quiet", "--filter", &ancestor];
    let used = !world.program("docker", &users)?.code(0)?.out.is_empty();
    let left = world
        .program("docker", &["images", "--quiet", &image])?
        .code(0)?
        .out;
    ensure!(left.is_empty() || used, "{image} is left: {left}");
    // For the steps that follow, as it was.
    world.up()?.code(0)?;
    Ok(())
}

/// `up` for the cluster as one that others made.
fn up(world: &World, more: &[&str]) -> Result<Said> {
    let image = &world.emulator_image;
    let args = [
        "--context",
        CONTEXT,
        "up",
        "--emulator-image",
        image,
        "--host-port",
        &world.spare_port,
    ];
    world.irsa_emu(&[&args[..], more].concat())
}

fn inspect(world: &World, format: &str) -> Result<String> {
    let said = world.program("docker", &["inspect", "--format", format, PROXY])?;
    Ok(said.code(0)?.out.trim().to_owned())
}
