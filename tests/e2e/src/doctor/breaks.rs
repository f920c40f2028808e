//! What is broken, and how it is fixed.

use anyhow::Result;
use irsa_emu_core::contract::{
    self, API_GROUP, API_VERSION, DEFAULT_ACCOUNT, DEFAULT_REGION, DELIVERY, INJECTION_DISABLED,
    INJECTION_LABEL, STS_FRONT, WEBHOOK, WEBHOOK_TIMEOUT,
};
use serde_json::json;

use super::emulator;
use super::means::{
    ACCOUNT, NAMESPACE, RIVAL, SECRET, annotate, delete_pod, expired, foreign_ca, make_pod, make_role,
    make_viewer, patch_registration, put_certificate, remove_image, rival, set_sts_url, sidecar_image, trust,
    viewer,
};
use crate::world::{CONTEXT, World};

const KEY: &str = r#"{"KeyId": "d0c70a11-0000-4000-8000-000000000001"}"#;

/// How the doctor is asked.
#[derive(Clone, Copy)]
pub(super) enum Ask {
    /// As usual.
    Usual,
    /// With a Pod of its own, too, which takes a while.
    WithProbe,
    /// Only this check, with these words.
    Only(&'static str, fn(&World) -> Vec<String>),
    /// With this variable.
    Variable(&'static str, &'static str),
}

/// Something that is broken.
pub(super) struct Break {
    /// The checks that find it, and no others.
    pub(super) ids: &'static [&'static str],
    /// How it is broken.
    pub(super) how: &'static str,
    pub(super) ask: Ask,
    pub(super) by: fn(&World) -> Result<()>,
    pub(super) back: fn(&World) -> Result<()>,
}

/// Labels the Namespace of the canary.
fn label_default(world: &World, label: &str) -> Result<()> {
    world.kubectl(&["label", "namespace", "default", label])?;
    Ok(())
}

const NOTHING: fn(&World) -> Result<()> = |_| Ok(());

