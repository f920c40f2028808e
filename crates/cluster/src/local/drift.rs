//! What a cluster is, against what is asked of it now.
//!
//! Only what the command line names is compared, and with the containers themselves: they are the record of what the
//! cluster was made with, and cannot be out of date.

use std::fmt;

use super::provider::emulator_port;
use crate::local::nodes::Node;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// What differs.
    pub what: &'static str,
    /// How it is.
    pub has: String,
    /// How it should be.
    pub wanted: String,
    /// The option that asks for it.
    pub option: &'static str,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: - {}  + {}", self.what, self.has, self.wanted)
    }
}

/// What the command line asks of a cluster that is there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asks<'a> {
    /// Port of 127.0.0.1; 0 is any.
    pub host_port: Option<u16>,
    /// Image of the nodes.
    pub node_image: Option<&'a str>,
}

/// The differences between a cluster and what is asked of it.
#[must_use]
pub fn between(asks: Asks<'_>, nodes: &[Node]) -> Vec<Drift> {
    let mut drift = Vec::new();
    // A cluster that publishes none gets any port by a proxy, and need not be recreated for it.
    if let Some(wanted) = asks.host_port.filter(|port| *port != 0)
        && let Some(has) = emulator_port(nodes).filter(|has| *has != wanted)
    {
        drift.push(Drift {
            what: "host port",
            has: has.to_string(),
            wanted: wanted.to_string(),
            option: "--host-port",
        });
    }
    if let Some(wanted) = asks.node_image {
        let other = nodes
            .iter()
            .filter(|node| node.runs_pods)
            .find(|node| pulled(&node.image) != pulled(wanted));
        if let Some(node) = other {
            drift.push(Drift {
                what: "node image",
                has: node.image.clone(),
                wanted: wanted.to_owned(),
                option: "--node-image",
            });
        }
    }
    drift
}

/// A reference as it is pulled: where there is a digest, the tag means nothing, and kind drops it.
fn pulled(reference: &str) -> String {
    let Some((name, digest)) = reference.split_once('@') else {
        return reference.to_owned();
    };
    let path = name.rfind('/').map_or(0, |at| at + 1);
    let name = match name[path..].find(':') {
        Some(at) => &name[..path + at],
        None => name,
    };
    format!("{name}@{digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(port: u16, image: &str) -> Vec<Node> {
        vec![Node {
            ports: vec![(30_566, "127.0.0.1".into(), port)],
            image: image.into(),
            runs_pods: true,
            ..Node::default()
        }]
    }

    #[test]
    fn what_nobody_asks_for_does_not_differ() {
        let nodes = cluster(4566, "kindest/node:v1.34.0");
        assert_eq!(between(Asks::default(), &nodes), []);
        let any_port = Asks {
            host_port: Some(0),
            ..Asks::default()
        };
        assert_eq!(between(any_port, &nodes), []);
        let same = Asks {
            host_port: Some(4566),
            node_image: Some("kindest/node:v1.34.0"),
        };
        assert_eq!(between(same, &nodes), []);
    }

    #[test]
    fn each_difference_is_told() {
        let asks = Asks {
            host_port: Some(4567),
            node_image: Some("b"),
        };
        let told: Vec<String> = between(asks, &cluster(4566, "a"))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(told, ["host port: - 4566  + 4567", "node image: - a  + b"]);
        let publishes_none = [Node {
            ports: vec![],
            ..cluster(0, "b").remove(0)
        }];
        assert_eq!(between(asks, &publishes_none), []);
    }

    #[test]
    fn a_tag_before_a_digest_means_nothing() {
        let nodes = cluster(4566, "r:5000/node@sha256:1");
        let asks = |image| Asks {
            host_port: None,
            node_image: Some(image),
        };
        assert_eq!(between(asks("r:5000/node:v1@sha256:1"), &nodes), []);
        assert_eq!(between(asks("r:5000/node:v1@sha256:2"), &nodes).len(), 1);
    }
}
