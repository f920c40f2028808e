//! Processes of this machine with the identity of a Pod.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::world::{INSTANCE, Said, World, run};

/// What AWS's own CLI would prefer to the identity of a Pod.
const CALLER: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "hush-caller"),
    ("AWS_PROFILE", "production"),
];
const VERBATIM: &str = "arn:aws:sts::123456789012:assumed-role/e2e-verbatim/";

/// In the Namespace and with the roles of `sts::prepare`.
pub(crate) fn processes_have_the_identity_of_a_pod(world: &World) -> Result<()> {
    // The container credentials of the SDKs, asked for by hand: curl is there wherever the tests run.
    let ask = "curl -sS --fail -H \"Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN\" \"$AWS_CONTAINER_CREDENTIALS_FULL_URI\"";
    let served = exec(world, &["--as", "e2e-trust/verbatim"], &["sh", "-c", ask])?.code(0)?;
    let credentials: Value = serde_json::from_str(&served.out).context("the endpoint serves no JSON")?;
    ensure!(
        credentials["AccountId"] == "123456789012" && credentials["Token"].is_string(),
        "{:?}",
        credentials
            .as_object()
            .map(|fields| fields.keys().collect::<Vec<_>>())
    );
    let seen = exec(world, &["--as", "e2e-trust/verbatim"], &["env"])?;
    let environment = seen.code(0)?.out;
    for secret in ["SecretAccessKey", "Token"] {
        let secret = credentials[secret].as_str().context("a secret")?;
        ensure!(!environment.contains(secret), "a secret is in the environment");
    }
    ensure!(
        !environment.contains("AKIA")
            && !environment.contains("hush-caller")
            && !environment.contains("production"),
        "the caller's own identity is left:\n{environment}"
    );
    ensure!(
        environment.contains(&format!("AWS_ENDPOINT_URL={}", world.host_endpoint())),
        "{environment}"
    );
    with_the_cli(world)?;

    // The trust policy decides here as for a Pod, and its condition is shown.
    exec(world, &["--as", "e2e-trust/narrow"], &["echo", "started"])?
        .code(1)?
        .says("reason: ")?
        .says("system:serviceaccount:e2e-trust:narrow")?;
    exec(world, &["--as", "e2e-trust/nobody"], &["echo", "started"])?
        .code(1)?
        .says("e2e-trust/verbatim: arn:aws:iam::123456789012:role/e2e-verbatim")?;

    let printed = world
        .irsa_emu(&["credentials", "e2e-trust/verbatim"])?
        .code(0)?
        .out;
    let printed: Value = serde_json::from_str(&printed).context("no JSON for a credential_process")?;
    ensure!(
        printed["Version"] == 1 && printed["Expiration"].is_string(),
        "no credentials"
    );
    Ok(())
}

/// AWS's own CLI, where this machine has it: by the endpoint, and by a profile.
fn with_the_cli(world: &World) -> Result<()> {
    if world.program("aws", &["--version"]).is_err() {
        return Ok(());
    }
    let call = [
        "aws",
        "sts",
        "get-caller-identity",
        "--query",
        "Arn",
        "--output",
        "text",
    ];
    let by_endpoint = exec(world, &["--as", "e2e-trust/verbatim"], &call)?.code(0)?;
    by_endpoint.says(VERBATIM)?;
    let bucket = [
        "sh",
        "-c",
        "aws s3 mb s3://e2e-laptop && aws s3 ls && aws s3 rb s3://e2e-laptop",
    ];
    exec(world, &["--as", "e2e-trust/verbatim"], &bucket)?
        .code(0)?
        .says("e2e-laptop")?;

    let profile = world
        .irsa_emu(&[
            "env",
            "-o",
            "aws-config",
            "--as",
            "e2e-trust/verbatim",
            "--profile",
            "pod",
        ])?
        .code(0)?
        .out;
    let file = world.folder().join("aws-config");
    std::fs::write(&file, profile).context("cannot write a profile")?;
    let file = file.to_string_lossy().into_owned();
    let script = format!("AWS_CONFIG_FILE={file} AWS_PROFILE=pod {}", call.join(" "));
    world.program("sh", &["-c", &script])?.code(0)?.says(VERBATIM)?;
    Ok(())
}

/// `irsa-emu exec` with what a developer has set.
fn exec(world: &World, options: &[&str], command: &[&str]) -> Result<Said> {
    let args = [&["exec"], options, &["--"], command].concat();
    let mut started = world.irsa_emu_command(INSTANCE, &args);
    started.envs(CALLER);
    run(&mut started, None)
}
