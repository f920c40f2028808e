//! This machine: Docker, the program that makes clusters, the emulator's port.

use futures::FutureExt;
use irsa_emu_core::contract::EMULATOR_PORT;

use super::Surroundings;
use super::engine::{Check, Phase, Severity, Trouble, Verdict, fine, nothing};
use super::surroundings::{answers, chain};
use crate::cluster::{port, provider};
use crate::exec::Invocation;

/// Oldest kind whose nodes we know how to drive.
const OLDEST_KIND: (u32, u32) = (0, 27);
const OTHER: &str = "the cluster is not one of kind's in the local Docker";

pub(super) fn checks<'x>() -> Vec<Check<Surroundings<'x>>> {
    let check = Check {
        id: "host-docker-socket",
        phase: Phase::Host,
        needs: &[],
        severity: Severity::Error,
        title: "Docker answers",
        run: |s: &Surroundings<'x>| docker_socket(s).boxed(),
    };
    vec![
        check,
        Check {
            id: "host-docker-api",
            phase: Phase::Host,
            needs: &["host-docker-socket"],
            severity: Severity::Error,
            title: "Docker and irsa-emu share a version of the API",
            run: |s| docker_api(s).boxed(),
        },
        Check {
            id: "host-provider",
            phase: Phase::Host,
            needs: &[],
            severity: Severity::Error,
            title: "kind is installed and recent enough",
            run: |s| provider(s).boxed(),
        },
        Check {
            id: "host-port-free",
            phase: Phase::Host,
            needs: &["host-docker-api"],
            severity: Severity::Error,
            title: "the emulator's port is free, or the emulator's",
            run: |s| port_free(s).boxed(),
        },
    ]
}

async fn docker_socket(s: &Surroundings<'_>) -> Verdict {
    if s.kind_name().is_none() {
        return nothing(OTHER);
    }
    fine(format!("Docker answers at {}", s.docker().await?.endpoint))
}

/// The connection negotiates the version, so asking anything shows that there is a common one.
async fn docker_api(s: &Surroundings<'_>) -> Verdict {
    let nodes = s.nodes().await?;
    let docker = s.docker().await?;
    fine(format!(
        "Docker {} ({}), {} node(s) of the cluster",
        docker.version,
        docker.architecture,
        nodes.len()
    ))
}

async fn provider(s: &Surroundings<'_>) -> Verdict {
    const INSTALL: &str = "go install sigs.k8s.io/kind@latest";
    if s.kind_name().is_none() {
        return nothing(OTHER);
    }
    let finished = s
        .app
        .runner
        .run(&Invocation::new("kind", ["version"]), &|_| ())
        .await
        .map_err(|error| Trouble::new(chain(&error), INSTALL))?;
    let Some(version) = kind_version(&finished.stdout) else {
        let message = format!(
            "`kind version` answers `{}`, which has no version",
            finished.stdout.trim()
        );
        return Err(Trouble::new(message, INSTALL));
    };
    if version < OLDEST_KIND {
        let message = format!(
            "kind {}.{} is older than {}.{}",
            version.0, version.1, OLDEST_KIND.0, OLDEST_KIND.1
        );
        return Err(Trouble::new(message, INSTALL));
    }
    fine(finished.stdout.trim().to_owned())
}

/// The version in `kind v0.31.0 go1.25.0 linux/amd64`.
fn kind_version(text: &str) -> Option<(u32, u32)> {
    let word = text.split_whitespace().find_map(|word| {
        word.strip_prefix('v')
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })?;
    let mut parts = word.split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

async fn port_free(s: &Surroundings<'_>) -> Verdict {
    let nodes = s.nodes().await?;
    if nodes.is_empty() {
        let Err(error) = port::is_free(EMULATOR_PORT) else {
            return fine(format!("port {EMULATOR_PORT} of 127.0.0.1 is free"));
        };
        let container = s.docker().await?.port_owner(EMULATOR_PORT).await.ok().flatten();
        let owner = container
            .map(|name| format!("the container {name}"))
            .or_else(|| port::owner(EMULATOR_PORT))
            .map_or_else(|| error.to_string(), |owner| format!("it is taken by {owner}"));
        let message = format!("port {EMULATOR_PORT} of 127.0.0.1 is not free: {owner}");
        return Err(Trouble::new(
            message,
            format!("{} --host-port 0", s.app.command("up")),
        ));
    }
    let Some(port) = provider::emulator_port(&nodes) else {
        let fix = format!("{} && {}", s.app.command("down"), s.app.command("up"));
        let message =
            "the cluster publishes no port for the emulator, so that tools of this machine cannot reach it";
        return Err(Trouble::warning(message, fix));
    };
    if answers(&format!("http://127.0.0.1:{port}")).await {
        fine(format!("port {port} of 127.0.0.1 is the emulator's"))
    } else {
        let message = format!("the node publishes port {port} of 127.0.0.1, but nobody listens there");
        Err(Trouble::new(message, format!("docker restart {}", nodes[0].name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_kind_is_read() {
        assert_eq!(kind_version("kind v0.31.0 go1.25.0 linux/amd64"), Some((0, 31)));
        assert_eq!(
            kind_version("kind v0.32.0-alpha+1 go1.25.0 linux/amd64\n"),
            Some((0, 32))
        );
        assert_eq!(kind_version("kind version"), None);
    }
}
