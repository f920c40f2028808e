//! Pods with an unmodified AWS SDK (boto3, its default credential chain) in both deliveries.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::world::{World, eventually, text_at};

/// Asks who it is and takes one text through KMS; prints one line of JSON. Errors of AWS are printed by their code.
const PROBE: &str = r#"
import boto3, json, os, sys
from botocore.exceptions import ClientError
try:
    arn = boto3.client("sts").get_caller_identity()["Arn"]
    kms = boto3.client("kms")
    blob = kms.encrypt(KeyId="alias/e2e", Plaintext=b"hello")["CiphertextBlob"]
    print(json.dumps({"arn": arn, "plaintext": kms.decrypt(CiphertextBlob=blob)["Plaintext"].decode(), "access_key": "AWS_ACCESS_KEY_ID" in os.environ}))
except ClientError as error:
    print(json.dumps({"error": error.response["Error"]["Code"], "message": error.response["Error"]["Message"]}))
"#;

pub(crate) fn recipe_makes_resources(world: &World) -> Result<()> {
    world.load(&world.sdk_image)?;
    world.apply(&std::fs::read_to_string(
        world.root.join("tests/e2e/manifests/namespace.yaml"),
    )?)?;
    let said = world
        .irsa_emu(&["recipe", &world.file("tests/e2e/manifests/recipe.yaml")])?
        .code(0)?;
    said.says("arn:aws:iam::123456789012:role/e2e-app")?;
    Ok(())
}

pub(crate) fn web_identity_serves_an_sdk(world: &World) -> Result<()> {
    let answer = ask_in_job(world, "web-identity", "app", "{}", &[])?;
    ensure!(
        text_at(&answer, "/arn")?.starts_with("arn:aws:sts::123456789012:assumed-role/e2e-app/"),
        "GetCallerIdentity says {answer}"
    );
    ensure!(
        text_at(&answer, "/plaintext")? == "hello" && answer["access_key"] == false,
        "{answer}"
    );
    Ok(())
}

pub(crate) fn unannotated_gets_nothing(world: &World) -> Result<()> {
    world.apply(&job(world, "plain", "plain", "{}", &[]))?;
    let pod = eventually("a Pod of the Job", 30, || pod_of(world, "plain"))?;
    let container = &pod["spec"]["containers"][0];
    ensure!(
        container.get("env").is_none(),
        "env was injected: {}",
        container["env"]
    );
    ensure!(
        pod["metadata"]["annotations"]
            .get("irsa-emu.dev/injected")
            .is_none(),
        "{}",
        pod["metadata"]
    );
    ensure!(
        !pod["spec"]["volumes"].to_string().contains("aws-iam-token"),
        "{}",
        pod["spec"]["volumes"]
    );
    Ok(())
}

pub(crate) fn foreign_role_is_denied(world: &World) -> Result<()> {
    let env = [
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/e2e-other"),
        (
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
        ),
    ];
    let answer = ask_in_job(world, "foreign-role", "app", "{}", &env)?;
    ensure!(
        answer["error"] == "AccessDenied",
        "a role that the annotation does not name: {answer}"
    );
    Ok(())
}

pub(crate) fn sidecar_job_completes(world: &World) -> Result<()> {
    let answer = ask_in_job(
        world,
        "sidecar",
        "app",
        r#"{"irsa-emu.dev/delivery": "sidecar"}"#,
        &[],
    )?;
    ensure!(
        text_at(&answer, "/arn")?.starts_with("arn:aws:sts::123456789012:assumed-role/e2e-app/"),
        "{answer}"
    );
    ensure!(text_at(&answer, "/plaintext")? == "hello", "{answer}");
    let pod = pod_of(world, "sidecar")?;
    let names = pod["spec"]["initContainers"].to_string();
    ensure!(names.contains("irsa-emu-creds-injector"), "no sidecar: {names}");
    ensure!(
        !pod["spec"]["containers"].to_string().contains("AWS_ROLE_ARN"),
        "{}",
        pod["spec"]["containers"]
    );
    Ok(())
}

/// Runs the probe as a Job, which must complete, and returns what it printed.
fn ask_in_job(
    world: &World,
    name: &str,
    service_account: &str,
    annotations: &str,
    env: &[(&str, &str)],
) -> Result<Value> {
    world.apply(&job(world, name, service_account, annotations, env))?;
    eventually("the Job completes", 90, || {
        let job = world.get(&["job", "-n", "e2e", name])?;
        ensure!(job["status"]["succeeded"] == 1, "{}", job["status"]);
        Ok(())
    })?;
    let log = world.kubectl(&["logs", "-n", "e2e", &format!("job/{name}"), "-c", "app"])?;
    let line = log.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|_| anyhow::anyhow!("the probe printed no JSON: {log}"))
}

fn pod_of(world: &World, job: &str) -> Result<Value> {
    let pods = world.get(&["pods", "-n", "e2e", "-l", &format!("job-name={job}")])?;
    ensure!(!pods["items"][0].is_null(), "no Pod of the Job {job}");
    Ok(pods["items"][0].clone())
}

fn job(world: &World, name: &str, service_account: &str, annotations: &str, env: &[(&str, &str)]) -> String {
    let annotations: Value = serde_json::from_str(annotations).unwrap_or_default();
    let env: Vec<Value> = env
        .iter()
        .map(|(name, value)| serde_json::json!({"name": name, "value": value}))
        .collect();
    let mut container = serde_json::json!({
        "name": "app", "image": world.sdk_image, "imagePullPolicy": "Never", "command": ["python3", "-c", PROBE],
    });
    if !env.is_empty() {
        container["env"] = env.into();
    }
    serde_json::json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "e2e"},
        "spec": {"backoffLimit": 0, "template": {
            "metadata": {"annotations": annotations},
            "spec": {"serviceAccountName": service_account, "restartPolicy": "Never", "containers": [container]}
        }}
    })
    .to_string()
}
