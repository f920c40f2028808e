//! Docker: found where the docker program finds it, asked over its API.

mod containers;
mod endpoint;
mod exec;
mod export;
mod images;
mod info;
mod proxies;

use bollard::{API_DEFAULT_VERSION, ClientVersion};

pub use self::containers::Node;
pub use self::exec::{Feed, Ran};
pub use self::images::ImageInfo;
pub use self::info::DockerInfo;
pub use self::proxies::{Proxy, ProxySpec, container as proxy_container};
use crate::error::{Code, ExitStatus, Hint};
use crate::exec::CommandRunner;

/// How long one answer of Docker may take, in seconds; loading a large image is one answer.
const ANSWER_SECONDS: u64 = 900;

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
    /// An image could not be read from it.
    #[error("Docker failed to hand out {reference}: {why}")]
    Export {
        /// The image.
        reference: String,
        /// Why.
        why: String,
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
            Self::Api { .. } | Self::Command { .. } | Self::Export { .. } => None,
        }
    }

    fn exit(&self) -> ExitStatus {
        match self {
            Self::NotInstalled(_) | Self::NotRunning { .. } | Self::Denied(_) | Self::Endpoint(_) => {
                ExitStatus::Prerequisite
            }
            Self::Api { .. } | Self::Command { .. } | Self::Export { .. } => ExitStatus::Failed,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::NotInstalled(_) => Code::DockerMissing,
            Self::NotRunning { .. } | Self::Denied(_) | Self::Endpoint(_) => Code::DockerUnavailable,
            Self::Api { .. } | Self::Command { .. } | Self::Export { .. } => Code::DockerFailed,
        }
    }
}

/// A Docker that answers.
#[derive(Debug, Clone)]
pub struct Docker {
    api: bollard::Docker,
    /// Its endpoint.
    pub endpoint: String,
    /// The newest version of its API, such as `1.49`.
    api_version: String,
    /// Its version, such as `28.1.0`.
    pub version: String,
    /// The architecture of its images, such as `amd64`.
    pub architecture: String,
}

impl Docker {
    /// Finds Docker and makes sure that it answers.
    pub async fn connect(runner: &dyn CommandRunner) -> Result<Self, DockerError> {
        let endpoint = endpoint::find();
        endpoint::probe(&endpoint, runner.find("docker").is_some())?;
        let api = open(&endpoint.url).await?;
        let version = api.version().await.map_err(|source| DockerError::Api {
            doing: "telling its version".into(),
            source,
        })?;
        Ok(Self {
            api,
            endpoint: endpoint.url,
            api_version: version.api_version.unwrap_or_default(),
            version: version.version.unwrap_or_default(),
            architecture: version.arch.unwrap_or_default(),
        })
    }

    /// Whether it runs on this machine, so that what it publishes on 127.0.0.1 is published here.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.endpoint.starts_with("unix://")
    }
}

fn api(doing: &'static str) -> impl Fn(bollard::errors::Error) -> DockerError {
    move |source| DockerError::Api {
        doing: doing.to_owned(),
        source,
    }
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
