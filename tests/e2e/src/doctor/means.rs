//! By what things are broken and fixed.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use irsa_emu_core::contract::{self, WEBHOOK, WEBHOOK_CONFIGURATION, WEBHOOK_TLS_SECRET};
use serde_json::{Value, json};

use super::emulator;
use crate::world::{World, node_name};

/// Where the steps make what they break.
pub(super) const NAMESPACE: &str = "e2e-doctor";
pub(super) const ACCOUNT: &str = "123456789012";
const REGISTRATION: &[&str] = &["mutatingwebhookconfiguration", WEBHOOK_CONFIGURATION];
pub(super) const SECRET: &[&str] = &["secret", "-n", contract::NAMESPACE, WEBHOOK_TLS_SECRET];

pub(super) fn annotate(world: &World, object: &[&str], annotation: &str) -> Result<()> {
    world.kubectl(&[&["annotate", "--overwrite"], object, &[annotation]].concat())?;
    Ok(())
}

pub(super) fn patch_registration(world: &World, path: &str, value: &Value) -> Result<()> {
    let change = json!([{"op": "replace", "path": path, "value": value}]).to_string();
    world.kubectl(&[&["patch"], REGISTRATION, &["--type=json", "-p", &change]].concat())?;
    Ok(())
}

/// The name of the registration of EKS's webhook.
pub(super) const RIVAL: &str = "pod-identity-webhook";

/// Another registration of that name. No Pod is sent to it.
pub(super) fn rival() -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": RIVAL},
        "webhooks": [{
            "name": "pod-identity-webhook.amazonaws.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "failurePolicy": "Ignore", "clientConfig": {"url": "https://127.0.0.1:1/mutate"},
            "namespaceSelector": {"matchLabels": {"e2e-doctor": "none"}},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        }],
    })
}

