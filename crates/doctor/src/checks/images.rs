//! Images: those that the install names are on every node.

use std::collections::BTreeSet;

use futures::FutureExt;
use futures::future::try_join_all;
use irsa_emu_cluster::kubernetes::deployment::image;
use irsa_emu_core::causes::chain;
use irsa_emu_core::contract::EMULATOR;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::ListParams;
use serde_json::Value;

use super::engine::{Check, Phase, Severity, Trouble, Verdict, fine};
use crate::checks::surroundings::Surroundings;
use crate::remedy::Remedy;

pub(super) fn checks<'x>() -> Vec<Check<Surroundings<'x>>> {
    vec![Check {
        id: "images-present",
        phase: Phase::Images,
        needs: &["k8s-context-safe"],
        severity: Severity::Error,
        title: "the images of webhook, sidecar and emulator are on every node",
        run: |s| present(s).boxed(),
    }]
}

async fn present(s: &Surroundings<'_>) -> Verdict {
    let webhook = s.webhook().await?;
    let emulator = if s.is_real_aws().await? {
        None
    } else {
        image(&s.deployment(EMULATOR).await?)
    };
    let sidecar = Some(s.settings().await?.inject.sidecar_image).filter(|image| !image.is_empty());
    let wanted: Vec<String> = [image(webhook), emulator, sidecar]
        .into_iter()
        .flatten()
        .collect();
    let nodes = s.nodes().await.unwrap_or_default();
    if nodes.is_empty() {
        return as_nodes_tell(s, &wanted).await;
    }
    let docker = s.docker().await?;
    let running = nodes.iter().filter(|node| node.running && node.runs_pods);
    let asked = running.flat_map(|node| wanted.iter().map(move |image| (node, image)));
    let answers = try_join_all(asked.map(|(node, image)| async move {
        let ran = docker
            .exec(&node.name, &["crictl", "inspecti", image], None)
            .await
            .map_err(|error| Trouble::new(chain(&error), format!("docker logs {}", node.name)))?;
        let told = if ran.code == 0 { Some(ran.stdout) } else { None };
        match judge(image, told.as_deref(), &docker.architecture) {
            None => Ok(()),
            Some(why) => {
                let trouble = Trouble::new(why, s.session.command("up")).about(format!("Node {}", node.name));
                Err(trouble.repaired_by(Remedy::Up))
            }
        }
    }));
    answers.await?;
    fine(wanted.join(", "))
}

/// What is wrong with an image on a node. `told` is what the node reports of it, if it has it.
fn judge(image: &str, told: Option<&str>, architecture: &str) -> Option<String> {
    let Some(told) = told else {
        return Some(format!("the image {image} is not on it"));
    };
    let told: Value = serde_json::from_str(told).unwrap_or_default();
    let found = told
        .pointer("/info/imageSpec/architecture")
        .and_then(Value::as_str)?;
    (!architecture.is_empty() && found != architecture)
        .then(|| format!("the image {image} is for {found}, but the node runs {architecture}"))
}

/// Nodes list only some of their images, so an image that is not listed may still be there.
async fn as_nodes_tell(s: &Surroundings<'_>, wanted: &[String]) -> Verdict {
    let nodes = Api::<Node>::all(s.client().await?)
        .list(&ListParams::default())
        .await?;
    for node in nodes {
        let told: BTreeSet<String> = node
            .status
            .and_then(|status| status.images)
            .into_iter()
            .flatten()
            .flat_map(|image| image.names.unwrap_or_default())
            .map(|name| short(&name))
            .collect();
        let lacking: Vec<&String> = wanted
            .iter()
            .filter(|image| !told.contains(&short(image)))
            .collect();
        if let Some(image) = lacking.first() {
            let name = node.metadata.name.unwrap_or_default();
            let message = format!("the node does not list the image {image}; it may have to pull it");
            let fix = s.kubectl(&format!("describe node {name}"));
            return Err(Trouble::warning(message, fix).about(format!("Node {name}")));
        }
    }
    fine(wanted.join(", "))
}

/// A reference without the registry that is meant where none is written.
fn short(image: &str) -> String {
    let image = image.strip_prefix("docker.io/").unwrap_or(image);
    image.strip_prefix("library/").unwrap_or(image).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_must_be_there_and_for_this_machine() {
        let told = r#"{"status": {}, "info": {"imageSpec": {"architecture": "arm64", "os": "linux"}}}"#;
        assert_eq!(judge("i:1", Some(told), "arm64"), None);
        assert!(judge("i:1", Some(told), "amd64").is_some_and(|why| why.contains("is for arm64")));
        assert!(judge("i:1", None, "amd64").is_some_and(|why| why.ends_with("is not on it")));
        // Who cannot tell is not blamed.
        assert_eq!(judge("i:1", Some("{}"), "amd64"), None);
        assert_eq!(judge("i:1", Some(told), ""), None);
    }

    #[test]
    fn names_with_and_without_the_default_registry_are_the_same() {
        assert_eq!(
            short("docker.io/localstack/localstack:4"),
            short("localstack/localstack:4")
        );
        assert_eq!(short("docker.io/library/busybox:1"), "busybox:1");
    }
}
