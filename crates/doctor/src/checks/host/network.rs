//! Ports, proxies and names of this machine.

use std::net::IpAddr;
use std::time::Duration;

use irsa_emu_cluster::local::host_port::HostAccess;
use irsa_emu_cluster::local::nodes::Node;
use irsa_emu_cluster::local::port;
use irsa_emu_core::contract::EMULATOR_PORT;
use irsa_emu_core::emulator;

use crate::checks::engine::{Trouble, Verdict, fine, nothing};
use crate::checks::surroundings::Surroundings;
use crate::remedy::Remedy;

/// A name that the emulator's makers publish for whoever runs it on this machine.
const EDGE: &str = emulator::DEFAULT.public_name;
/// How long the DNS may take.
const DNS_TIMEOUT: Duration = Duration::from_millis(1500);
/// Names that must not go through a proxy: this machine's, and those of the cluster.
const DIRECT: [&str; 4] = ["127.0.0.1", "localhost", ".svc", ".cluster.local"];

pub(super) async fn port_free(s: &Surroundings<'_>) -> Verdict {
    let nodes = s.nodes().await?;
    if nodes.is_empty() {
        return match (&s.session.context, s.host_port) {
            // A cluster that irsa-emu does not create publishes what it publishes.
            (Some(context), _) => nothing(format!(
                "no node of the cluster of {context} runs as a container of this machine"
            )),
            (None, 0) => fine("a new cluster publishes any port that is free"),
            (None, wanted) => is_free(s, wanted).await,
        };
    }
    let access = s.host_access().await?;
    let listens = match access {
        Some(access) => port::answers(&format!("http://127.0.0.1:{}", access.port())).await,
        None => false,
    };
    judge_access(access, listens, nodes, |verb| s.session.command(verb))
}

/// Whether a new cluster can publish this port.
async fn is_free(s: &Surroundings<'_>, wanted: u16) -> Verdict {
    let Err(error) = port::is_free(wanted) else {
        return fine(format!("port {wanted} of 127.0.0.1 is free"));
    };
    let container = s.docker().await?.port_owner(wanted).await.ok().flatten();
    let owner = container
        .map(|name| format!("the container {name}"))
        .or_else(|| port::owner(wanted))
        .map_or_else(|| error.to_string(), |owner| format!("it is taken by {owner}"));
    let message = format!("port {wanted} of 127.0.0.1 is not free: {owner}");
    Err(Trouble::new(
        message,
        format!("{} --host-port 0", s.session.command("up")),
    ))
}

/// `listens` is whether the port accepts a connection.
fn judge_access(
    access: Option<&HostAccess>,
    listens: bool,
    nodes: &[Node],
    command: impl Fn(&str) -> String,
) -> Verdict {
    match access {
        None => {
            let message = "the cluster publishes no port for the emulator, so that tools of this machine cannot reach it";
            Err(Trouble::warning(message, command("up")))
        }
        Some(HostAccess::Published(port)) if listens => {
            fine(format!("port {port} of 127.0.0.1 is the emulator's"))
        }
        Some(HostAccess::Published(port)) => {
            let message = format!("the node publishes port {port} of 127.0.0.1, but nothing listens there");
            let node = nodes.first().map_or("", |node| node.name.as_str());
            Err(Trouble::new(message, format!("docker restart {node}")))
        }
        Some(HostAccess::Proxy(proxy)) if proxy.running && listens => fine(format!(
            "port {} of 127.0.0.1 is forwarded to the emulator by the container {}",
            proxy.spec.port, proxy.name
        )),
        Some(HostAccess::Proxy(proxy)) => {
            let message = format!(
                "the container {} for port {} of 127.0.0.1 does not run",
                proxy.name, proxy.spec.port
            );
            Err(Trouble::new(message, command("up")).repaired_by(Remedy::Up))
        }
    }
}

pub(super) fn proxy() -> Verdict {
    let variable = |name: &'static str| {
        let lower = name.to_ascii_lowercase();
        let value = std::env::var(name).or_else(|_| std::env::var(lower));
        value.ok().filter(|value| !value.is_empty())
    };
    let set = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
        .into_iter()
        .find(|name| variable(name).is_some());
    judge_proxy(set, &variable("NO_PROXY").unwrap_or_default())
}

/// `set` is the variable that names a proxy; its value may hold a password and is not printed.
fn judge_proxy(set: Option<&str>, no_proxy: &str) -> Verdict {
    let Some(set) = set else {
        return fine("no proxy is set");
    };
    let entries: Vec<&str> = no_proxy
        .split([',', ' '])
        .filter(|entry| !entry.is_empty())
        .collect();
    let lacking: Vec<&str> = DIRECT
        .into_iter()
        .filter(|name| !entries.iter().any(|entry| covers(entry, name)))
        .collect();
    if lacking.is_empty() {
        return fine(format!(
            "{set} is set, and NO_PROXY leaves out this machine and the cluster"
        ));
    }
    let message = format!(
        "{set} is set, and NO_PROXY does not leave out {}",
        lacking.join(", ")
    );
    let wanted: Vec<&str> = entries.into_iter().chain(lacking).collect();
    Err(Trouble::warning(
        message,
        format!("export NO_PROXY={}", wanted.join(",")),
    ))
}

