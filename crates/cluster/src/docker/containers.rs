//! Containers: who publishes what, and what is left of them.

use bollard::query_parameters::ListContainersOptions;

use super::client::Docker;
use super::error::{DockerError, api};

impl Docker {
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
    pub async fn volumes_left(&self, names: impl IntoIterator<Item = &String>) -> Vec<String> {
        let mut left = Vec::new();
        for name in names {
            if self.api.inspect_volume(name).await.is_ok() {
                left.push(name.clone());
            }
        }
        left
    }
}
