//! Docker: it responds, in a version of its API that we speak, and can do what a cluster in it needs.

use irsa_emu_cluster::docker::DockerInfo;

use crate::checks::engine::{Trouble, Verdict, fine, nothing};
use crate::checks::surroundings::NO_CONTAINERS;
use crate::checks::surroundings::Surroundings;

/// The first version of the API that hands out an image of one platform.
const ONE_PLATFORM: (usize, usize) = (1, 48);
/// What rootless Docker must be able to limit, in the order of [`DockerInfo::limits`].
const CONTROLLERS: [&str; 4] = ["memory", "cpu", "cpuset", "pids"];

pub(super) async fn socket(s: &Surroundings<'_>) -> Verdict {
    if s.containers().is_none() {
        return nothing(NO_CONTAINERS);
    }
    fine(format!("Docker responds at {}", s.docker().await?.endpoint))
}

/// The connection negotiates the version, so asking anything shows that there is a common one.
pub(super) async fn api(s: &Surroundings<'_>) -> Verdict {
    let nodes = s.nodes().await?;
    let docker = s.docker().await?;
    fine(format!(
        "Docker {} ({}), {} node(s) of the cluster",
        docker.version,
        docker.architecture,
        nodes.len()
    ))
}

pub(super) async fn cgroup(s: &Surroundings<'_>) -> Verdict {
    judge_cgroup(s.docker_info().await?)
}

fn judge_cgroup(info: &DockerInfo) -> Verdict {
    const ROOTLESS: &str = "see https://kind.sigs.k8s.io/docs/user/rootless/";
    match (info.cgroup_v1, info.rootless) {
        (true, true) => Err(Trouble::new(
            "Docker runs without root on control groups v1: it cannot run the nodes of a cluster",
            ROOTLESS,
        )),
        (true, false) => Err(Trouble::warning(
            "Docker uses control groups v1: Kubernetes and kind call it deprecated, and newer versions will refuse it",
            "boot with systemd.unified_cgroup_hierarchy=1",
        )),
        (false, true) => {
            let pairs = CONTROLLERS.iter().zip(info.limits);
            let lacking: Vec<&str> = pairs.filter(|(_, can)| !can).map(|(name, _)| *name).collect();
            if lacking.is_empty() {
                return fine("control groups v2, delegated to the user");
            }
            let message = format!(
                "Docker runs without root, and is not delegated the controllers {}",
                lacking.join(", ")
            );
            Err(Trouble::new(message, ROOTLESS))
        }
        (false, false) => fine("control groups v2"),
    }
}

pub(super) async fn image_store(s: &Surroundings<'_>) -> Verdict {
    judge_image_store(s.docker_info().await?)
}

/// Containerd's store lists platforms whose layers it does not have, so an image saved whole cannot be loaded.
fn judge_image_store(info: &DockerInfo) -> Verdict {
    if !info.containerd_store {
        return fine("Docker's own image store");
    }
    if info.api_version >= ONE_PLATFORM {
        return fine("containerd's image store; images are exported for one platform");
    }
    let (major, minor) = info.api_version;
    let message = format!(
        "Docker keeps images in containerd's store, and its API {major}.{minor} cannot hand out one platform of an \
image: loading one that was pulled for several platforms may fail"
    );
    Err(Trouble::warning(message, "upgrade Docker to 28 or newer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> DockerInfo {
        DockerInfo {
            limits: [true; 4],
            api_version: (1, 51),
            ..DockerInfo::default()
        }
    }

    /// Whether a verdict is good, a warning or an error.
    fn mark(verdict: &Verdict) -> &'static str {
        match verdict {
            Ok(_) => "ok",
            Err(trouble) if trouble.warning => "warning",
            Err(_) => "error",
        }
    }

    #[test]
    fn control_groups_v1_are_a_warning_and_without_root_an_error() {
        for (cgroup_v1, rootless, limits, expected) in [
            (false, false, [true; 4], "ok"),
            (true, false, [true; 4], "warning"),
            (true, true, [true; 4], "error"),
            (false, true, [true; 4], "ok"),
            (false, true, [true, false, true, true], "error"),
            // With root nothing has to be delegated.
            (false, false, [false; 4], "ok"),
        ] {
            let info = DockerInfo {
                cgroup_v1,
                rootless,
                limits,
                ..info()
            };
            assert_eq!(mark(&judge_cgroup(&info)), expected, "{info:?}");
        }
    }

    #[test]
    fn a_controller_that_is_not_delegated_is_named() {
        let info = DockerInfo {
            rootless: true,
            limits: [true, false, false, true],
            ..info()
        };
        let trouble = judge_cgroup(&info).unwrap_err();
        assert!(trouble.message.ends_with("cpu, cpuset"), "{}", trouble.message);
    }

    #[test]
    fn only_an_old_docker_with_containerds_store_is_a_trouble() {
        for (containerd_store, api_version, expected) in [
            (false, (1, 41), "ok"),
            (true, (1, 47), "warning"),
            (true, (1, 48), "ok"),
            (true, (2, 0), "ok"),
        ] {
            let info = DockerInfo {
                containerd_store,
                api_version,
                ..info()
            };
            assert_eq!(mark(&judge_image_store(&info)), expected, "{info:?}");
        }
    }
}
