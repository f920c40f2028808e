//! `irsa-emu proxy`: what the container does that gives an existing cluster a port of this machine. Nobody types it.

pub mod relay;

use std::net::SocketAddr;

use clap::Args;
use irsa_emu_cluster::failure::ExitStatus;
use tokio::net::TcpListener;

use self::relay::Route;
use crate::app::App;
use crate::error::{Attempt, CliError};

/// How many connections are carried at a time: far more than tools open, and few enough for the container's memory.
const MOST: usize = 512;

/// Options of `irsa-emu proxy`.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Where connections go
    #[arg(long, value_name = "HOST:PORT", value_parser = target)]
    to: String,
}

/// Carries connections until a signal comes.
pub async fn run(args: ProxyArgs, app: &App) -> Result<ExitStatus, CliError> {
    let ProxyArgs { listen, to } = args;
    let listener = TcpListener::bind(listen)
        .await
        .attempting(|| format!("listening on {listen}"))?;
    let address = listener
        .local_addr()
        .attempting(|| format!("listening on {listen}"))?;
    app.printer.talk(&format!("from {address} to {to}"));
    let route = Route { to: &to, most: MOST };
    let on_trouble = |trouble: &str| app.printer.talk(trouble);
    tokio::select! {
        never = relay::serve(&listener, route, &on_trouble) => match never {},
        signal = app.signals.received() => Ok(signal.exit()),
    }
}

/// Reads a host with a port.
fn target(text: &str) -> Result<String, String> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    match port.and_then(|(_, port)| port.parse::<u16>().ok()) {
        Some(port) if port != 0 => Ok(text.to_owned()),
        _ => Err("expected HOST:PORT".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_host_and_a_port() {
        for text in ["kind-control-plane:30566", "172.18.0.2:30566", "[fc00::2]:30566"] {
            assert_eq!(target(text).as_deref(), Ok(text));
        }
        for text in ["", "node", "node:", ":30566", "node:0", "node:70000"] {
            assert!(target(text).is_err(), "{text}");
        }
    }
}