/// Whether an entry of `NO_PROXY` leaves out a name. A name that begins with a dot stands for all below it.
fn covers(entry: &str, name: &str) -> bool {
    if entry == "*" || entry.eq_ignore_ascii_case(name) {
        return true;
    }
    if name == "127.0.0.1" {
        return entry == "127.0.0.0/8";
    }
    let entry = entry.trim_start_matches('*').trim_start_matches('.');
    name.trim_start_matches('.') == entry
}

pub(super) async fn edge_dns(s: &Surroundings<'_>) -> Verdict {
    let endpoint = match s.host_endpoint().await {
        Ok(Some(endpoint)) => endpoint,
        _ => format!("http://127.0.0.1:{EMULATOR_PORT}"),
    };
    let asked = tokio::time::timeout(DNS_TIMEOUT, tokio::net::lookup_host((EDGE, EMULATOR_PORT))).await;
    let found = asked
        .ok()
        .and_then(Result::ok)
        .map(|addresses| addresses.map(|address| address.ip()).collect::<Vec<_>>());
    judge_edge(found.as_deref().unwrap_or_default(), &endpoint)
}

fn judge_edge(addresses: &[IpAddr], endpoint: &str) -> Verdict {
    let fix = format!("use {endpoint} instead");
    if addresses.is_empty() {
        let message = format!(
            "{EDGE} has no address here: this machine is offline, or its DNS drops names that resolve to 127.0.0.1"
        );
        return Err(Trouble::warning(message, fix));
    }
    if let Some(other) = addresses.iter().find(|address| !address.is_loopback()) {
        let message = format!("{EDGE} resolves to {other} here, not to this machine");
        return Err(Trouble::warning(message, fix));
    }
    fine(format!("{EDGE} resolves to this machine"))
}

#[cfg(test)]
mod tests {
    use irsa_emu_cluster::local::proxy::Proxy;

    use super::*;

    #[test]
    fn a_proxy_must_leave_out_this_machine_and_the_cluster() {
        let fix = |no_proxy: &str| judge_proxy(Some("HTTP_PROXY"), no_proxy).map_err(|trouble| trouble.fix);
        assert!(judge_proxy(None, "").is_ok());
        for good in [
            "127.0.0.1,localhost,.svc,.cluster.local",
            "LOCALHOST, 127.0.0.0/8 svc *.cluster.local",
            "*",
        ] {
            assert!(fix(good).is_ok(), "{good}");
        }
        assert_eq!(
            fix("").unwrap_err(),
            "export NO_PROXY=127.0.0.1,localhost,.svc,.cluster.local"
        );
        assert_eq!(
            fix("corp.example,localhost,.svc").unwrap_err(),
            "export NO_PROXY=corp.example,localhost,.svc,127.0.0.1,.cluster.local"
        );
    }

    #[test]
    fn the_value_of_a_proxy_is_not_told() {
        let trouble = judge_proxy(Some("HTTPS_PROXY"), "").unwrap_err();
        assert!(
            trouble.message.starts_with("HTTPS_PROXY is set, and"),
            "{}",
            trouble.message
        );
    }

    #[test]
    fn a_port_is_the_node_s_or_a_container_s_that_runs() {
        let told = |access: Option<HostAccess>, listens: bool| {
            let nodes = [Node {
                name: "node".into(),
                ..Node::default()
            }];
            let verdict = judge_access(access.as_ref(), listens, &nodes, |verb| {
                format!("irsa-emu {verb}")
            });
            verdict.map(|_| ()).map_err(|trouble| trouble.fix)
        };
        let proxy = |running| {
            Some(HostAccess::Proxy(Proxy {
                running,
                ..Proxy::default()
            }))
        };
        let published = || Some(HostAccess::Published(4566));
        let up = || Err("irsa-emu up".to_owned());
        for (access, listens, expected) in [
            (None, false, up()),
            (published(), true, Ok(())),
            (published(), false, Err("docker restart node".to_owned())),
            (proxy(true), true, Ok(())),
            (proxy(true), false, up()),
            (proxy(false), true, up()),
        ] {
            assert_eq!(told(access, listens), expected);
        }
    }

    #[test]
    fn the_public_name_must_lead_to_loopback() {
        let judge = |addresses: &[&str]| {
            let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
            judge_edge(&addresses, "http://127.0.0.1:4566").map_err(|trouble| trouble.message)
        };
        assert!(judge(&["127.0.0.1"]).is_ok());
        assert!(judge(&["::1", "127.0.0.1"]).is_ok());
        assert!(judge(&[]).unwrap_err().contains("has no address"));
        assert!(
            judge(&["127.0.0.1", "192.0.2.7"])
                .unwrap_err()
                .contains("192.0.2.7")
        );
    }
}
