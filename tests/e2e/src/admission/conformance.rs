//! Amazon's own webhook beside ours: under the profile `strict-eks` both make the same Pod of the same Pod.
#![expect(clippy::print_stdout, reason = "the number of Pods is the result")]

use std::collections::BTreeMap;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use irsa_emu_core::contract::{
    DEFAULT_AUDIENCE, DEFAULT_TOKEN_EXPIRATION, EKS_PREFIX, INJECTION_DISABLED, INJECTION_LABEL,
};
use irsa_emu_core::grant::{Grant, Identity};
use irsa_emu_core::plan::{InjectConfig, PlanInput, PlanOutcome, plan_patch};
use irsa_emu_core::pod_view::PodView;
use irsa_emu_core::rules::{Delivery, RuleEffect};
use serde_json::{Value, json};

use super::generated::generate;
use super::{dry_run, has_identity, pod};
use crate::world::{World, eventually};

const NAMESPACE: &str = "e2e-eks";
const ROLE: &str = "arn:aws:iam::123456789012:role/e2e-app";
const REGION: &str = "us-east-1";
const PODS: u64 = 150;
const REGISTRATION: &str = "e2e-eks";

pub(crate) fn strict_eks_equals_the_webhook_of_eks(world: &World) -> Result<()> {
    let peer = Peer::start(world)?;
    let theirs = peer.register(world).and_then(|()| {
        eventually("Amazon's webhook gives Pods their role", 60, || {
            let made = dry_run(world, &pod(NAMESPACE, "canary", "app"))?;
            ensure!(has_identity(&made), "it does not: {}", made["spec"]["containers"]);
            Ok(())
        })?;
        made_of(world, NAMESPACE, (0..PODS).map(|seed| input(seed, NAMESPACE)))
    });
    world.kubectl(&["delete", "mutatingwebhookconfiguration", REGISTRATION])?;
    let theirs = theirs?;

    let plain = made_of(
        world,
        "e2e-untouched",
        (0..PODS).map(|seed| input(seed, "e2e-untouched")),
    )?;
    let ours = made_of(world, "e2e-untouched", plain.values().map(injected))?;
    let mut compared = 0;
    for (name, their) in &theirs {
        let our = ours
            .get(name)
            .with_context(|| format!("ours of {name} was refused"))?;
        ensure!(
            essence(our) == essence(their),
            "{name} differs\n--- ours\n{:#}\n--- Amazon's\n{:#}",
            essence(our),
            essence(their)
        );
        compared += 1;
    }
    println!("{compared} Pods are the same as Amazon's webhook makes them");
    ensure!(compared > PODS / 3, "only {compared} Pods were compared");
    Ok(())
}

/// A Pod that does not get a volume of another name each time.
fn input(seed: u64, namespace: &str) -> Value {
    let mut pod = generate(seed, namespace);
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    pod
}

