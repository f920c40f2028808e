//! The containers that the nodes of a cluster are.

use std::collections::HashMap;

use bollard::query_parameters::{InspectContainerOptions, ListContainersOptions};
use irsa_emu_core::contract::INSTANCE_LABEL;

use super::family::Family;
use crate::docker::{Docker, DockerError, api};

/// A container of a cluster: mostly a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// The image that it was made from, as it was named then.
    pub image: String,
    /// The program that made it.
    pub family: Family,
    /// Whether Pods run on it; a load balancer is a container of the cluster, too.
    pub runs_pods: bool,
    /// The install that its label names; kind cannot label its containers.
    pub instance: Option<String>,
    /// The networks of Docker that it is on, the one that it was made for first.
    pub networks: Vec<String>,
}

impl Docker {
    /// The containers of a cluster, by name.
    pub async fn nodes(&self, family: Family, cluster: &str) -> Result<Vec<Node>, DockerError> {
        let filters = HashMap::from([("label".to_owned(), family.labels(cluster))]);
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
        for container in found {
            let labels = container.labels.unwrap_or_default();
            let role = labels.get(family.role_label()).map_or("", String::as_str);
            if let Some(id) = container.id {
                nodes.push(Node {
                    family,
                    runs_pods: family.runs_pods(role),
                    instance: labels.get(INSTANCE_LABEL).cloned(),
                    ..self.node(&id).await?
                });
            }
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
        let host = found.host_config.unwrap_or_default();
        let settings = found.network_settings.unwrap_or_default();
        // The wanted bindings are there while the container is stopped, too.
        let bindings = host.port_bindings.unwrap_or_default();
        let live = settings.ports.unwrap_or_default();
        let mut networks: Vec<String> = settings.networks.unwrap_or_default().into_keys().collect();
        networks.sort_by_key(|name| (host.network_mode.as_ref() != Some(name), name.clone()));
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
        let image = found.config.and_then(|config| config.image).unwrap_or_default();
        Ok(Node {
            id: id.to_owned(),
            image,
            family: Family::default(),
            runs_pods: true,
            instance: None,
            name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            running: found.state.and_then(|state| state.running).unwrap_or_default(),
            ports,
            volumes,
            networks,
        })
    }
}