fn policy(subject: &str) -> String {
    let issuer = "kubernetes.default.svc.cluster.local";
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}")},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {
                format!("{issuer}:sub"): format!("system:serviceaccount:{subject}"),
                format!("{issuer}:aud"): contract::DEFAULT_AUDIENCE,
            }},
        }],
    });
    let encoded = |byte: u8| {
        if byte.is_ascii_alphanumeric() {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    policy.to_string().bytes().map(encoded).collect()
}

pub(super) fn trust(world: &World, account: &str, role: &str, subject: &str) -> Result<()> {
    let document = policy(subject);
    let form = format!("Action=UpdateAssumeRolePolicy&RoleName={role}&PolicyDocument={document}");
    emulator::iam(world, account, &form)
}

pub(super) fn make_role(world: &World, role: &str, subject: &str) -> Result<()> {
    let document = policy(subject);
    let form = format!("Action=CreateRole&RoleName={role}&AssumeRolePolicyDocument={document}");
    emulator::iam(world, ACCOUNT, &form)
}

const ARGS: &str = "/spec/template/spec/containers/0/args";

/// The flags of the webhook.
fn flags(world: &World) -> Result<Vec<String>> {
    let deployment = world.get_in_install(&["deployment", WEBHOOK])?;
    let args = deployment.pointer(ARGS).and_then(Value::as_array);
    let args = args.into_iter().flatten().filter_map(Value::as_str);
    Ok(args.map(str::to_owned).collect())
}

/// Changes what the webhook would give to Pods, and leaves those of the webhook as they are.
pub(super) fn set_sts_url(world: &World, url: &str) -> Result<()> {
    let flags = flags(world)?;
    let at = flags.iter().position(|flag| flag.starts_with("--sts-url="));
    let at = at.context("the webhook has no --sts-url")?;
    let patch = json!([
        {"op": "add", "path": "/spec/paused", "value": true},
        {"op": "replace", "path": format!("{ARGS}/{at}"), "value": format!("--sts-url={url}")},
    ]);
    let webhook = format!("deployment/{WEBHOOK}");
    world.in_install(&["patch", &webhook, "--type=json", "-p", &patch.to_string()])?;
    if !url.contains("nowhere") {
        world.in_install(&["rollout", "resume", &webhook])?;
    }
    Ok(())
}

pub(super) fn sidecar_image(world: &World) -> Result<String> {
    let flags = flags(world)?;
    let image = flags
        .iter()
        .find_map(|flag| flag.strip_prefix("--sidecar-image="));
    Ok(image.context("the webhook has no --sidecar-image")?.to_owned())
}

pub(super) fn remove_image(world: &World, image: &str) -> Result<()> {
    let remove = ["exec", &node_name(), "ctr", "-n", "k8s.io", "images", "rm", image];
    world.program("docker", &remove)?.code(0)?;
    Ok(())
}

/// A CA and a certificate of it that ended a day ago.
pub(super) fn expired() -> Result<(String, String)> {
    let name = format!("{WEBHOOK}.{}.svc", contract::NAMESPACE);
    let mut params = rcgen::CertificateParams::new([name])?;
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let key = rcgen::KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// Puts a certificate into the Secret, or takes the Secret away.
pub(super) fn put_certificate(world: &World, certificate: Option<&(String, String)>) -> Result<()> {
    let Some((certificate, key)) = certificate else {
        world.kubectl(&[&["delete"], SECRET].concat())?;
        return Ok(());
    };
    let data = json!({"data": {"tls.crt": STANDARD.encode(certificate), "tls.key": STANDARD.encode(key)}});
    world.kubectl(&[&["patch"], SECRET, &["--type=merge", "-p", &data.to_string()]].concat())?;
    Ok(())
}

/// Where the kubeconfig of the one who may only view is.
pub(super) fn viewer(world: &World) -> String {
    let own = world.kubeconfig();
    own.with_file_name("e2e-doctor-viewer.kubeconfig")
        .to_string_lossy()
        .into_owned()
}

pub(super) fn make_viewer(world: &World) -> Result<()> {
    let account = format!("--serviceaccount={NAMESPACE}:default");
    world.kubectl(&[
        "create",
        "clusterrolebinding",
        "e2e-doctor-viewer",
        "--clusterrole=view",
        &account,
    ])?;
    let token = world.kubectl(&["create", "token", "-n", NAMESPACE, "default"])?;
    let config = world.kubectl(&["config", "view", "--minify", "--raw", "-o", "json"])?;
    let mut config: Value = serde_json::from_str(&config)?;
    config["users"][0]["user"] = json!({"token": token.trim()});
    std::fs::write(viewer(world), config.to_string())?;
    Ok(())
}

/// A CA that nobody knows, as `caBundle` holds it.
pub(super) fn foreign_ca() -> Result<String> {
    let foreign = rcgen::generate_simple_self_signed(["x.invalid".to_owned()])?;
    Ok(STANDARD.encode(foreign.cert.pem()))
}

const POD: &str = "broken";

/// A Pod that waits for a node without end. A `region` beside the annotations becomes a variable.
pub(super) fn make_pod(world: &World, account: &str, annotations: &Value) -> Result<()> {
    let mut annotations = annotations.clone();
    let region = annotations.as_object_mut().and_then(|map| map.remove("region"));
    let variables: Vec<Value> = region
        .into_iter()
        .map(|value| json!({"name": "AWS_REGION", "value": value}))
        .collect();
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": POD, "namespace": NAMESPACE, "annotations": annotations},
        "spec": {
            "serviceAccountName": account, "nodeSelector": {"e2e-doctor": "none"},
            "containers": [{"name": "app", "image": "irsa-emu.test/none:1", "env": variables}],
        },
    });
    world.apply(&pod.to_string())
}

pub(super) fn delete_pod(world: &World) -> Result<()> {
    world.kubectl(&[
        "delete",
        "pod",
        "-n",
        NAMESPACE,
        POD,
        "--grace-period=0",
        "--force",
    ])?;
    Ok(())
}
