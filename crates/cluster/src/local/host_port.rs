//! How this machine gets to the emulator of a cluster whose nodes are containers: by a port that a node publishes, or
//! by a proxy beside the nodes, which needs no change of the cluster.

use irsa_emu_core::contract::{EMULATOR_NODE_PORT, EMULATOR_PORT};

use super::provider::emulator_port;
use crate::docker::{Docker, DockerError};
use crate::local::nodes::Node;
use crate::local::proxy::{Proxy, ProxySpec};

/// Networks of Docker on which no container finds another by its name.
const WITHOUT_NAMES: [&str; 4] = ["bridge", "default", "host", "none"];

/// What there is to decide from.
#[derive(Debug, Clone, Copy, Default)]
pub struct PortFacts<'a> {
    /// The port that the command line names; 0 is any.
    pub asked: Option<u16>,
    /// The port that the nodes publish.
    pub published: Option<u16>,
    /// The proxy of the cluster that is there.
    pub there: Option<&'a Proxy>,
    /// Where a proxy would lead; `None` where one cannot.
    pub route: Option<&'a Route>,
    /// The image of a proxy; `None` where it cannot be made here.
    pub image: Option<&'a str>,
}

/// Where a proxy leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The Docker network of the cluster.
    pub network: String,
    /// A node and the emulator's port of it. By its name, because its address may change when it is started again.
    pub to: String,
}

/// What is to be done, so that this machine has a port for the emulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing: a node publishes this port.
    Published(u16),
    /// Nothing: the proxy that is there serves on this port.
    Keep(u16),
    /// Start the proxy that is there.
    Start(u16),
    /// Make a proxy, in place of the one that is there; 0 is any port.
    Make(u16),
    /// Nothing can be done here.
    Impossible,
}

impl Step {
    /// The port of this machine for the emulator afterwards.
    #[must_use]
    pub fn port(self) -> Option<u16> {
        match self {
            Self::Published(port) | Self::Keep(port) | Self::Start(port) | Self::Make(port) => Some(port),
            Self::Impossible => None,
        }
    }

    /// Whether a proxy that is there has to go first.
    #[must_use]
    pub fn replaces(self) -> bool {
        match self {
            Self::Keep(_) | Self::Start(_) => false,
            Self::Published(_) | Self::Make(_) | Self::Impossible => true,
        }
    }
}

/// Decides. What is there stays unless something else is asked.
#[must_use]
pub fn decide(seen: PortFacts<'_>) -> Step {
    let asked = seen.asked.filter(|port| *port != 0);
    let there = seen.there.filter(|proxy| fits(proxy, &seen));
    let kept = there.map(|proxy| proxy.spec.port).filter(|port| *port != 0);
    match (asked.or(kept), seen.published) {
        (None, Some(published)) => return Step::Published(published),
        (Some(wanted), Some(published)) if wanted == published => return Step::Published(published),
        _ => {}
    }
    if let (Some(proxy), Some(kept)) = (there, kept)
        && asked.is_none_or(|asked| asked == kept)
    {
        return match seen.asked {
            _ if proxy.running => Step::Keep(kept),
            // Its port may be taken by now, and any other is as good.
            Some(0) if seen.image.is_some() => Step::Make(0),
            _ => Step::Start(kept),
        };
    }
    if seen.route.is_none() || seen.image.is_none() {
        return Step::Impossible;
    }
    // One with another target or of another version still has the port.
    let before = seen.there.map(|proxy| proxy.spec.port).filter(|port| *port != 0);
    Step::Make(asked.or(before).or(seen.asked).unwrap_or(EMULATOR_PORT))
}

/// Whether a proxy leads where it should, by the program that it should.
fn fits(proxy: &Proxy, seen: &PortFacts<'_>) -> bool {
    let spec = &proxy.spec;
    let leads = |route: &Route| route.network == spec.network && route.to == spec.to;
    seen.route.is_some_and(leads) && seen.image.is_none_or(|image| image == spec.image)
}

/// Where a proxy to these nodes leads: to the first that runs and is on a network where it has a name.
#[must_use]
pub fn route(nodes: &[Node]) -> Option<Route> {
    let named = |node: &Node| {
        let network = node
            .networks
            .iter()
            .find(|name| !WITHOUT_NAMES.contains(&name.as_str()))?;
        Some(Route {
            network: network.clone(),
            to: format!("{}:{EMULATOR_NODE_PORT}", node.name),
        })
    };
    nodes
        .iter()
        .filter(|node| node.runs_pods && node.running)
        .find_map(named)
}

/// The proxy of a cluster, among those of its install.
#[must_use]
pub fn of_cluster<'a>(proxies: &'a [Proxy], cluster: &str) -> Option<&'a Proxy> {
    proxies.iter().find(|proxy| proxy.spec.cluster == cluster)
}

/// The spec of a proxy.
#[must_use]
pub fn spec(instance: &str, cluster: &str, image: &str, route: &Route, port: u16) -> ProxySpec {
    ProxySpec {
        instance: instance.to_owned(),
        cluster: cluster.to_owned(),
        image: image.to_owned(),
        network: route.network.clone(),
        to: route.to.clone(),
        port,
    }
}

