//! Backend `aws`, against a stand-in for STS that checks every signature (`manifests/aws/sts.py`): AWS itself is out of
//! reach here.

use anyhow::{Context, Result, ensure};
use irsa_emu_core::contract::{self, AWS_CREDENTIALS_SECRET, EMULATOR, WEBHOOK, aws_credentials};
use serde_json::{Value, json};

use crate::world::{INSTANCE, World, eventually, text_at};

const NAMESPACE: &str = "e2e-aws";
const KEY: &str = "AKIAE2E00000000000001";
const SECRET: &str = "e2e/base+secret";
const STAND_IN: &str = "https://sts.e2e-aws.svc.cluster.local:8443";
const ROLE: &str = "arn:aws:iam::123456789012:role/team/app";

/// The image of the stand-in and of the Pods that it serves.
pub(crate) fn prepare(world: &World) -> Result<()> {
    world.load(&world.sdk_image)
}

/// Base credentials, signature, names and tags, the reason of a refusal, and what the command says of such an install.
pub(crate) fn credentials_of_real_aws(world: &World) -> Result<()> {
    let authority = stand_in(world)?;
    let missing = up(world, &["--base-credentials", "env"], &[])?;
    missing.code(4)?.says("AWS_ACCESS_KEY_ID is not set")?;
    up(world, &[], &[])?.code(4)?.says(&format!(
        "Secret {}/{AWS_CREDENTIALS_SECRET}",
        contract::NAMESPACE
    ))?;
    let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let said = up(world, &["--base-credentials", "env"], &keys)?.code(0)?;
    let all = format!("{}{}", said.out, said.err);
    ensure!(!all.contains(SECRET), "the secret is in the output of up");
    said.says("real AWS")?;

    eventually("the emulator goes", 60, || {
        let left = world.pods_of(EMULATOR)?.len();
        ensure!(left == 0, "{left} Pods are left");
        Ok(())
    })?;
    world.apply(&pod(world, "app", "app").to_string())?;
    // Without the authority in the Secret, the stand-in's certificate is none that the web knows.
    webhook_says(world, "UnknownIssuer")?;
    patch_secret(world, &json!({aws_credentials::CA_BUNDLE: authority}))?;
    served(world)?;
    wrong_secret_is_told(world)?;
    aws_says_no(world)?;
    world
        .irsa_emu(&["status", "--check"])?
        .code(0)?
        .says("real AWS")?;
    world
        .irsa_emu(&["env"])?
        .code(1)?
        .says("the backend is real AWS")?;
    let recipe = world.file("tests/e2e/manifests/recipe.yaml");
    world
        .irsa_emu(&["recipe", &recipe])?
        .code(1)?
        .says("irsa-emu creates nothing")?;
    world.kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"])?;
    // For the steps that follow, the emulator again.
    world.up()?.code(0)?;
    Ok(())
}

fn up(world: &World, more: &[&str], variables: &[(&str, &str)]) -> Result<crate::world::Said> {
    let args = [
        &["--backend", "aws", "--sts-endpoint", STAND_IN, "--session-tags"],
        more,
    ]
    .concat();
    world.up_with(&args, variables)
}

/// Deploys the stand-in; returns the authority that signed its certificate, as PEM.
fn stand_in(world: &World) -> Result<String> {
    let script = std::fs::read_to_string(world.file("tests/e2e/manifests/aws/sts.py"))?;
    let (authority, certificate, key) = certificates()?;
    let account = |name: &str, role: &str| {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE,
            "annotations": {"eks.amazonaws.com/role-arn": role}}})
    };
    let variable = |name: &str, value: &str| json!({"name": name, "value": value});
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        account("app", ROLE),
        account("denied", "arn:aws:iam::123456789012:role/denied"),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sts", "namespace": NAMESPACE}, "data": {"sts.py": script}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sts", "namespace": NAMESPACE}, "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": certificate, "tls.key": key}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "sts", "namespace": NAMESPACE}, "spec": {
            "selector": {"app": "sts"},
            "ports": [{"name": "https", "port": 8443}, {"name": "http", "port": 8080}]}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "sts", "namespace": NAMESPACE, "labels": {"app": "sts"}}, "spec": {
            "containers": [{"name": "sts", "image": world.sdk_image, "imagePullPolicy": "Never", "args": ["/app/sts.py"],
                "env": [variable("BASE_KEY", KEY), variable("BASE_SECRET", SECRET)],
                "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
                "volumeMounts": [{"name": "app", "mountPath": "/app"}, {"name": "tls", "mountPath": "/tls"}]}],
            "volumes": [{"name": "app", "configMap": {"name": "sts"}}, {"name": "tls", "secret": {"secretName": "sts"}}]}},
    ]});
    world.apply(&objects.to_string())?;
    world.kubectl(&[
        "wait",
        "-n",
        NAMESPACE,
        "pod/sts",
        "--for=condition=Ready",
        "--timeout=60s",
    ])?;
    Ok(authority)
}

