//! Puts images on the nodes of a cluster whose nodes are containers, and looks there whether it worked.

use std::collections::BTreeSet;
use std::path::PathBuf;

use futures::StreamExt;

use super::bundle::Bundle;
use super::{OwnImage, stream};
use crate::docker::{Docker, DockerError, Feed};
use crate::failure::{Code, ExitStatus, Hint};
use crate::local::family::Family;
use crate::local::nodes::Node;

/// Why an image is not on a node.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Docker or the node refused.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// The import was reported as done, but the image is not there.
    #[error(
        "the import of {reference} on the node {node} was reported as done, but the node does not have it (it has: {found})"
    )]
    NotThere {
        /// The image.
        reference: String,
        /// The node.
        node: String,
        /// What the node has in its place.
        found: String,
    },
    /// The image is neither here nor can it be pulled.
    #[error("the image {reference} is neither on the node nor in the local Docker, and cannot be pulled")]
    Pull {
        /// The image.
        reference: String,
        /// Why.
        #[source]
        source: DockerError,
    },
    /// The bundle could not be written.
    #[error("{} could not be written", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The image is for another machine.
    #[error("the image {reference} is for {image}, but Docker runs {docker}")]
    Architecture {
        /// The image.
        reference: String,
        /// What it is for.
        image: String,
        /// What Docker runs.
        docker: String,
    },
}

impl Hint for LoadError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Docker(error) => error.hint(),
            Self::Pull { reference, .. } => Some(format!(
                "docker pull {reference}  (or: irsa-emu up --emulator-image IMAGE)"
            )),
            Self::NotThere { .. } | Self::Architecture { .. } | Self::Write { .. } => None,
        }
    }

    fn exit(&self) -> ExitStatus {
        match self {
            Self::Docker(error) => error.exit(),
            Self::NotThere { .. } | Self::Pull { .. } | Self::Architecture { .. } | Self::Write { .. } => {
                ExitStatus::Failed
            }
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Docker(error) => error.code(),
            Self::Write { .. } => Code::Failed,
            Self::NotThere { .. } | Self::Pull { .. } | Self::Architecture { .. } => Code::ImageUnusable,
        }
    }
}

/// What loading an image came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// It was on every node already.
    Present,
    /// It was put on at least one node.
    Now,
}

/// Puts an image of ours on every node.
pub async fn load_own(
    docker: &Docker,
    nodes: &[Node],
    image: &OwnImage,
    on_progress: &(dyn Fn(&str) + Sync),
) -> Result<Loaded, LoadError> {
    require_architecture(docker, &image.reference, image.architecture)?;
    let mut loaded = Loaded::Present;
    for node in nodes.iter().filter(|node| node.runs_pods) {
        if id_on(docker, node, &image.reference).await?.as_deref() == Some(&image.id) {
            continue;
        }
        on_progress(&format!("copying {} to {}", image.reference, node.name));
        let archive = image.archive.clone();
        // In pieces, so that a slow node does not hold one huge write.
        let pieces = (0..archive.len())
            .step_by(PIECE)
            .map(move |at| Ok(archive.slice(at..(at + PIECE).min(archive.len()))));
        import(docker, node, futures::stream::iter(pieces).boxed()).await?;
        let found = id_on(docker, node, &image.reference).await?;
        if found.as_deref() != Some(&image.id) {
            return Err(not_there(node, &image.reference, found));
        }
        loaded = Loaded::Now;
    }
    Ok(loaded)
}

/// Refuses an image for another machine.
fn require_architecture(docker: &Docker, reference: &str, architecture: &str) -> Result<(), LoadError> {
    if docker.architecture.is_empty() || docker.architecture == architecture {
        return Ok(());
    }
    Err(LoadError::Architecture {
        reference: reference.to_owned(),
        image: architecture.to_owned(),
        docker: docker.architecture.clone(),
    })
}

const PIECE: usize = 1 << 20;

/// Who fetches an image that is neither on the nodes nor in the local Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetch {
    /// The local Docker.
    Docker,
    /// The cluster itself, when the Pod starts.
    Cluster,
}

/// Puts the emulator's image on every node that lacks it: from the local Docker, else fetched.
pub async fn load_emulator(
    docker: &Docker,
    nodes: &[Node],
    reference: &str,
    fetch: Fetch,
    on_progress: &(dyn Fn(&str) + Sync),
) -> Result<Loaded, LoadError> {
    let mut lacking = Vec::new();
    for node in nodes.iter().filter(|node| node.runs_pods) {
        if id_on(docker, node, reference).await?.is_none() {
            lacking.push(node);
        }
    }
    if lacking.is_empty() {
        return Ok(Loaded::Present);
    }
    if fetch == Fetch::Cluster && !docker.has_image(reference).await? {
        return Ok(Loaded::Present);
    }
    pull_if_missing(docker, reference, on_progress).await?;
    for node in lacking {
        on_progress(&format!("copying {reference} to {}", node.name));
        import(docker, node, docker.export_image(reference).await?).await?;
        if id_on(docker, node, reference).await?.is_none() {
            return Err(not_there(node, reference, None));
        }
    }
    Ok(Loaded::Now)
}

