//! The cluster: the right one, recent enough, open to us, ready, and able to issue tokens.

mod clock;
mod oidc;
mod rbac;

use futures::FutureExt;
use irsa_emu_cluster::kubernetes::ready;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::ListParams;

use super::engine::{Check, Phase, Severity, Trouble, Verdict, fine};
use crate::checks::surroundings::Surroundings;

/// First version with native sidecars.
const NATIVE_SIDECARS: (u32, u32) = (1, 29);

pub(super) fn checks<'x>() -> Vec<Check<Surroundings<'x>>> {
    vec![
        Check {
            id: "k8s-context-safe",
            phase: Phase::Cluster,
            needs: &[],
            severity: Severity::Error,
            title: "the context exists, is local, and its API server responds",
            run: |s| context_safe(s).boxed(),
        },
        Check {
            id: "k8s-version",
            phase: Phase::Cluster,
            needs: &["k8s-context-safe"],
            severity: Severity::Error,
            title: "Kubernetes is recent enough for native sidecars",
            run: |s| version(s).boxed(),
        },
        Check {
            id: "k8s-rbac",
            phase: Phase::Cluster,
            needs: &["k8s-context-safe"],
            severity: Severity::Error,
            title: "you may do in the cluster what irsa-emu does for you",
            run: |s| rbac::allowed(s).boxed(),
        },
        Check {
            id: "k8s-core-ready",
            phase: Phase::Cluster,
            needs: &["k8s-context-safe"],
            severity: Severity::Error,
            title: "nodes, DNS and the default ServiceAccount are ready",
            run: |s| core_ready(s).boxed(),
        },
        Check {
            id: "k8s-oidc",
            phase: Phase::Cluster,
            needs: &["k8s-core-ready"],
            severity: Severity::Error,
            title: "the cluster issues tokens for AWS, and publishes its keys",
            run: |s| oidc::issues_tokens(s).boxed(),
        },
        Check {
            id: "k8s-clock",
            phase: Phase::Cluster,
            needs: &["k8s-core-ready"],
            severity: Severity::Warning,
            title: "this machine, the API server and the nodes agree about the time",
            run: |s| clock::agree(s).boxed(),
        },
    ]
}

async fn context_safe(s: &Surroundings<'_>) -> Verdict {
    let cluster = s.cluster().await?;
    fine(format!(
        "context {}, Kubernetes {}",
        cluster.context, cluster.version
    ))
}

async fn version(s: &Surroundings<'_>) -> Verdict {
    let up = format!("{} --node-image kindest/node:v1.34.0", s.session.command("up"));
    judge_version(&s.cluster().await?.version, up, || s.kubectl("version"))
}

fn judge_version(version: &str, newer: String, ask: impl Fn() -> String) -> Verdict {
    match minor(version) {
        Some(found) if found < NATIVE_SIDECARS => {
            let message = format!(
                "Kubernetes {version} has no native sidecars: Pods with delivery `sidecar` get an ordinary container, \
and Jobs with it do not end"
            );
            Err(Trouble::warning(message, newer))
        }
        Some(_) => fine(format!("Kubernetes {version}")),
        None => Err(Trouble::warning(
            format!("the API server reports the version `{version}`, which cannot be read"),
            ask(),
        )),
    }
}

/// Major and minor of `v1.34.4`.
fn minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((
        parts.next()?.parse().ok()?,
        parts.next()?.trim_end_matches('+').parse().ok()?,
    ))
}

async fn core_ready(s: &Surroundings<'_>) -> Verdict {
    let client = s.client().await?;
    let params = ListParams::default();
    let nodes = Api::<Node>::all(client.clone());
    let (lacking, nodes) = tokio::try_join!(ready::lacking(&client), nodes.list(&params))?;
    let pressed = nodes.iter().flat_map(pressures);
    let lacking: Vec<String> = lacking.into_iter().chain(pressed).collect();
    if lacking.is_empty() {
        return fine("nodes, DNS and the default ServiceAccount are ready");
    }
    Err(Trouble::new(lacking.join("; "), s.kubectl("describe nodes")))
}

/// What a node reports that it runs out of: it takes no new Pods then, and evicts some.
fn pressures(node: &Node) -> Vec<String> {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let pressed = conditions
        .into_iter()
        .flatten()
        .filter(|condition| condition.type_.ends_with("Pressure") && condition.status == "True");
    let name = node.metadata.name.as_deref().unwrap_or("?");
    pressed
        .map(|condition| {
            let why = condition.message.as_deref().unwrap_or_default();
            format!("node {name} has {}: {why}", condition.type_)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_every_vendor_are_read() {
        for (text, expected) in [
            ("v1.34.4", Some((1, 34))),
            ("v1.29.1+k3s2", Some((1, 29))),
            ("v1.28+", Some((1, 28))),
            ("nonsense", None),
        ] {
            assert_eq!(minor(text), expected, "{text}");
        }
        assert!((1, 9) < NATIVE_SIDECARS && (1, 100) > NATIVE_SIDECARS);
    }

    #[test]
    fn only_a_version_without_native_sidecars_is_a_trouble() {
        let judge =
            |version| judge_version(version, "newer".into(), || "ask".into()).map_err(|trouble| trouble.fix);
        assert!(judge("v1.29.0").is_ok());
        assert_eq!(judge("v1.28.9").unwrap_err(), "newer");
        assert_eq!(judge("?").unwrap_err(), "ask");
    }

    #[test]
    fn a_node_under_pressure_is_named() {
        let node: Node = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "n"},
            "status": {"conditions": [
                {"type": "MemoryPressure", "status": "False"},
                {"type": "DiskPressure", "status": "True", "message": "kubelet has disk pressure"},
                {"type": "Ready", "status": "True"},
            ]},
        }))
        .unwrap();
        assert_eq!(
            pressures(&node),
            ["node n has DiskPressure: kubelet has disk pressure"]
        );
        assert!(pressures(&Node::default()).is_empty());
    }
}
