//! The program that makes clusters.

use irsa_emu_cluster::exec::Invocation;
use irsa_emu_cluster::local::family::Family;
use irsa_emu_core::causes::chain;

use crate::checks::engine::{Trouble, Verdict, fine, nothing};
use crate::checks::surroundings::NO_CONTAINERS;
use crate::checks::surroundings::Surroundings;

/// Oldest version whose nodes we know how to drive.
fn oldest(family: Family) -> (u32, u32) {
    match family {
        Family::Kind => (0, 27),
        Family::K3d => (5, 5),
    }
}

fn install(family: Family) -> &'static str {
    match family {
        Family::Kind => "go install sigs.k8s.io/kind@latest",
        Family::K3d => "go install github.com/k3d-io/k3d/v5@latest",
    }
}

pub(super) async fn installed(s: &Surroundings<'_>) -> Verdict {
    let Some((family, _)) = s.containers() else {
        return nothing(NO_CONTAINERS);
    };
    let asked = Invocation::new(family.program(), ["version"]);
    let asked = s.session.runner.run(&asked, &|_| ()).await;
    let finished = asked.map_err(|error| Trouble::new(chain(&error), install(family)))?;
    judge(family, finished.stdout.lines().next().unwrap_or_default())
}

fn judge(family: Family, said: &str) -> Verdict {
    let program = family.program();
    let Some(version) = version(said) else {
        let message = format!("`{program} version` prints `{said}`, which has no version");
        return Err(Trouble::new(message, install(family)));
    };
    let oldest = oldest(family);
    if version < oldest {
        let ((major, minor), (oldest_major, oldest_minor)) = (version, oldest);
        let message = format!("{program} {major}.{minor} is older than {oldest_major}.{oldest_minor}");
        return Err(Trouble::new(message, install(family)));
    }
    fine(said)
}

/// The version in `kind v0.31.0 go1.25.0 linux/amd64` and in `k3d version v5.8.3`.
fn version(text: &str) -> Option<(u32, u32)> {
    let word = text.split_whitespace().find_map(|word| {
        word.strip_prefix('v')
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    })?;
    let mut parts = word.split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_and_judged() {
        for (family, said, good) in [
            (Family::Kind, "kind v0.31.0 go1.25.0 linux/amd64", true),
            (Family::Kind, "kind v0.32.0-alpha+1 go1.25.0 linux/amd64", true),
            (Family::Kind, "kind v0.27.0 go1.23.6 linux/amd64", true),
            (Family::Kind, "kind v0.26.0 go1.23.4 linux/amd64", false),
            (Family::Kind, "kind version", false),
            (Family::Kind, "", false),
            (Family::K3d, "k3d version v5.8.3", true),
            (Family::K3d, "k3d version v5.4.9", false),
        ] {
            assert_eq!(judge(family, said).is_ok(), good, "{said}");
        }
    }
}