/// Makes sure that the local Docker has an image.
pub(super) async fn pull_if_missing(
    docker: &Docker,
    reference: &str,
    on_progress: &(dyn Fn(&str) + Sync),
) -> Result<(), LoadError> {
    if docker.has_image(reference).await? {
        return Ok(());
    }
    on_progress(&format!("pulling {reference}"));
    let on_pull = |done: &str| on_progress(&format!("pulling {reference}: {done}"));
    let pulled = docker.pull(reference, &on_pull).await;
    pulled.map_err(|source| LoadError::Pull {
        reference: reference.to_owned(),
        source,
    })
}

/// Puts the images of a bundle on every node that lacks them, without asking Docker for any image.
pub async fn load_bundle(
    docker: &Docker,
    nodes: &[Node],
    bundle: &Bundle,
    on_progress: &(dyn Fn(&str) + Sync),
) -> Result<usize, LoadError> {
    for image in &bundle.index.images {
        require_architecture(docker, &image.reference, &image.architecture)?;
    }
    let mut loaded = BTreeSet::new();
    for node in nodes.iter().filter(|node| node.runs_pods) {
        let mut lacking = Vec::new();
        for image in &bundle.index.images {
            let found = id_on(docker, node, &image.reference).await?;
            if found.is_none() || (image.id.is_some() && found != image.id) {
                lacking.push(image.reference.clone());
            }
        }
        if lacking.is_empty() {
            continue;
        }
        on_progress(&format!("copying {} to {}", lacking.join(", "), node.name));
        let (bundle, wanted) = (bundle.clone(), lacking.clone());
        import(
            docker,
            node,
            stream::written(move |into| bundle.extract(&wanted, into)),
        )
        .await?;
        for reference in lacking {
            if id_on(docker, node, &reference).await?.is_none() {
                return Err(not_there(node, &reference, None));
            }
            loaded.insert(reference);
        }
    }
    Ok(loaded.len())
}

fn not_there(node: &Node, reference: &str, found: Option<String>) -> LoadError {
    let found = found.unwrap_or_else(|| "nothing of that name".to_owned());
    LoadError::NotThere {
        reference: reference.to_owned(),
        node: node.name.clone(),
        found,
    }
}

/// The id of an image as the kubelet's runtime on a node sees it.
pub async fn id_on(docker: &Docker, node: &Node, reference: &str) -> Result<Option<String>, DockerError> {
    let ran = docker
        .exec(&node.id, &["crictl", "inspecti", reference], None)
        .await?;
    if ran.code != 0 {
        return Ok(None);
    }
    let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
    Ok(answer
        .pointer("/status/id")
        .and_then(serde_json::Value::as_str)
        .map(str::to_owned))
}

/// Imports an archive. Without `--all-platforms`: an archive of a multi-platform image lists platforms it lacks.
async fn import(docker: &Docker, node: &Node, feed: Feed) -> Result<(), DockerError> {
    let config = docker.exec(&node.id, configuration(node.family), None).await?;
    let command = import_command(node.family, snapshotter(&config.stdout));
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    docker.exec_ok(&node.id, &command, Some(feed)).await.map(|_| ())
}

/// The command that prints the configuration of a node's containerd.
fn configuration(family: Family) -> &'static [&'static str] {
    match family {
        Family::Kind => &["containerd", "config", "dump"],
        Family::K3d => &["cat", "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"],
    }
}

/// The command that imports an archive from its stdin.
fn import_command(family: Family, snapshotter: &str) -> Vec<String> {
    let mut command = vec!["ctr".to_owned()];
    if family == Family::K3d {
        command.push("--address=/run/k3s/containerd/containerd.sock".to_owned());
    }
    command.extend(["--namespace=k8s.io", "images", "import"].map(str::to_owned));
    command.extend([format!("--snapshotter={snapshotter}"), "-".to_owned()]);
    command
}

/// The snapshotter that a node's containerd is configured with.
fn snapshotter(config: &str) -> &str {
    config.lines().find_map(snapshotter_in).unwrap_or("overlayfs")
}

fn snapshotter_in(line: &str) -> Option<&str> {
    let value = line
        .trim()
        .strip_prefix("snapshotter")?
        .trim_start()
        .strip_prefix('=')?;
    Some(value.trim().trim_matches(['"', '\''])).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_its_containerd() {
        assert_eq!(
            import_command(Family::Kind, "overlayfs").join(" "),
            "ctr --namespace=k8s.io images import --snapshotter=overlayfs -"
        );
        assert_eq!(
            import_command(Family::K3d, "native").join(" "),
            "ctr --address=/run/k3s/containerd/containerd.sock --namespace=k8s.io images import --snapshotter=native -"
        );
    }

    #[test]
    fn the_snapshotter_comes_from_the_configuration() {
        assert_eq!(
            snapshotter("[plugins]\n  snapshotter = \"\"\n  snapshotter = \"native\"\n"),
            "native"
        );
        assert_eq!(
            snapshotter("    snapshotter = 'fuse-overlayfs'"),
            "fuse-overlayfs"
        );
        assert_eq!(snapshotter("snapshotter_label = \"x\""), "overlayfs");
        assert_eq!(snapshotter(""), "overlayfs");
    }
}
