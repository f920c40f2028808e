//! The machine that Docker runs on, which on macOS and Windows is a virtual one.

use irsa_emu_cluster::exec::Invocation;
use irsa_emu_core::causes::chain;

use crate::checks::engine::{Trouble, Verdict, fine, nothing};
use crate::checks::surroundings::Surroundings;

const GIB: u64 = 1 << 30;
/// A node, LocalStack and an app need so many CPUs.
const LEAST_CPUS: u64 = 2;
/// They need so much memory; machines sold with 4 GiB have a little less.
const LEAST_MEMORY: u64 = 4 * GIB - GIB / 4;
/// Below this a node comes near the kubelet's eviction threshold.
const LEAST_DISK: u64 = 10 * GIB;
/// What kind's page on known issues asks for.
const LEAST_WATCHES: u64 = 524_288;
/// What kind's page on known issues asks for.
const LEAST_INSTANCES: u64 = 512;

/// The kernel's files for both.
const INOTIFY: [&str; 2] = [
    "/proc/sys/fs/inotify/max_user_watches",
    "/proc/sys/fs/inotify/max_user_instances",
];

pub(super) async fn resources(s: &Surroundings<'_>) -> Verdict {
    let info = s.docker_info().await?;
    judge_resources(info.cpus, info.memory, free_disk(s, &info.root).await)
}

/// Bytes that are free where Docker keeps its data, where that can be found out.
async fn free_disk(s: &Surroundings<'_>, root: &str) -> Option<u64> {
    let docker = s.docker().await.ok()?;
    if let Some(node) = s.running_node().await.ok()? {
        return read_df(
            &docker
                .exec_ok(&node.id, &["df", "-Pk", "/var"], None)
                .await
                .ok()?,
        );
    }
    // The folder of a Docker in a virtual machine is not on this one.
    let asked = s
        .session
        .runner
        .run(&Invocation::new("df", ["-Pk", root]), &|_| ())
        .await;
    read_df(&asked.ok().filter(|finished| finished.success)?.stdout)
}

/// The free bytes in what `df -Pk` prints: `/dev/vda 264091052 70000000 25000000 74% /`.
fn read_df(text: &str) -> Option<u64> {
    let kib: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    kib.checked_mul(1024)
}

fn judge_resources(cpus: u64, memory: u64, free: Option<u64>) -> Verdict {
    let gib = |bytes: u64| format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB);
    let mut lacking = Vec::new();
    if cpus < LEAST_CPUS {
        lacking.push(format!("{cpus} CPU, of {LEAST_CPUS} that a cluster needs"));
    }
    if memory < LEAST_MEMORY {
        lacking.push(format!(
            "{} of memory, of 4 GiB that a cluster needs",
            gib(memory)
        ));
    }
    let disk_is_low = free.is_some_and(|free| free < LEAST_DISK);
    if let Some(free) = free.filter(|free| *free < LEAST_DISK) {
        lacking.push(format!(
            "{} of free disk, of {} that images need",
            gib(free),
            gib(LEAST_DISK)
        ));
    }
    if lacking.is_empty() {
        let disk = free.map_or_else(String::new, |free| format!(", {} of free disk", gib(free)));
        return fine(format!("{cpus} CPUs, {} of memory{disk}", gib(memory)));
    }
    let fix = if disk_is_low {
        "docker system df"
    } else {
        "docker info"
    };
    Err(Trouble::warning(
        format!("Docker has {}", lacking.join("; ")),
        fix,
    ))
}

pub(super) async fn inotify(s: &Surroundings<'_>) -> Verdict {
    let docker = s.docker().await?;
    let text = if let Some(node) = s.running_node().await? {
        let asked = docker
            .exec_ok(&node.id, &["cat", INOTIFY[0], INOTIFY[1]], None)
            .await;
        asked.map_err(|error| Trouble::warning(chain(&error), format!("docker logs {}", node.name)))?
    } else if docker.is_local() {
        INOTIFY
            .map(|path| std::fs::read_to_string(path).unwrap_or_default())
            .concat()
    } else {
        String::new()
    };
    match read_limits(&text) {
        Some((watches, instances)) => judge_inotify(watches, instances),
        None => nothing("the kernel under Docker cannot be checked before there is a node"),
    }
}

fn read_limits(text: &str) -> Option<(u64, u64)> {
    let mut lines = text.lines();
    Some((
        lines.next()?.trim().parse().ok()?,
        lines.next()?.trim().parse().ok()?,
    ))
}

fn judge_inotify(watches: u64, instances: u64) -> Verdict {
    let mut settings = Vec::new();
    if watches < LEAST_WATCHES {
        settings.push(format!("fs.inotify.max_user_watches={LEAST_WATCHES}"));
    }
    if instances < LEAST_INSTANCES {
        settings.push(format!("fs.inotify.max_user_instances={LEAST_INSTANCES}"));
    }
    let seen = format!("{watches} watches and {instances} instances of inotify");
    if settings.is_empty() {
        return fine(seen);
    }
    let message =
        format!("{seen} for a user; with several nodes or many Pods, some fail with `too many open files`");
    Err(Trouble::warning(
        message,
        format!("sudo sysctl {}", settings.join(" ")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_lacks_is_named_with_what_is_needed() {
        let lacks =
            |cpus, memory, free| judge_resources(cpus, memory, free).map_err(|trouble| trouble.message);
        assert!(lacks(2, 4 * GIB, Some(10 * GIB)).is_ok());
        assert!(
            lacks(2, 4 * GIB - GIB / 8, None).is_ok(),
            "a machine sold with 4 GiB"
        );
        let message = lacks(1, 2 * GIB, Some(GIB)).unwrap_err();
        for part in ["1 CPU", "2.0 GiB of memory", "1.0 GiB of free disk"] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert!(lacks(2, 3 * GIB, None).unwrap_err().contains("3.0 GiB of memory"));
        assert_eq!(
            judge_resources(2, 8 * GIB, Some(1)).unwrap_err().fix,
            "docker system df"
        );
    }

    #[test]
    fn the_output_of_df_is_read() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\noverlay 100 40 60 40% /var\n";
        assert_eq!(read_df(text), Some(60 * 1024));
        assert_eq!(read_df("df: no such file\n"), None);
        assert_eq!(read_df(""), None);
    }

    #[test]
    fn the_sysctl_line_has_only_what_is_too_low() {
        assert!(judge_inotify(LEAST_WATCHES, LEAST_INSTANCES).is_ok());
        let fix = |watches, instances| judge_inotify(watches, instances).unwrap_err().fix;
        assert_eq!(fix(8192, 512), "sudo sysctl fs.inotify.max_user_watches=524288");
        assert_eq!(
            fix(8192, 128),
            "sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512"
        );
        assert_eq!(read_limits("8192\n128\n"), Some((8192, 128)));
        assert_eq!(read_limits("8192\n"), None);
    }
}