/// What stays broken while the keeper works.
pub(super) const ALONE: &[Break] = &[
    Break {
        ids: &["host-docker-socket"],
        how: "`DOCKER_HOST` names a socket that is not there",
        ask: Ask::Variable("DOCKER_HOST", "unix:///nonexistent/docker.sock"),
        by: NOTHING,
        back: NOTHING,
    },
    Break {
        ids: &["host-provider"],
        how: "`kind` is not in PATH",
        ask: Ask::Variable("PATH", "/nonexistent"),
        by: NOTHING,
        back: NOTHING,
    },
    Break {
        ids: &["host-proxy"],
        how: "`ALL_PROXY` is set, `NO_PROXY` is not",
        ask: Ask::Variable("ALL_PROXY", "http://192.0.2.1:3128"),
        by: NOTHING,
        back: NOTHING,
    },
    Break {
        ids: &["k8s-context-safe"],
        how: "`--context` names a context that is not there",
        ask: Ask::Variable("IRSA_EMU_CONTEXT", "kind-nowhere"),
        by: NOTHING,
        back: NOTHING,
    },
    Break {
        ids: &["k8s-rbac"],
        how: "the kubeconfig is that of a ServiceAccount which may only view",
        ask: Ask::Only("k8s-rbac", |world| {
            vec![
                "--kubeconfig".to_owned(),
                viewer(world),
                "--context".to_owned(),
                CONTEXT.to_owned(),
            ]
        }),
        by: make_viewer,
        back: |world| {
            std::fs::remove_file(viewer(world))?;
            world.kubectl(&["delete", "clusterrolebinding", "e2e-doctor-viewer"])?;
            Ok(())
        },
    },
    Break {
        ids: &["k8s-core-ready"],
        how: "CoreDNS is given an image that does not exist",
        ask: Ask::Usual,
        by: |world| {
            let image = "coredns=irsa-emu.test/none:1";
            world.kubectl(&["-n", "kube-system", "set", "image", "deployment/coredns", image])?;
            Ok(())
        },
        back: |world| {
            world.kubectl(&["-n", "kube-system", "rollout", "undo", "deployment/coredns"])?;
            world.kubectl(&[
                "-n",
                "kube-system",
                "rollout",
                "status",
                "deployment/coredns",
                "--timeout=60s",
            ])?;
            Ok(())
        },
    },
    Break {
        ids: &["images-present"],
        how: "the sidecar's image is removed from the node",
        ask: Ask::WithProbe,
        by: |world| remove_image(world, &sidecar_image(world)?),
        back: |world| {
            world
                .irsa_emu(&["doctor", "--fix", "--yes", "--only", "images-present"])?
                .code(0)?;
            Ok(())
        },
    },
    Break {
        ids: &["emu-reach-host"],
        how: "the Namespace's annotation names a port that nobody listens on",
        ask: Ask::Usual,
        by: |world| {
            annotate(
                world,
                &["namespace", contract::NAMESPACE],
                "irsa-emu.dev/host-endpoint=http://127.0.0.1:1",
            )
        },
        back: |world| {
            let endpoint = format!("irsa-emu.dev/host-endpoint={}", world.host_endpoint());
            annotate(world, &["namespace", contract::NAMESPACE], &endpoint)
        },
    },
    Break {
        ids: &["emu-reach-pod"],
        how: "the webhook's `--sts-url` names a Service that is not there",
        ask: Ask::WithProbe,
        by: |world| set_sts_url(world, &contract::sts_front_url().replace(STS_FRONT, "nowhere")),
        back: |world| set_sts_url(world, &contract::sts_front_url()),
    },
    Break {
        ids: &["wh-ready"],
        how: "the webhook is scaled to 0",
        ask: Ask::Usual,
        by: |world| world.scale_down(WEBHOOK),
        back: |world| world.scale_up(WEBHOOK, 2),
    },
    Break {
        ids: &["wh-dryrun"],
        how: "the Namespace of the canary has `irsa-emu.dev/injection=disabled`",
        ask: Ask::Usual,
        by: |world| label_default(world, &format!("{INJECTION_LABEL}={INJECTION_DISABLED}")),
        back: |world| label_default(world, &format!("{INJECTION_LABEL}-")),
    },
    Break {
        ids: &["wh-conflict"],
        how: "a second MutatingWebhookConfiguration `pod-identity-webhook`",
        ask: Ask::Usual,
        by: |world| world.apply(&rival().to_string()),
        back: |world| {
            world.kubectl(&["delete", "mutatingwebhookconfiguration", RIVAL])?;
            Ok(())
        },
    },
    Break {
        ids: &["sa-annotation"],
        how: "a ServiceAccount has `eks.amazonaws.com/role_arn`",
        ask: Ask::Usual,
        by: |world| {
            let typo = "eks.amazonaws.com/role_arn=arn:aws:iam::123456789012:role/e2e-doctor-role";
            annotate(world, &["serviceaccount", "-n", NAMESPACE, "default"], typo)
        },
        back: |world| {
            annotate(
                world,
                &["serviceaccount", "-n", NAMESPACE, "default"],
                "eks.amazonaws.com/role_arn-",
            )
        },
    },
    Break {
        ids: &["role-exists"],
        how: "an annotation names the role below another path",
        ask: Ask::Usual,
        by: |world| {
            let other = "eks.amazonaws.com/role-arn=arn:aws:iam::123456789012:role/other/e2e-doctor-role";
            annotate(world, &["serviceaccount", "-n", NAMESPACE, "role"], other)
        },
        back: |world| {
            let own = "eks.amazonaws.com/role-arn=arn:aws:iam::123456789012:role/e2e-doctor-role";
            annotate(world, &["serviceaccount", "-n", NAMESPACE, "role"], own)
        },
    },
    Break {
        ids: &["sts-webidentity"],
        how: "the canary's role trusts another ServiceAccount",
        ask: Ask::Usual,
        by: |world| trust(world, DEFAULT_ACCOUNT, "irsa-emu-canary", "default:somebody-else"),
        back: |world| {
            emulator::iam(
                world,
                DEFAULT_ACCOUNT,
                "Action=DeleteRole&RoleName=irsa-emu-canary",
            )
        },
    },
    Break {
        ids: &["recipes-ready"],
        how: "a Recipe wants a role of a name that is taken below another path",
        ask: Ask::Usual,
        by: |world| {
            let recipe = json!({
                "apiVersion": format!("{API_GROUP}/{API_VERSION}"), "kind": "Recipe", "metadata": {"name": "e2e-doctor-broken"},
                "spec": {"account": ACCOUNT, "region": DEFAULT_REGION,
                    "iam": {"roles": [{"name": "e2e-doctor-role", "path": "/other/"}]}},
            });
            world.apply(&recipe.to_string())?;
            let told = "--for=condition=Ready=false";
            world.kubectl(&["wait", told, "recipe/e2e-doctor-broken", "--timeout=30s"])?;
            Ok(())
        },
        back: |world| {
            world.kubectl(&["delete", "recipe", "e2e-doctor-broken"])?;
            Ok(())
        },
    },
    Break {
        ids: &["kms-key"],
        how: "the key is disabled in the emulator",
        ask: Ask::Usual,
        by: |world| emulator::kms(world, ACCOUNT, "DisableKey", KEY),
        back: |world| emulator::kms(world, ACCOUNT, "EnableKey", KEY),
    },
    Break {
        ids: &["pod-not-injected"],
        how: "a ServiceAccount is annotated after its Pod was created",
        ask: Ask::Usual,
        by: |world| {
            make_pod(world, "late", &json!({}))?;
            let role = "eks.amazonaws.com/role-arn=arn:aws:iam::123456789012:role/e2e-doctor-late";
            annotate(world, &["serviceaccount", "-n", NAMESPACE, "late"], role)
        },
        back: delete_pod,
    },
    Break {
        ids: &["pod-stale"],
        how: "the token's lifetime is changed after a Pod was injected",
        ask: Ask::Usual,
        by: |world| {
            make_pod(world, "role", &json!({}))?;
            let lifetime = "eks.amazonaws.com/token-expiration=7200";
            annotate(world, &["serviceaccount", "-n", NAMESPACE, "role"], lifetime)
        },
        back: |world| {
            let lifetime = "eks.amazonaws.com/token-expiration-";
            annotate(world, &["serviceaccount", "-n", NAMESPACE, "role"], lifetime)?;
            delete_pod(world)
        },
    },
    Break {
        ids: &["pod-sidecar"],
        how: "a Pod with a sidecar finds no node",
        ask: Ask::Usual,
        by: |world| make_pod(world, "role", &json!({DELIVERY: "sidecar"})),
        back: delete_pod,
    },
    Break {
        ids: &["pod-region"],
        how: "a container sets `AWS_REGION`, and not `AWS_DEFAULT_REGION`",
        ask: Ask::Usual,
        by: |world| make_pod(world, "role", &json!({"region": "eu-west-1"})),
        back: delete_pod,
    },
];

