//! Why Docker cannot be used, or did not do what it was asked.

use crate::failure::{Code, ExitStatus, Hint};

/// Why Docker cannot be used, or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// There is neither a socket nor a program.
    #[error("Docker is not installed: there is no `docker` on PATH and no socket at {0}")]
    NotInstalled(String),
    /// It exists, but nothing responds.
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
        /// Its message.
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

/// Turns an error of the API into one that names the call.
pub(crate) fn api(doing: &'static str) -> impl Fn(bollard::errors::Error) -> DockerError {
    move |source| DockerError::Api {
        doing: doing.to_owned(),
        source,
    }
}
