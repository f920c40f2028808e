//! The proxies that go with an install: that of its cluster, and those whose cluster is gone already.

use std::collections::BTreeSet;

use crate::docker::{Docker, DockerError};
use crate::exec::CommandRunner;
use crate::failure::{Code, ExitStatus, Hint};
use crate::local::family::Family;
use crate::local::proxy::Proxy;

/// Why a proxy is still there.
#[derive(Debug, thiserror::Error)]
pub enum ProxiesError {
    /// Docker refused.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// Docker did not refuse.
    #[error("Docker reported success, but this is left: container {}", .0.join(", "))]
    Left(Vec<String>),
}

impl Hint for ProxiesError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Docker(error) => error.hint(),
            Self::Left(names) => Some(format!("docker rm --force {}", names.join(" "))),
        }
    }

    fn exit(&self) -> ExitStatus {
        match self {
            Self::Docker(error) => error.exit(),
            Self::Left(_) => ExitStatus::Failed,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Docker(error) => error.code(),
            Self::Left(_) => Code::LeftBehind,
        }
    }
}

/// Proxies that are to go.
#[derive(Debug, Default)]
pub struct Proxies {
    /// None where no Docker responds: what it had runs no more.
    docker: Option<Docker>,
    instance: String,
    leaving: Vec<Proxy>,
    /// Whether one of them is of the cluster that is meant, and that cluster is gone.
    of_gone_cluster: bool,
}

impl Proxies {
    /// Those that go when the install in a cluster goes.
    pub async fn leaving(
        runner: &dyn CommandRunner,
        instance: &str,
        cluster: Option<&str>,
    ) -> Result<Self, DockerError> {
        let Ok(docker) = Docker::connect(runner).await else {
            return Ok(Self::default());
        };
        let all = docker.proxies(instance).await?;
        let clusters: BTreeSet<&str> = all.iter().map(|proxy| proxy.spec.cluster.as_str()).collect();
        let mut gone = BTreeSet::new();
        for name in clusters {
            if is_gone(&docker, name).await? {
                gone.insert(name.to_owned());
            }
        }
        let leaving = leaving(all, cluster, &gone);
        let of_gone_cluster = leaving
            .iter()
            .any(|proxy| Some(proxy.spec.cluster.as_str()) == cluster && gone.contains(&proxy.spec.cluster));
        Ok(Self {
            docker: Some(docker),
            instance: instance.to_owned(),
            leaving,
            of_gone_cluster,
        })
    }

    /// Whether there is nothing to remove.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leaving.is_empty()
    }

    /// Whether they are all that is left of the cluster that is meant.
    #[must_use]
    pub fn are_all_that_is_left(&self) -> bool {
        self.of_gone_cluster
    }

    /// What would be removed, for people.
    #[must_use]
    pub fn titles(&self) -> Vec<String> {
        self.leaving
            .iter()
            .map(|proxy| format!("container {}", proxy.name))
            .collect()
    }

    /// Removes them, and looks whether they are gone.
    pub async fn remove(&self) -> Result<(), ProxiesError> {
        let (Some(docker), false) = (&self.docker, self.is_empty()) else {
            return Ok(());
        };
        for proxy in &self.leaving {
            docker.remove_container(&proxy.id).await?;
            docker.remove_unused_image(&proxy.spec.image).await;
        }
        let there = docker.proxies(&self.instance).await?;
        let left: Vec<String> = there
            .into_iter()
            .filter(|proxy| self.leaving.iter().any(|leaving| leaving.id == proxy.id))
            .map(|proxy| proxy.name)
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(ProxiesError::Left(left))
        }
    }
}

/// Whether a cluster has no container any more.
async fn is_gone(docker: &Docker, cluster: &str) -> Result<bool, DockerError> {
    match Family::of_context(cluster) {
        Some((family, name)) => Ok(docker.nodes(family, name).await?.is_empty()),
        None => Ok(false),
    }
}

/// Those of the cluster that is meant, and those of clusters that are gone.
fn leaving(all: Vec<Proxy>, cluster: Option<&str>, gone: &BTreeSet<String>) -> Vec<Proxy> {
    all.into_iter()
        .filter(|proxy| {
            let name = proxy.spec.cluster.as_str();
            Some(name) == cluster || gone.contains(name)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::proxy::ProxySpec;

    #[test]
    fn a_proxy_goes_with_its_cluster_and_one_of_another_cluster_stays() {
        let proxy = |cluster: &str| Proxy {
            spec: ProxySpec {
                cluster: cluster.into(),
                ..ProxySpec::default()
            },
            ..Proxy::default()
        };
        let all = || vec![proxy("k3d-gone"), proxy("kind-a"), proxy("kind-b")];
        let gone = BTreeSet::from(["k3d-gone".to_owned()]);
        let names = |cluster, gone: &BTreeSet<String>| -> Vec<String> {
            leaving(all(), cluster, gone)
                .into_iter()
                .map(|proxy| proxy.spec.cluster)
                .collect()
        };
        assert_eq!(names(Some("kind-a"), &gone), ["k3d-gone", "kind-a"]);
        assert_eq!(names(None, &gone), ["k3d-gone"]);
        assert_eq!(names(Some("kind-c"), &BTreeSet::new()), [""; 0]);
    }
}
