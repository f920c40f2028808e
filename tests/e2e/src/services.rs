//! Services of the emulator beyond those that irsa-emu itself uses, and how the emulator is run: its variables, its limits
//! and its licence.

use anyhow::{Context, Result, ensure};
use irsa_emu_core::contract::EMULATOR;
use serde_json::json;

use crate::probe::Probe;
use crate::world::{World, eventually};

/// What the Pod runs.
const PROGRAM: &str = include_str!("../manifests/services.py");
/// A token as LocalStack's look. The emulator of the tests needs none, and takes no notice of it.
const TOKEN: &str = "ls-e2eE2E00-0000-0000-0000-000000000000";
/// A variable whose value Kubernetes would change if it were handed over as it is.
const VARIABLE: &str = "E2E_MARK=a$(HOME)$$b=c";
const VALUE: &str = "a$(HOME)$$b=c";
const SECRET: &str = "irsa-emu-emulator-auth";

/// SNS, SQS, `DynamoDB`, `CloudFormation`, `EventBridge` and `CloudWatch` Logs, from a Pod with nothing but a role.
pub(crate) fn pods_use_many_services(world: &World) -> Result<()> {
    let program = ["-c", PROGRAM];
    let probe = Probe {
        program: &program,
        ..Probe::python(world, "services", "app")
    };
    probe.start(world)?;
    let answer = probe.answer_within(world, 300)?;
    let expected = json!({
        "queue_url": true,
        "sns_to_sqs": "hello",
        "dynamodb": ["hello 2", 2],
        "cloudformation": true,
        "eventbridge": "hello",
        "logs": "hello",
    });
    ensure!(answer == expected, "{answer:#}");
    Ok(())
}

/// The emulator's options of `up` reach its container, and stay until `up` gets others. The token is nowhere
/// but in its Secret and in the container.
pub(crate) fn emulator_runs_as_told(world: &World) -> Result<()> {
    let told = told(world);
    // The steps after this one expect the emulator as `up` makes it.
    let back = back(world);
    told.and(back)
}

fn told(world: &World) -> Result<()> {
    let file = world.folder().join("auth-token");
    std::fs::write(&file, format!("{TOKEN}\n"))?;
    let file = file.to_string_lossy();
    let options = [
        "--emulator-env",
        VARIABLE,
        "--emulator-memory",
        "1900Mi",
        "--emulator-cpu",
        "3",
    ];
    let with_token = [&options[..], &["--emulator-auth-token-file", &file, "-o", "json"]].concat();
    let said = world.up_with(&with_token, &[])?.code(0)?;
    ensure!(!(said.out + &said.err).contains(TOKEN), "`up` prints the token");
    reaches_the_container(world)?;

    // Without the token, as in another shell: it stays.
    world.up_with(&options, &[])?.code(0)?.says("unchanged")?;
    // `doctor --fix` calls `up` by itself, with nothing but what the cluster says.
    world.scale(EMULATOR, 0)?;
    world
        .irsa_emu(&["doctor", "--fix", "--yes", "--only", "emu-ready"])?
        .code(0)?;
    reaches_the_container(world)?;

    let from_variable = [("LOCALSTACK_AUTH_TOKEN", TOKEN)];
    world
        .up_with(&options, &from_variable)?
        .code(0)?
        .says("unchanged")?;
    is_shown_nowhere(world)
}

fn reaches_the_container(world: &World) -> Result<()> {
    let deployment = world.get_in_install(&["deployment", EMULATOR])?;
    let limits = &deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"];
    ensure!(*limits == json!({"cpu": "3", "memory": "1900Mi"}), "{limits}");
    ensure!(
        !deployment.to_string().contains(TOKEN),
        "the Deployment holds the token"
    );
    eventually("the container has the variable and the token", 60, || {
        let printed = world.in_install(&[
            "exec",
            &format!("deployment/{EMULATOR}"),
            "--",
            "sh",
            "-c",
            "printf '%s|%s|%s' \"$E2E_MARK\" \"${#LOCALSTACK_AUTH_TOKEN}\" \"$SERVICES\"",
        ])?;
        ensure!(printed == format!("{VALUE}|{}|", TOKEN.len()), "it has {printed}");
        Ok(())
    })
}

fn is_shown_nowhere(world: &World) -> Result<()> {
    let secret = world.get_in_install(&["secret", SECRET])?;
    let kept = secret["data"]["LOCALSTACK_AUTH_TOKEN"]
        .as_str()
        .context("the Secret has no token")?
        .to_owned();
    let file = world.folder().join("with-token.tar").display().to_string();
    world.irsa_emu(&["support-bundle", &file])?.code(0)?;
    let bundle = String::from_utf8_lossy(&std::fs::read(&file)?).into_owned();
    let rendered = world
        .irsa_emu_with("LOCALSTACK_AUTH_TOKEN", TOKEN, &["render"])?
        .code(0)?;
    let planned = world.up_with(&["--dry-run", "-o", "json"], &[("LOCALSTACK_AUTH_TOKEN", TOKEN)])?;
    let planned = planned.code(0)?;
    for (what, text) in [
        ("support-bundle", bundle),
        ("render", rendered.out + &rendered.err),
        ("up --dry-run", planned.out + &planned.err),
    ] {
        for form in [TOKEN, &kept] {
            ensure!(!text.contains(form), "{what} shows the token");
        }
    }
    Ok(())
}

fn back(world: &World) -> Result<()> {
    world.in_install(&["delete", "secret", SECRET, "--ignore-not-found"])?;
    world.up()?.code(0)?;
    let deployment = world.get_in_install(&["deployment", EMULATOR])?.to_string();
    for left in [
        "E2E_MARK",
        "irsa-emu.dev/auth-token",
        "irsa-emu.dev/emulator-limits",
    ] {
        ensure!(!deployment.contains(left), "{left} is still there");
    }
    Ok(())
}
