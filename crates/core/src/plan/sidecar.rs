//! The credentials sidecar of a Pod.

use serde_json::{Value, json};

use super::pod_plan::PodPlan;
use super::volumes::VolumeMount;
use crate::contract::{
    CREDENTIALS_MOUNT, CREDENTIALS_VOLUME, RUN_AS, SIDECAR, SIDECAR_PORT, TOKEN_FILE, TOKEN_MOUNT,
    TOKEN_VOLUME, env, sidecar_env,
};
use crate::patch::Additions;
use crate::pod_view::{ContainerList, PodView};

/// Init containers of service meshes: without them the sidecar has no network, so it comes after the last of them.
const MESH: [&str; 6] = [
    "istio-init",
    "istio-validation",
    "istio-proxy",
    "linkerd-init",
    "linkerd-network-validator",
    "linkerd-proxy",
];

/// Adds the sidecar where the Pod has none: as a native one, or below Kubernetes 1.29 as an ordinary container.
pub(super) fn add_sidecar(plan: &PodPlan<'_>, additions: &mut Additions) {
    if plan
        .pod
        .all_containers()
        .any(|container| container.name() == SIDECAR)
    {
        return;
    }
    let container = [container(plan)];
    if plan.input.config.native_sidecars {
        let is_there = plan.pod.has_list(ContainerList::Init);
        additions.insert("/spec/initContainers", is_there, insert_at(plan.pod), &container);
    } else {
        additions.append("/spec/containers", true, &container);
    }
}

/// Position of the sidecar among the init containers; those before it run without credentials.
pub(super) fn insert_at(pod: &PodView<'_>) -> usize {
    let is_mesh = |name: &str| MESH.contains(&name) || name.starts_with("kuma-");
    let after = pod
        .containers(ContainerList::Init)
        .filter(|container| is_mesh(container.name()))
        .map(|c| c.index + 1);
    after.max().unwrap_or(0)
}

fn container(plan: &PodPlan<'_>) -> Value {
    let config = plan.input.config;
    let mut container = json!({
        "name": SIDECAR,
        "image": config.sidecar_image,
        "imagePullPolicy": "IfNotPresent",
        "env": [
            {"name": env::ROLE_ARN, "value": plan.grant.role_arn()},
            {"name": env::TOKEN_FILE, "value": format!("{TOKEN_MOUNT}/{TOKEN_FILE}")},
            {"name": sidecar_env::STS_URL, "value": config.sts_url},
            {"name": sidecar_env::LISTEN, "value": format!("127.0.0.1:{SIDECAR_PORT}")},
            {"name": sidecar_env::CREDENTIALS_DIR, "value": CREDENTIALS_MOUNT},
            {"name": sidecar_env::WRITE_CREDENTIALS_FILE, "value": plan.input.effect.credentials_file.to_string()},
            {"name": sidecar_env::SESSION_NAME, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "volumeMounts": [
            VolumeMount {name: TOKEN_VOLUME, read_only: true, mount_path: TOKEN_MOUNT},
            VolumeMount {name: CREDENTIALS_VOLUME, read_only: false, mount_path: CREDENTIALS_MOUNT},
        ],
        // On the container, as Pod Security "restricted" does not accept all of it from the Pod.
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "privileged": false,
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "runAsUser": RUN_AS,
            "runAsGroup": RUN_AS,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    });
    // Kubernetes refuses a Pod whose containers ask for more than the Pod itself: there its own resources bound ours too.
    if !plan.pod.has_own_resources() {
        container["resources"] = json!({
            "requests": {"cpu": "5m", "memory": "8Mi"},
            "limits": {"cpu": "200m", "memory": "32Mi"},
        });
    }
    if config.native_sidecars {
        container["restartPolicy"] = json!("Always");
        // The app starts when this passes. It asks by exec, as the endpoint listens on loopback only; and for an hour,
        // as a sidecar that is killed before its start leaves Pods with restartPolicy Never hanging (kubernetes#132826).
        container["startupProbe"] = json!({
            "exec": {"command": ["/irsa-emu-sidecar", "probe"]},
            "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 3600,
        });
    }
    container
}
