//! Containers that another webhook adds after ours get their identity as well: the API server calls ours again.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use serde_json::json;

use super::{dry_run, pod, variable};
use crate::world::{World, eventually};

const SERVICE: &str = "late.default.svc";

pub(crate) fn late_containers_are_served(world: &World) -> Result<()> {
    let certificate = rcgen::generate_simple_self_signed([SERVICE.to_owned()])
        .context("cannot make a certificate for the other webhook")?;
    let (pem, key) = (certificate.cert.pem(), certificate.signing_key.serialize_pem());
    world.apply(&std::fs::read_to_string(
        world.root.join("tests/e2e/manifests/late.yaml"),
    )?)?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late", "namespace": "default"},
        "type": "kubernetes.io/tls", "stringData": {"tls.crt": pem, "tls.key": key}});
    world.apply(&secret.to_string())?;
    let server = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "late", "namespace": "default", "labels": {"app": "late"}},
        "spec": {
            "containers": [{"name": "late", "image": world.sdk_image, "imagePullPolicy": "Never", "command": ["python3", "/code/late.py"],
                "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
                "volumeMounts": [{"name": "code", "mountPath": "/code"}, {"name": "tls", "mountPath": "/tls"}]}],
            "volumes": [{"name": "code", "configMap": {"name": "late"}}, {"name": "tls", "secret": {"secretName": "late", "defaultMode": 420}}]}});
    world.apply(&server.to_string())?;
    world.kubectl(&[
        "wait",
        "-n",
        "default",
        "--for=condition=Ready",
        "pod/late",
        "--timeout=60s",
    ])?;
    let bundle = base64::engine::general_purpose::STANDARD.encode(&pem);
    // API servers call webhooks in the order of these names: this one comes after ours.
    let registration = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "zz-late"},
        "webhooks": [{"name": "late.e2e.invalid", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail",
            "clientConfig": {"service": {"name": "late", "namespace": "default"}, "caBundle": bundle},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "e2e-late"}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}]});
    world.apply(&registration.to_string())?;
    let outcome = eventually("the other webhook adds its container", 30, || {
        let made = dry_run(world, &pod("e2e-late", "late", "app"))?;
        let late = made["spec"]["containers"][1]["name"] == "late";
        ensure!(late, "it does not: {}", made["spec"]["containers"]);
        Ok(made)
    });
    world.kubectl(&["delete", "mutatingwebhookconfiguration", "zz-late"])?;
    world.kubectl(&["delete", "pod", "-n", "default", "late", "--grace-period=1"])?;
    let made = outcome?;
    for container in ["app", "late"] {
        ensure!(
            variable(&made, "containers", container, "AWS_ROLE_ARN").is_some(),
            "{container} has no role: {}",
            made["spec"]["containers"]
        );
    }
    Ok(())
}