/// What the API server makes of Pods, by name; those that it refuses are left out.
fn made_of(
    world: &World,
    namespace: &str,
    pods: impl Iterator<Item = Value>,
) -> Result<BTreeMap<String, Value>> {
    let items: Vec<Value> = pods
        .map(|mut pod| {
            pod["metadata"]["namespace"] = json!(namespace);
            pod
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let said = world.kubectl_with(&["create", "--dry-run=server", "-o", "json", "-f", "-"], &list)?;
    let made = super::objects(&said.out)?;
    ensure!(!made.is_empty(), "no Pod was accepted: {}", said.err);
    Ok(made
        .into_iter()
        .filter_map(|pod| Some((pod["metadata"]["name"].as_str()?.to_owned(), pod)))
        .collect())
}

/// The Pod with what our planner adds under `strict-eks`.
fn injected(pod: &Value) -> Value {
    let mut pod = pod.clone();
    let metadata = json!({"name": pod["metadata"]["name"], "annotations": pod["metadata"]["annotations"]});
    pod["metadata"] = metadata;
    let config = InjectConfig {
        region: Some(REGION.to_owned()),
        emulator_url: None,
        s3_url: None,
        sts_url: String::new(),
        sidecar_image: String::new(),
        native_sidecars: true,
        default_delivery: Delivery::WebIdentity,
        annotation_prefix: EKS_PREFIX.to_owned(),
        strict_eks: true,
    };
    let grant = Grant {
        identity: Identity::WebIdentity {
            role_arn: ROLE.to_owned(),
        },
        audience: DEFAULT_AUDIENCE.to_owned(),
        token_expiration: DEFAULT_TOKEN_EXPIRATION,
        regional_sts: false,
    };
    let planned = match PodView::of(&pod) {
        Ok(view) => plan_patch(&PlanInput {
            pod: &view,
            service_account: Some(&BTreeMap::new()),
            grant: Some(&grant),
            namespace_delivery: None,
            effect: &RuleEffect::default(),
            config: &config,
            jitter: 0,
        }),
        Err(problem) => PlanOutcome::Malformed(problem),
    };
    if let PlanOutcome::Patched { patch, .. } = planned
        && let Ok(patch) = serde_json::from_slice::<json_patch::Patch>(patch.as_bytes())
    {
        // A patch that does not apply leaves the Pod as it is, and the comparison fails.
        let _ = json_patch::patch(&mut pod, &patch);
    }
    pod
}

/// What a webhook can change, without what is empty: Amazon's writes `"resources": {}` where there was nothing.
fn essence(pod: &Value) -> Value {
    let mut essence = json!({"spec": pod["spec"], "labels": pod["metadata"]["labels"]});
    if let Some(annotations) = pod["metadata"]["annotations"].as_object() {
        essence["annotations"] = json!(annotations);
    }
    without_empty(&essence)
}

fn without_empty(value: &Value) -> Value {
    let empty = |value: &Value| {
        value.is_null()
            || value.as_object().is_some_and(serde_json::Map::is_empty)
            || value.as_array().is_some_and(Vec::is_empty)
    };
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, member)| (key.clone(), without_empty(member)))
            .filter(|(_, member)| !empty(member))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(without_empty).collect(),
        other => other.clone(),
    }
}

/// Amazon's webhook, as a process of this machine that the cluster's API server can reach.
struct Peer {
    child: Child,
    address: String,
    port: u16,
    certificate: String,
    _folder: tempfile::TempDir,
}

impl Peer {
    fn start(world: &World) -> Result<Self> {
        world.apply(
            &json!({"apiVersion": "v1", "kind": "List", "items": [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {INJECTION_LABEL: INJECTION_DISABLED}}},
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": NAMESPACE,
                    "annotations": {"eks.amazonaws.com/role-arn": ROLE}}}]})
            .to_string(),
        )?;
        let gateway = world
            .program(
                "docker",
                &[
                    "network",
                    "inspect",
                    "kind",
                    "--format",
                    "{{range .IPAM.Config}}{{.Gateway}} {{end}}",
                ],
            )?
            .code(0)?
            .out;
        let address = gateway
            .split_whitespace()
            .find(|address| address.contains('.'))
            .context("the network of kind has no gateway")?
            .to_owned();
        let folder = tempfile::tempdir()?;
        let made = rcgen::generate_simple_self_signed([address.clone()])?;
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        std::fs::write(&certificate, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        let [port, metrics] = free_ports()?;
        let child = world
            .command(&world.eks_webhook)
            .args([
                "--in-cluster=false".to_owned(),
                format!("--kubeconfig={}", world.kubeconfig().display()),
                "--namespace=default".to_owned(),
                format!("--port={port}"),
                format!("--metrics-port={metrics}"),
                format!("--tls-cert={}", certificate.display()),
                format!("--tls-key={}", key.display()),
                format!("--aws-default-region={REGION}"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start Amazon's webhook")?;
        Ok(Self {
            child,
            address,
            port,
            certificate: made.cert.pem(),
            _folder: folder,
        })
    }

    fn register(&self, world: &World) -> Result<()> {
        let bundle = base64::engine::general_purpose::STANDARD.encode(&self.certificate);
        let url = format!("https://{}:{}/mutate", self.address, self.port);
        let registration = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": REGISTRATION}, "webhooks": [{"name": "eks.e2e.invalid",
                // Its last release responds without a uid, which only v1beta1 allows.
                "admissionReviewVersions": ["v1beta1"], "sideEffects": "None", "failurePolicy": "Ignore",
                "clientConfig": {"url": url, "caBundle": bundle},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}]});
        world.apply(&registration.to_string())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_ports() -> Result<[u16; 2]> {
    let listeners = [
        std::net::TcpListener::bind(("0.0.0.0", 0))?,
        std::net::TcpListener::bind(("0.0.0.0", 0))?,
    ];
    Ok([
        listeners[0].local_addr()?.port(),
        listeners[1].local_addr()?.port(),
    ])
}