/// An authority of this run's own, and a certificate with its key for the stand-in.
fn certificates() -> Result<(String, String, String)> {
    let ca_key = rcgen::KeyPair::generate()?;
    let mut ca = rcgen::CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = ca.self_signed(&ca_key)?.pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate()?;
    let params = rcgen::CertificateParams::new(vec!["sts.e2e-aws.svc.cluster.local".to_owned()])?;
    Ok((
        authority,
        params.signed_by(&key, &issuer)?.pem(),
        key.serialize_pem(),
    ))
}

/// A Pod that asks STS who it is, at the endpoint that it names itself.
fn pod(world: &World, name: &str, service_account: &str) -> Value {
    let ask = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])";
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": {
        "serviceAccountName": service_account, "restartPolicy": "Never",
        "containers": [{"name": "app", "image": world.sdk_image,
            "imagePullPolicy": "Never", "args": ["-c", ask],
            "env": [{"name": "AWS_ENDPOINT_URL_STS", "value": "http://sts.e2e-aws.svc.cluster.local:8080"}]}]}})
}

/// Waits until the webhook's log has this.
fn webhook_says(world: &World, wanted: &str) -> Result<()> {
    eventually(&format!("the webhook says `{wanted}`"), 60, || {
        let log = world.logs_of(WEBHOOK, &["--tail=200"])?;
        ensure!(!log.contains(SECRET), "the base secret is in the webhook's log");
        ensure!(log.contains(wanted), "{log}");
        Ok(())
    })
}

fn patch_secret(world: &World, entries: &Value) -> Result<()> {
    let patch = json!({"stringData": entries}).to_string();
    world.in_install(&["patch", "secret", AWS_CREDENTIALS_SECRET, "-p", &patch])?;
    Ok(())
}

fn finished(world: &World, name: &str) -> Result<String> {
    eventually(&format!("the Pod {name} ends well"), 90, || {
        let pod = world.get(&["pod", "-n", NAMESPACE, name])?;
        ensure!(pod["status"]["phase"] == "Succeeded", "{}", pod["status"]);
        Ok(())
    })?;
    world.kubectl(&["logs", "-n", NAMESPACE, name, "-c", "app"])
}

/// The lines of the stand-in about requests of one kind.
fn requests(world: &World, action: &str) -> Result<Vec<Value>> {
    let log = world.kubectl(&["logs", "-n", NAMESPACE, "sts"])?;
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(lines.filter(|line| line["action"] == action).collect())
}

/// The Pod got a session of its role, named and tagged as EKS Pod Identity does, over TLS that was verified.
fn served(world: &World) -> Result<()> {
    let arn = finished(world, "app")?;
    let expected = "arn:aws:sts::123456789012:assumed-role/app/eks-irsa-emu-e-app-";
    ensure!(arn.starts_with(expected), "{arn}");
    let pod = world.get(&["pod", "-n", NAMESPACE, "app"])?;
    let requests = requests(world, "AssumeRole")?;
    let request = requests.last().context("no AssumeRole came")?;
    ensure!(request["tls"] == true && request["role"] == ROLE, "{request}");
    ensure!(
        request["caller"] == "arn:aws:iam::999999999999:user/base",
        "{request}"
    );
    let tags = json!({"eks-cluster-name": INSTANCE, "kubernetes-namespace": NAMESPACE,
        "kubernetes-service-account": "app", "kubernetes-pod-name": "app", "kubernetes-pod-uid": pod["metadata"]["uid"]});
    ensure!(request["tags"] == tags, "{request}");
    ensure!(
        request["transitive"]
            .as_array()
            .is_some_and(|keys| keys.len() == 5),
        "{request}"
    );
    let env = world.get(&["pod", "-n", NAMESPACE, "app"])?["spec"]["containers"][0]["env"].to_string();
    ensure!(
        !env.contains("AWS_ENDPOINT_URL\"") && !env.contains("AWS_ROLE_ARN"),
        "{env}"
    );
    Ok(())
}

/// Base credentials that AWS refuses are reported, and those that replace them are used without a restart.
fn wrong_secret_is_told(world: &World) -> Result<()> {
    patch_secret(world, &json!({"AWS_SECRET_ACCESS_KEY": "wrong"}))?;
    world.kubectl(&["delete", "pod", "-n", NAMESPACE, "app"])?;
    world.apply(&pod(world, "again", "app").to_string())?;
    webhook_says(world, "SignatureDoesNotMatch")?;
    patch_secret(world, &json!({"AWS_SECRET_ACCESS_KEY": SECRET}))?;
    finished(world, "again").map(|_| ())
}

/// A role whose trust policy does not name the base credentials: the owner gets AWS's message.
fn aws_says_no(world: &World) -> Result<()> {
    world.apply(&pod(world, "denied", "denied").to_string())?;
    eventually("an Event says what AWS said", 60, || {
        let events = world.get(&["events.v1.events.k8s.io", "-n", NAMESPACE])?;
        let events = events["items"].as_array().cloned().unwrap_or_default();
        let told = events.iter().find(|event| event["reason"] == "AccessDenied");
        let note = text_at(told.context("no Event")?, "/note")?;
        ensure!(
            note.contains("AWS: ") && note.contains("sts:AssumeRole"),
            "{note}"
        );
        Ok(())
    })
}
