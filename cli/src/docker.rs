//! Docker: found where the docker program finds it, asked over its API.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::query_parameters::{CreateImageOptions, InspectContainerOptions, ListContainersOptions};
use bollard::{API_DEFAULT_VERSION, ClientVersion};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::error::{Code, ExitStatus, Hint};
use crate::exec::CommandRunner;

/// Label that kind puts on the container of every node.
pub const KIND_CLUSTER_LABEL: &str = "io.x-k8s.kind.cluster";
/// How long one answer of Docker may take, in seconds; loading a large image is one answer.
const ANSWER_SECONDS: u64 = 900;
/// How long Docker may take to note the exit code of a command whose output has ended.
const NOTED: std::time::Duration = std::time::Duration::from_secs(5);

/// Why Docker cannot be used, or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// There is neither a socket nor a program.
    #[error("Docker is not installed: there is no `docker` on PATH and no socket at {0}")]
    NotInstalled(String),
    /// It is there, but nobody answers.
    #[error("Docker is not running: {endpoint}: {why}")]
    NotRunning {
        /// Where it was looked for.
        endpoint: String,
        /// Why that failed.
        why: String,
        /// The variable or setting that names the endpoint, where it is not the default.
        named_by: Option<String>,
    },
    /// It is there, but not for this user.
    #[error("permission denied for the Docker socket {0}")]
    Denied(String),
    /// Its endpoint is of a kind that we cannot use.
    #[error("the Docker endpoint {0} is neither a unix socket nor plain tcp")]
    Endpoint(String),
    /// It refused something.
    #[error("Docker failed {doing}")]
    Api {
        /// What it was asked.
        doing: String,
        /// What it said.
        #[source]
        source: bollard::errors::Error,
    },
    /// A command in a container failed.
    #[error("`{command}` in the container {container} failed: {output}")]
    Command {
        /// The container.
        container: String,
        /// The command.
        command: String,
        /// What it wrote.
        output: String,
    },
}

impl Hint for DockerError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotInstalled(_) => {
                Some("install Docker: https://docs.docker.com/engine/install/".to_owned())
            }
            Self::NotRunning {
                named_by: Some(name), ..
            } => Some(format!("start the Docker that {name} names, or unset {name}")),
            Self::NotRunning { .. } if cfg!(target_os = "macos") => Some("open -a Docker".to_owned()),
            Self::NotRunning { .. } => Some("sudo systemctl start docker".to_owned()),
            Self::Denied(_) => Some("sudo usermod -aG docker \"$USER\" && newgrp docker".to_owned()),
            Self::Endpoint(_) => Some("DOCKER_HOST=unix:///var/run/docker.sock irsa-emu up".to_owned()),
            Self::Api { .. } | Self::Command { .. } => None,
        }
    }

    fn exit(&self) -> ExitStatus {
        match self {
            Self::NotInstalled(_) | Self::NotRunning { .. } | Self::Denied(_) | Self::Endpoint(_) => {
                ExitStatus::Prerequisite
            }
            Self::Api { .. } | Self::Command { .. } => ExitStatus::Failed,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::NotInstalled(_) => Code::DockerMissing,
            Self::NotRunning { .. } | Self::Denied(_) | Self::Endpoint(_) => Code::DockerUnavailable,
            Self::Api { .. } | Self::Command { .. } => Code::DockerFailed,
        }
    }
}

/// Where Docker is, and what says so.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Endpoint {
    url: String,
    named_by: Option<String>,
}

/// A Docker that answers.
#[derive(Debug, Clone)]
pub struct Docker {
    api: bollard::Docker,
    /// Its endpoint.
    pub endpoint: String,
    /// Its version, such as `28.1.0`.
    pub version: String,
    /// The architecture of its images, such as `amd64`.
    pub architecture: String,
}

/// The container of a cluster's node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Id of the container.
    pub id: String,
    /// Name of the container, and of the node.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
    /// What it publishes on the host, as (container port, host address, host port).
    pub ports: Vec<(u16, String, u16)>,
    /// Its volumes.
    pub volumes: Vec<String>,
}

