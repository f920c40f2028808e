//! A Docker that responds.

use bollard::{API_DEFAULT_VERSION, ClientVersion};

use super::endpoint;
use super::error::DockerError;
use crate::exec::CommandRunner;

/// How long one response of Docker may take, in seconds; loading a large image is one response.
const ANSWER_SECONDS: u64 = 900;

/// A Docker that responds.
#[derive(Debug, Clone)]
pub struct Docker {
    pub(crate) api: bollard::Docker,
    /// Its endpoint.
    pub endpoint: String,
    /// The newest version of its API, such as `1.49`.
    pub(super) api_version: String,
    /// Its version, such as `28.1.0`.
    pub version: String,
    /// The architecture of its images, such as `amd64`.
    pub architecture: String,
}

impl Docker {
    /// Finds Docker and makes sure that it responds.
    pub async fn connect(runner: &dyn CommandRunner) -> Result<Self, DockerError> {
        let endpoint = endpoint::find();
        endpoint::probe(&endpoint, runner.find("docker").is_some())?;
        let api = open(&endpoint.url).await?;
        let version = api.version().await.map_err(|source| DockerError::Api {
            doing: "reporting its version".into(),
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

/// Opens the API at the newest version that both sides know.
async fn open(url: &str) -> Result<bollard::Docker, DockerError> {
    let opened = match at_version(url, API_DEFAULT_VERSION) {
        Ok(api) => api.negotiate_version().await,
        Err(error) => Err(error),
    };
    opened.map_err(|source| DockerError::Api {
        doing: "responding at all".to_owned(),
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