/// How this machine gets to the emulator now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostAccess {
    /// A node publishes this port.
    Published(u16),
    /// A proxy serves on a port.
    Proxy(Proxy),
}

impl HostAccess {
    /// The port of 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Published(port) => *port,
            Self::Proxy(proxy) => proxy.spec.port,
        }
    }

    /// Looks how this machine gets to the emulator of a cluster with these nodes. What `up` made for it comes first.
    pub async fn look(
        docker: &Docker,
        instance: &str,
        cluster: &str,
        nodes: &[Node],
    ) -> Result<Option<Self>, DockerError> {
        let proxies = docker.proxies(instance).await?;
        let proxy = of_cluster(&proxies, cluster).cloned().map(Self::Proxy);
        Ok(proxy.or_else(|| emulator_port(nodes).map(Self::Published)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dev() -> Route {
        Route {
            network: "kind".into(),
            to: "dev-control-plane:30566".into(),
        }
    }

    fn proxy(image: &str, to: &str, port: u16, running: bool) -> Proxy {
        Proxy {
            running,
            spec: ProxySpec {
                image: image.into(),
                network: "kind".into(),
                to: to.into(),
                port,
                ..ProxySpec::default()
            },
            ..Proxy::default()
        }
    }

    #[test]
    fn what_is_to_be_done_follows_from_what_is_asked_and_what_is_there() {
        use Step::{Impossible, Keep, Make, Published, Start};
        let (route, to) = (dev(), "dev-control-plane:30566");
        let good = proxy("i:1", to, 4570, true);
        let stopped = proxy("i:1", to, 4570, false);
        let old = proxy("i:0", to, 4570, true);
        let astray = proxy("i:1", "dev-worker:30566", 4570, true);
        // (asked, published, proxy that is there, step)
        let table = [
            (None, None, None, Make(4566)),
            (Some(0), None, None, Make(0)),
            (Some(4580), None, None, Make(4580)),
            (None, Some(4566), None, Published(4566)),
            (Some(0), Some(4566), None, Published(4566)),
            (Some(4566), Some(4566), None, Published(4566)),
            (Some(4580), Some(4566), None, Make(4580)),
            (None, None, Some(&good), Keep(4570)),
            (Some(0), None, Some(&good), Keep(4570)),
            (Some(4570), None, Some(&good), Keep(4570)),
            (Some(4580), None, Some(&good), Make(4580)),
            (None, Some(4566), Some(&good), Keep(4570)),
            (Some(4566), Some(4566), Some(&good), Published(4566)),
            (None, None, Some(&stopped), Start(4570)),
            (Some(0), None, Some(&stopped), Make(0)),
            (Some(4570), None, Some(&stopped), Start(4570)),
            (Some(4580), None, Some(&stopped), Make(4580)),
            (None, None, Some(&old), Make(4570)),
            (Some(0), None, Some(&old), Make(4570)),
            (Some(4580), None, Some(&old), Make(4580)),
            (None, None, Some(&astray), Make(4570)),
            (None, Some(4566), Some(&astray), Published(4566)),
        ];
        for (asked, published, there, step) in table {
            let seen = PortFacts {
                asked,
                published,
                there,
                route: Some(&route),
                image: Some("i:1"),
            };
            assert_eq!(decide(seen), step, "{asked:?} {published:?} {there:?}");
        }
        // Where no image can be made here: one that is there may stay, and none is made.
        for (there, published, step) in [
            (None, None, Impossible),
            (None, Some(4566), Published(4566)),
            (Some(&old), None, Keep(4570)),
            (Some(&stopped), None, Start(4570)),
            (Some(&astray), None, Impossible),
        ] {
            let seen = PortFacts {
                published,
                there,
                route: Some(&route),
                ..PortFacts::default()
            };
            assert_eq!(decide(seen), step, "{there:?}");
        }
        let nowhere = PortFacts {
            there: Some(&good),
            image: Some("i:1"),
            ..PortFacts::default()
        };
        assert_eq!(decide(nowhere), Impossible);
    }

    #[test]
    fn only_a_proxy_that_serves_on_stays() {
        for (step, replaces) in [
            (Step::Keep(1), false),
            (Step::Start(1), false),
            (Step::Make(1), true),
            (Step::Published(1), true),
            (Step::Impossible, true),
        ] {
            assert_eq!(step.replaces(), replaces, "{step:?}");
        }
    }

    #[test]
    fn a_route_leads_to_a_node_that_runs_by_its_name() {
        let node = |name: &str, running: bool, runs_pods: bool, networks: &[&str]| Node {
            name: name.into(),
            running,
            runs_pods,
            networks: networks.iter().map(|name| (*name).to_owned()).collect(),
            ..Node::default()
        };
        let nodes = [
            node("dev-balancer", true, false, &["kind"]),
            node("dev-stopped", false, true, &["kind"]),
            node("dev-control-plane", true, true, &["bridge", "kind"]),
        ];
        assert_eq!(route(&nodes), Some(dev()));
        assert_eq!(route(&nodes[..2]), None);
        assert_eq!(route(&[node("x", true, true, &["host"])]), None);
    }
}