/// What a command in a container left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code.
    pub code: i64,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// A stream of bytes to feed to a command.
pub type Feed = BoxStream<'static, Result<Bytes, std::io::Error>>;

impl Docker {
    /// Finds Docker and makes sure that it answers.
    pub async fn connect(runner: &dyn CommandRunner) -> Result<Self, DockerError> {
        let endpoint = find_endpoint();
        probe(&endpoint, runner.find("docker").is_some())?;
        let api = open(&endpoint.url).await?;
        let version = api.version().await.map_err(|source| DockerError::Api {
            doing: "telling its version".into(),
            source,
        })?;
        Ok(Self {
            api,
            endpoint: endpoint.url,
            version: version.version.unwrap_or_default(),
            architecture: version.arch.unwrap_or_default(),
        })
    }

    /// Whether it runs on this machine, so that what it publishes on 127.0.0.1 is published here.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.endpoint.starts_with("unix://")
    }

    /// The nodes of a kind cluster.
    pub async fn kind_nodes(&self, cluster: &str) -> Result<Vec<Node>, DockerError> {
        let filters = HashMap::from([(
            "label".to_owned(),
            vec![format!("{KIND_CLUSTER_LABEL}={cluster}")],
        )]);
        let options = ListContainersOptions {
            all: true,
            filters: Some(filters),
            ..ListContainersOptions::default()
        };
        let found = self
            .api
            .list_containers(Some(options))
            .await
            .map_err(api("listing containers"))?;
        let mut nodes = Vec::new();
        for id in found.into_iter().filter_map(|container| container.id) {
            nodes.push(self.node(&id).await?);
        }
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }

    async fn node(&self, id: &str) -> Result<Node, DockerError> {
        let found = self
            .api
            .inspect_container(id, None::<InspectContainerOptions>)
            .await
            .map_err(api("inspecting a container"))?;
        // The wanted bindings are there while the container is stopped, too.
        let bindings = found
            .host_config
            .and_then(|config| config.port_bindings)
            .unwrap_or_default();
        let live = found
            .network_settings
            .and_then(|settings| settings.ports)
            .unwrap_or_default();
        let mut ports = Vec::new();
        for (port, wanted) in bindings {
            let bound = live.get(&port).cloned().flatten().or(wanted).unwrap_or_default();
            let Some(container_port) = port.split('/').next().and_then(|text| text.parse().ok()) else {
                continue;
            };
            for binding in bound {
                let Some(host_port) = binding.host_port.and_then(|text| text.parse().ok()) else {
                    continue;
                };
                ports.push((container_port, binding.host_ip.unwrap_or_default(), host_port));
            }
        }
        ports.sort();
        let volumes = found
            .mounts
            .unwrap_or_default()
            .into_iter()
            .filter_map(|mount| mount.name)
            .collect();
        Ok(Node {
            id: id.to_owned(),
            name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            running: found.state.and_then(|state| state.running).unwrap_or_default(),
            ports,
            volumes,
        })
    }

    /// The container that publishes a port of the host, running or not.
    pub async fn port_owner(&self, port: u16) -> Result<Option<String>, DockerError> {
        let found = self
            .api
            .list_containers(None::<ListContainersOptions>)
            .await
            .map_err(api("listing containers"))?;
        let publishes = |container: &&bollard::models::ContainerSummary| {
            container
                .ports
                .iter()
                .flatten()
                .any(|published| published.public_port == Some(port))
        };
        let owner = found
            .iter()
            .find(publishes)
            .and_then(|container| container.names.as_ref()?.first());
        Ok(owner.map(|name| name.trim_start_matches('/').to_owned()))
    }

    /// Starts a container.
    pub async fn start(&self, id: &str) -> Result<(), DockerError> {
        let options = None::<bollard::query_parameters::StartContainerOptions>;
        self.api
            .start_container(id, options)
            .await
            .map_err(api("starting a container"))
    }

    /// Those of the volumes that are still there.
    pub async fn volumes_left(&self, names: &[String]) -> Vec<String> {
        let mut left = Vec::new();
        for name in names {
            if self.api.inspect_volume(name).await.is_ok() {
                left.push(name.clone());
            }
        }
        left
    }

    /// Whether Docker has an image.
    pub async fn has_image(&self, reference: &str) -> Result<bool, DockerError> {
        match self.api.inspect_image(reference).await {
            Ok(_) => Ok(true),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            Err(source) => Err(DockerError::Api {
                doing: format!("looking for the image {reference}"),
                source,
            }),
        }
    }

    /// An image as `docker save` writes it.
    #[must_use]
    pub fn export_image(&self, reference: &str) -> Feed {
        let (api, reference) = (self.api.clone(), reference.to_owned());
        // The stream of the library borrows its client, so it is driven by a task of its own.
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        tokio::spawn(async move {
            let mut chunks = std::pin::pin!(api.export_image(&reference));
            while let Some(chunk) = chunks.next().await {
                if sender.send(chunk.map_err(std::io::Error::other)).await.is_err() {
                    return;
                }
            }
        });
        futures::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|item| (item, receiver))
        })
        .boxed()
    }

    /// Pulls an image, and tells how far it is.
    pub async fn pull(
        &self,
        reference: &str,
        on_progress: &(dyn Fn(&str) + Sync),
    ) -> Result<(), DockerError> {
        let options = CreateImageOptions {
            from_image: Some(with_tag(reference)),
            ..CreateImageOptions::default()
        };
        let mut lines = std::pin::pin!(self.api.create_image(Some(options), None, None));
        let mut layers: HashMap<String, (i64, i64)> = HashMap::new();
        let doing = || format!("pulling the image {reference}");
        while let Some(line) = lines.try_next().await.map_err(|source| DockerError::Api {
            doing: doing(),
            source,
        })? {
            if let Some(error) = line.error_detail.and_then(|detail| detail.message) {
                let source = bollard::errors::Error::DockerStreamError { error };
                return Err(DockerError::Api {
                    doing: doing(),
                    source,
                });
            }
            let detail = line
                .progress_detail
                .and_then(|detail| detail.current.zip(detail.total));
            if let Some((id, (current, total))) = line.id.zip(detail) {
                layers.insert(id, (current, total));
                let (done, all) = layers
                    .values()
                    .fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1));
                // In steps of 10 MB, so that plain progress stays short.
                on_progress(&format!("{} of {} MB", done / 10_000_000 * 10, all / 1_000_000));
            }
        }
        Ok(())
    }

    /// Runs a command in a container to its end, and feeds it.
    pub async fn exec(
        &self,
        container: &str,
        command: &[&str],
        feed: Option<Feed>,
    ) -> Result<Ran, DockerError> {
        let doing = || format!("running `{}` in the container {container}", command.join(" "));
        let failed = |source| DockerError::Api {
            doing: doing(),
            source,
        };
        let options = CreateExecOptions {
            attach_stdin: Some(feed.is_some()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            ..CreateExecOptions::default()
        };
        let id = self.api.create_exec(container, options).await.map_err(failed)?.id;
        let mut ran = Ran::default();
        if let StartExecResults::Attached { output, input } =
            self.api.start_exec(&id, None).await.map_err(failed)?
        {
            let (poured, read) = tokio::join!(pour(feed, input), read(output));
            (ran.stdout, ran.stderr) = read.map_err(failed)?;
            // A command that stops reading says why itself; its exit code decides.
            if let Err(error) = poured {
                tracing::debug!(%error, "the command did not read all of its input");
                ran.stderr.push_str(&error.to_string());
            }
        }
        ran.code = self.exit_code(&id).await.map_err(failed)?;
        Ok(ran)
    }

    /// The exit code of a command whose output has ended. Docker notes it a moment after it closes the output, and
    /// until then says that the command runs.
    async fn exit_code(&self, id: &str) -> Result<i64, bollard::errors::Error> {
        let deadline = std::time::Instant::now() + NOTED;
        loop {
            let seen = self.api.inspect_exec(id).await?;
            let ended = seen.running != Some(true) && seen.exit_code.is_some();
            if ended || std::time::Instant::now() > deadline {
                return Ok(seen.exit_code.unwrap_or(-1));
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Runs a command that must succeed, and answers what it wrote to stdout.
    pub async fn exec_ok(
        &self,
        container: &str,
        command: &[&str],
        feed: Option<Feed>,
    ) -> Result<String, DockerError> {
        let ran = self.exec(container, command, feed).await?;
        if ran.code == 0 {
            return Ok(ran.stdout);
        }
        let output = if ran.stderr.trim().is_empty() {
            &ran.stdout
        } else {
            &ran.stderr
        };
        Err(DockerError::Command {
            container: container.to_owned(),
            command: command.join(" "),
            output: format!("exit code {}: {}", ran.code, output.trim()),
        })
    }
}

fn api(doing: &'static str) -> impl Fn(bollard::errors::Error) -> DockerError {
    move |source| DockerError::Api {
        doing: doing.to_owned(),
        source,
    }
}

async fn pour(feed: Option<Feed>, mut input: impl tokio::io::AsyncWrite + Unpin) -> std::io::Result<()> {
    if let Some(mut chunks) = feed {
        while let Some(chunk) = chunks.try_next().await? {
            input.write_all(&chunk).await?;
        }
    }
    // The command sees the end of its input.
    input.shutdown().await
}

async fn read(
    mut output: impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
) -> Result<(String, String), bollard::errors::Error> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(chunk) = output.try_next().await? {
        match chunk {
            LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
            other => stdout.extend_from_slice(&other.into_bytes()),
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((text(stdout), text(stderr)))
}

/// A reference with the tag that is meant where none is written; without one, Docker pulls every tag.
fn with_tag(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    if name.contains(':') || name.contains('@') {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}

/// Tells apart, before any request, why a socket cannot be used.
fn probe(endpoint: &Endpoint, installed: bool) -> Result<(), DockerError> {
    let not_running = |why: String| DockerError::NotRunning {
        endpoint: endpoint.url.clone(),
        why,
        named_by: endpoint.named_by.clone(),
    };
    if let Some(path) = endpoint.url.strip_prefix("unix://") {
        return match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Err(DockerError::Denied(path.to_owned()))
            }
            Err(error)
                if error.kind() == ErrorKind::NotFound && !installed && endpoint.named_by.is_none() =>
            {
                Err(DockerError::NotInstalled(path.to_owned()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(not_running("there is no such socket".to_owned()))
            }
            Err(error) => Err(not_running(error.to_string())),
        };
    }
    if endpoint.url.starts_with("tcp://") || endpoint.url.starts_with("http://") {
        return Ok(());
    }
    Err(DockerError::Endpoint(endpoint.url.clone()))
}

/// Opens the API at the newest version that both sides know.
async fn open(url: &str) -> Result<bollard::Docker, DockerError> {
    let opened = match at_version(url, API_DEFAULT_VERSION) {
        Ok(api) => api.negotiate_version().await,
        Err(error) => Err(error),
    };
    opened.map_err(|source| DockerError::Api {
        doing: "answering at all".to_owned(),
        source,
    })
}

fn at_version(url: &str, version: &ClientVersion) -> Result<bollard::Docker, bollard::errors::Error> {
    if url.starts_with("unix://") {
        bollard::Docker::connect_with_unix(url, ANSWER_SECONDS, version)
    } else {
        bollard::Docker::connect_with_http(url, ANSWER_SECONDS, version)
    }
}

/// The endpoint as the docker program chooses it; then the sockets of other products, where one is there.
fn find_endpoint() -> Endpoint {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(url) = variable("DOCKER_HOST") {
        return Endpoint {
            url,
            named_by: Some("DOCKER_HOST".to_owned()),
        };
    }
    let home = std::env::home_dir().unwrap_or_default();
    let config = variable("DOCKER_CONFIG").map_or_else(|| home.join(".docker"), PathBuf::from);
    if let Some((name, url)) = context_endpoint(&config, variable("DOCKER_CONTEXT")) {
        return Endpoint {
            url,
            named_by: Some(format!("the Docker context `{name}`")),
        };
    }
    let default = PathBuf::from("/var/run/docker.sock");
    let others = [
        ".docker/run/docker.sock",
        ".orbstack/run/docker.sock",
        ".colima/default/docker.sock",
        ".rd/docker.sock",
    ];
    let mut candidates = std::iter::once(default.clone()).chain(others.map(|path| home.join(path)));
    let socket = candidates.find(|path| path.exists()).unwrap_or(default);
    Endpoint {
        url: format!("unix://{}", socket.display()),
        named_by: None,
    }
}

/// The endpoint of the current Docker context, unless that is the default one.
fn context_endpoint(config: &Path, named: Option<String>) -> Option<(String, String)> {
    let read = |path: PathBuf| -> Option<serde_json::Value> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    };
    let current = || {
        Some(
            read(config.join("config.json"))?
                .get("currentContext")?
                .as_str()?
                .to_owned(),
        )
    };
    let name = named
        .or_else(current)
        .filter(|name| !name.is_empty() && name != "default")?;
    let folder = crate::images::hex(&Sha256::digest(name.as_bytes()));
    let meta = read(config.join("contexts/meta").join(folder).join("meta.json"))?;
    let url = meta.pointer("/Endpoints/docker/Host")?.as_str()?.to_owned();
    Some((name, url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_a_tag_means_latest() {
        for (given, meant) in [
            ("a", "a:latest"),
            ("r:5000/a", "r:5000/a:latest"),
            ("a:1", "a:1"),
            ("a@sha256:0", "a@sha256:0"),
        ] {
            assert_eq!(with_tag(given), meant);
        }
    }

    #[test]
    fn the_current_docker_context_names_the_endpoint() {
        let folder = tempfile::tempdir().unwrap();
        let meta = folder
            .path()
            .join("contexts/meta")
            .join(crate::images::hex(&Sha256::digest(b"colima")));
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::write(
            meta.join("meta.json"),
            r#"{"Endpoints":{"docker":{"Host":"unix:///c.sock"}}}"#,
        )
        .unwrap();
        assert_eq!(context_endpoint(folder.path(), None), None);
        std::fs::write(
            folder.path().join("config.json"),
            r#"{"currentContext":"colima"}"#,
        )
        .unwrap();
        let expected = Some(("colima".to_owned(), "unix:///c.sock".to_owned()));
        assert_eq!(context_endpoint(folder.path(), None), expected);
        assert_eq!(context_endpoint(folder.path(), Some("default".into())), None);
    }

    #[test]
    fn the_ways_of_having_no_docker_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = |path: &Path, named: Option<&str>| Endpoint {
            url: format!("unix://{}", path.display()),
            named_by: named.map(str::to_owned),
        };
        let missing = folder.path().join("none.sock");
        assert!(matches!(
            probe(&endpoint(&missing, None), false),
            Err(DockerError::NotInstalled(_))
        ));
        assert!(matches!(
            probe(&endpoint(&missing, None), true),
            Err(DockerError::NotRunning { .. })
        ));
        assert!(matches!(
            probe(&endpoint(&missing, Some("DOCKER_HOST")), false),
            Err(DockerError::NotRunning { .. })
        ));
        let dead = folder.path().join("dead.sock");
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        assert!(matches!(
            probe(&endpoint(&dead, None), true),
            Err(DockerError::NotRunning { .. })
        ));
        let ssh = Endpoint {
            url: "ssh://host".into(),
            named_by: None,
        };
        assert!(matches!(probe(&ssh, true), Err(DockerError::Endpoint(_))));
    }
}
