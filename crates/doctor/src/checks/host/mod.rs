//! This machine: Docker, the program that makes clusters, the emulator's port, and what clusters need of a machine.

mod docker;
mod machine;
mod network;
mod provider;

use futures::FutureExt;

use super::engine::{Check, Phase, Severity};
use crate::checks::surroundings::Surroundings;

pub(super) fn checks<'x>() -> Vec<Check<Surroundings<'x>>> {
    vec![
        Check {
            id: "host-docker-socket",
            phase: Phase::Host,
            needs: &[],
            severity: Severity::Error,
            title: "Docker responds",
            run: |s| docker::socket(s).boxed(),
        },
        Check {
            id: "host-docker-api",
            phase: Phase::Host,
            needs: &["host-docker-socket"],
            severity: Severity::Error,
            title: "Docker and irsa-emu share a version of the API",
            run: |s| docker::api(s).boxed(),
        },
        Check {
            id: "host-cgroup",
            phase: Phase::Host,
            needs: &["host-docker-api"],
            severity: Severity::Error,
            title: "control groups are of a version that Kubernetes runs with",
            run: |s| docker::cgroup(s).boxed(),
        },
        Check {
            id: "host-image-store",
            phase: Phase::Host,
            needs: &["host-docker-api"],
            severity: Severity::Warning,
            title: "Docker can hand out images of one platform",
            run: |s| docker::image_store(s).boxed(),
        },
        Check {
            id: "host-provider",
            phase: Phase::Host,
            needs: &[],
            severity: Severity::Error,
            title: "the program that makes the cluster is installed and recent enough",
            run: |s| provider::installed(s).boxed(),
        },
        Check {
            id: "host-resources",
            phase: Phase::Host,
            needs: &["host-docker-api"],
            severity: Severity::Warning,
            title: "Docker has CPUs, memory and disk enough",
            run: |s| machine::resources(s).boxed(),
        },
        Check {
            id: "host-inotify",
            phase: Phase::Host,
            needs: &["host-docker-api"],
            severity: Severity::Warning,
            title: "the kernel lets nodes watch files enough",
            run: |s| machine::inotify(s).boxed(),
        },
        Check {
            id: "host-port-free",
            phase: Phase::Host,
            needs: &["host-docker-api"],
            severity: Severity::Error,
            title: "the emulator's port is free, or the emulator's",
            run: |s| network::port_free(s).boxed(),
        },
        Check {
            id: "host-proxy",
            phase: Phase::Host,
            needs: &[],
            severity: Severity::Warning,
            title: "no proxy stands between this machine and its own cluster",
            run: |_| async { network::proxy() }.boxed(),
        },
        Check {
            id: "host-edge-dns",
            phase: Phase::Host,
            needs: &[],
            severity: Severity::Warning,
            title: "LocalStack's public name resolves to this machine",
            run: |s| network::edge_dns(s).boxed(),
        },
    ]
}
