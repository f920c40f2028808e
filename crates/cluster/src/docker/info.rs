//! What Docker reports of itself and of the machine that it runs on.

use bollard::models::SystemInfoCgroupVersionEnum;

use super::client::Docker;
use super::error::{DockerError, api};

/// What Docker reports of itself and of the machine that it runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerInfo {
    /// Such as `Debian GNU/Linux 12 (bookworm)` or `Docker Desktop`.
    pub operating_system: String,
    /// Whether control groups are of version 1.
    pub cgroup_v1: bool,
    /// Whether it runs without root.
    pub rootless: bool,
    /// What it can limit: memory, CPU time, CPUs, processes. Without root only what is delegated to the user.
    pub limits: [bool; 4],
    /// Whether containerd keeps its images.
    pub containerd_store: bool,
    /// Number of CPUs.
    pub cpus: u64,
    /// Bytes of memory.
    pub memory: u64,
    /// Folder of its images and containers.
    pub root: String,
    /// The version of the API that is spoken with it.
    pub api_version: (usize, usize),
}

impl Docker {
    /// What it reports of itself.
    pub async fn info(&self) -> Result<DockerInfo, DockerError> {
        let info = self.api.info().await.map_err(api("describing itself"))?;
        let number = |value: Option<i64>| {
            value
                .and_then(|value| u64::try_from(value).ok())
                .unwrap_or_default()
        };
        let has = |list: Option<Vec<String>>, wanted: &str| list.iter().flatten().any(|item| item == wanted);
        let status = info.driver_status.unwrap_or_default();
        let version = self.api.client_version();
        Ok(DockerInfo {
            operating_system: info.operating_system.unwrap_or_default(),
            cgroup_v1: info.cgroup_version == Some(SystemInfoCgroupVersionEnum::_1),
            rootless: has(info.security_options, "name=rootless"),
            limits: [
                info.memory_limit,
                info.cpu_cfs_quota,
                info.cpu_set,
                info.pids_limit,
            ]
            .map(Option::unwrap_or_default),
            containerd_store: status
                .iter()
                .flatten()
                .any(|word| word.starts_with("io.containerd.snapshotter")),
            cpus: number(info.ncpu),
            memory: number(info.mem_total),
            root: info.docker_root_dir.unwrap_or_default(),
            api_version: (version.major_version, version.minor_version),
        })
    }
}
