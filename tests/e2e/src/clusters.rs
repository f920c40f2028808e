//! Faults of `up`, and what serves where no registry and no published port is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use irsa_emu_core::contract::WEBHOOK;
use serde_json::Value;

use crate::world::{CONTEXT, INSTANCE, World, eventually, node_name, run, text_at};

/// Name of the install whose creation is killed.
const KILLED: &str = "irsa-emu-e2e-killed";

pub(crate) fn difference_is_told(world: &World) -> Result<()> {
    let (own, other) = (&world.host_port, &world.spare_port);
    let args = world.up_args(&["--host-port", other]);
    world
        .irsa_emu(&args)?
        .code(3)?
        .says(&format!("host port: - {own}  + {other}"))?;
    let args = world.up_args(&["--host-port", other, "--recreate", "--dry-run"]);
    world
        .irsa_emu(&args)?
        .code(0)?
        .says(&format!("recreate kind cluster {INSTANCE}"))?;
    let args = world.up_args(&["--host-port", own, "--dry-run", "--detailed-exitcode"]);
    world.irsa_emu(&args)?.code(0)?.says("nothing to do")?;
    Ok(())
}

pub(crate) fn images_are_saved_and_loaded(world: &World) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bundle = folder.path().join("bundle.tar").display().to_string();
    let emulator = ["--emulator-image", &world.emulator_image];
    world
        .irsa_emu(&[&["images", "save", &bundle][..], &emulator].concat())?
        .code(0)?;
    let name = format!("docker.io/{}", world.emulator_image);
    let remove = [
        "exec",
        &node_name(),
        "ctr",
        "--namespace=k8s.io",
        "images",
        "rm",
        &name,
    ];
    world.program("docker", &remove)?.code(0)?;
    let load = ["images", "load", "--bundle", &bundle];
    world.irsa_emu(&load)?.code(0)?.says("1 loaded")?;
    world.irsa_emu(&load)?.code(0)?.says("unchanged")?;
    let args = ["up", "--images", &bundle, "--dry-run", "--detailed-exitcode"];
    world.irsa_emu(&args)?.code(0)?.says("nothing to do")?;
    Ok(())
}

pub(crate) fn port_forward_survives(world: &World) -> Result<()> {
    let mut command = world.irsa_emu_command(INSTANCE, &["port-forward", "--port", "0"]);
    let mut forward = Running::start(&mut command)?;
    let mut url = String::new();
    BufReader::new(forward.0.stdout.take().context("its stdout")?).read_line(&mut url)?;
    let address = url.trim().trim_start_matches("http://").to_owned();
    answers(&address)?;
    world.restart_emulator()?;
    eventually("the emulator answers through the same port", 60, || {
        answers(&address)
    })
}

/// Asks for the emulator's health in plain HTTP.
pub(crate) fn answers(address: &str) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /_localstack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "it answers: {answer}");
    Ok(())
}

pub(crate) fn support_bundle_has_no_secret(world: &World) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("support.tar").display().to_string();
    world.irsa_emu(&["support-bundle", &file])?.code(0)?;
    let bundle = String::from_utf8_lossy(&std::fs::read(&file)?).into_owned();
    for part in ["doctor.json", "namespace/secrets.yaml", "webhook.log"] {
        ensure!(bundle.contains(part), "the bundle has no {part}");
    }
    let secrets = world.get_in_install(&["secrets"])?;
    let mut values = 0;
    for secret in secrets["items"].as_array().into_iter().flatten() {
        for (name, value) in secret["data"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            if value.is_empty() || name.rsplit('.').next() == Some("crt") {
                continue;
            }
            values += 1;
            ensure!(!bundle.contains(value), "the bundle has the value of {name}");
        }
    }
    ensure!(values > 0, "there was no secret to look for");
    Ok(())
}

pub(crate) fn two_ups_take_turns(world: &World) -> Result<()> {
    let args = world.up_args(&["--host-port", &world.host_port]);
    let mut first = Running::start(&mut world.irsa_emu_command(INSTANCE, &args))?;
    let second = world.irsa_emu(&args)?.code(0)?;
    ensure!(first.0.wait()?.success(), "the first `up` failed");
    ensure!(
        second.out.contains(CONTEXT),
        "the second did not come to its end: {}",
        second.err
    );
    Ok(())
}

pub(crate) fn killed_apply_is_taken_up_again(world: &World) -> Result<()> {
    world.irsa_emu(&["down", "--keep-cluster"])?.code(0)?;
    let args = world.up_args(&["--host-port", &world.host_port]);
    kill_when(&mut world.irsa_emu_command(INSTANCE, &args), "created Service")?;
    world.up()?.code(0)?;
    let deployment = world.get_in_install(&["deployment", WEBHOOK])?;
    ensure!(
        deployment["status"]["availableReplicas"] == 2,
        "{}",
        deployment["status"]
    );
    Ok(())
}

/// Removes what a run left that was killed itself.
pub(crate) fn nothing_of_killed(world: &World) -> Result<()> {
    run(&mut killed(world, &["down", "--delete-cluster"]), None)?.code(0)?;
    Ok(())
}

/// The command for that install, with a kubeconfig of its own: other steps run at the same time.
fn killed(world: &World, args: &[&str]) -> Command {
    let mut command = world.irsa_emu_command(KILLED, args);
    command.env("KUBECONFIG", world.folder().join("killed.kubeconfig"));
    command
}

pub(crate) fn killed_creation_is_begun_again(world: &World) -> Result<()> {
    let outcome = begun_again(world);
    // Its cluster is removed in every case, as nobody else knows of it.
    let removed = nothing_of_killed(world);
    outcome.and(removed)
}

fn begun_again(world: &World) -> Result<()> {
    let args = world.up_args(&["--host-port", "0"]);
    kill_when(&mut killed(world, &args), "Starting control-plane")?;
    let again = run(&mut killed(world, &args), None)?;
    again.code(0)?;
    let status = run(&mut killed(world, &["status", "--check", "-o", "json"]), None)?.code(0)?;
    let status: Value = serde_json::from_str(&status.out)?;
    ensure!(text_at(&status, "/data/context")?.ends_with(KILLED), "{status}");
    Ok(())
}

/// Starts a program and kills it, as nothing can be caught, when it says this.
fn kill_when(command: &mut Command, said: &str) -> Result<()> {
    let mut running = Running::start(command)?;
    let mut lines = BufReader::new(running.0.stderr.take().context("its stderr")?).lines();
    let mut all = String::new();
    loop {
        let Some(line) = lines.next().transpose()? else {
            anyhow::bail!("it ended and never said `{said}`:\n{all}");
        };
        if line.contains(said) {
            break;
        }
        all.push_str(&line);
        all.push('\n');
    }
    running.0.kill()?;
    running.0.wait()?;
    Ok(())
}

/// A program that ends with the step.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(Self(command.spawn().context("cannot start irsa-emu")?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