/// What the webhook would mend within seconds.
pub(super) const WITHOUT_KEEPER: &[Break] = &[
    Break {
        ids: &["emu-state"],
        how: "the role of a Recipe is deleted in the emulator, and no keeper restores it",
        ask: Ask::Usual,
        by: |world| emulator::iam(world, ACCOUNT, "Action=DeleteRole&RoleName=e2e-doctor-role"),
        back: |world| make_role(world, "e2e-doctor-role", &format!("{NAMESPACE}:role")),
    },
    Break {
        ids: &["role-trust"],
        how: "the role's trust policy in the emulator names another ServiceAccount",
        ask: Ask::Usual,
        by: |world| trust(world, ACCOUNT, "e2e-doctor-role", "e2e-doctor:somebody-else"),
        back: |world| trust(world, ACCOUNT, "e2e-doctor-role", "e2e-doctor:role"),
    },
    Break {
        ids: &["role-trust", "kms-roundtrip"],
        how: "the trust policy of the role that uses the key names another ServiceAccount",
        ask: Ask::Usual,
        by: |world| trust(world, ACCOUNT, "e2e-doctor-key", "e2e-doctor:somebody-else"),
        back: |world| trust(world, ACCOUNT, "e2e-doctor-key", "e2e-doctor:key"),
    },
    Break {
        ids: &["wh-config"],
        how: "the registration's timeout is 30 s",
        ask: Ask::Usual,
        by: |world| patch_registration(world, "/webhooks/0/timeoutSeconds", &json!(30)),
        back: |world| patch_registration(world, "/webhooks/0/timeoutSeconds", &json!(WEBHOOK_TIMEOUT)),
    },
    Break {
        ids: &["wh-ca-match"],
        how: "`caBundle` is another CA",
        ask: Ask::Usual,
        by: |world| patch_registration(world, "/webhooks/0/clientConfig/caBundle", &json!(foreign_ca()?)),
        back: |world| {
            let own = world.get(SECRET)?["data"]["ca.crt"].clone();
            patch_registration(world, "/webhooks/0/clientConfig/caBundle", &own)
        },
    },
    Break {
        ids: &["wh-cert-expiry"],
        how: "the webhook is scaled to 0, and its Secret holds an expired certificate",
        ask: Ask::Usual,
        by: |world| {
            world.scale_down(WEBHOOK)?;
            put_certificate(world, Some(&expired()?))
        },
        // What cannot be used the webhook makes anew, once one may lead again.
        back: |world| {
            put_certificate(world, None)?;
            world.scale(WEBHOOK, 2)
        },
    },
];
