//! Where a cluster comes from: detected, created, started and deleted alike.
//!
//! Their exit codes are not trusted; see [`crate::kubernetes::ready`].

use std::time::Duration;

use async_trait::async_trait;
use irsa_emu_core::contract::EMULATOR_NODE_PORT;

use super::config_file::ConfigFile;
use super::tool::{OnLine, ToolError};
use crate::local::family::Family;
use crate::local::nodes::Node;

/// What a new cluster is to be.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Port of 127.0.0.1 for the emulator.
    pub host_port: u16,
    /// Image of its nodes, if not the program's own.
    pub node_image: Option<&'a str>,
    /// The user's own configuration, in place of ours.
    pub config: Option<&'a ConfigFile>,
    /// How long it may take.
    pub timeout: Duration,
}

/// The cluster of an install, wherever it comes from.
#[async_trait]
pub trait ClusterProvider: Send + Sync {
    /// What it is called, for people: `kind cluster irsa-emu`.
    fn title(&self) -> String;

    /// Its context in the kubeconfig.
    fn context(&self) -> &str;

    /// The containers that its nodes are, if they are: family and name of the cluster.
    fn containers(&self) -> Option<(Family, &str)>;

    /// Whether it comes and goes with the install.
    fn is_own(&self) -> bool;

    /// Makes sure that the program that makes it is there.
    fn require(&self) -> Result<(), ToolError>;

    /// Whether it is there, whole or in parts.
    async fn exists(&self) -> Result<bool, ToolError>;

    /// Creates it.
    async fn create(&self, wanted: Wanted<'_>, on_step: &OnLine<'_>) -> Result<(), ToolError>;

    /// Starts what of it is stopped; only asked where starting its containers is not enough.
    async fn start(&self, timeout: Duration) -> Result<(), ToolError>;

    /// Writes its context into the kubeconfig.
    async fn write_context(&self) -> Result<(), ToolError>;

    /// Deletes it with its containers, volumes and kubeconfig entries. One that is not there is no failure.
    async fn delete(&self) -> Result<(), ToolError>;
}

/// The port of this machine on which the containers of a cluster publish the emulator.
#[must_use]
pub fn emulator_port(nodes: &[Node]) -> Option<u16> {
    let published = nodes.iter().flat_map(|node| &node.ports);
    published
        .filter(|(port, _, host)| *port == EMULATOR_NODE_PORT && *host != 0)
        .map(|(_, _, host)| *host)
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_port_is_found_among_others() {
        let node = |ports: &[(u16, u16)]| Node {
            ports: ports
                .iter()
                .map(|(port, host)| (*port, "127.0.0.1".to_owned(), *host))
                .collect(),
            ..Node::default()
        };
        assert_eq!(
            emulator_port(&[node(&[(6443, 40_000)]), node(&[(30_566, 4567)])]),
            Some(4567)
        );
        assert_eq!(emulator_port(&[node(&[(6443, 40_000)])]), None);
    }
}
