//! Hostile requests to the real front, through a Service of the test's own.
#![expect(clippy::print_stdout, reason = "the figures are part of the result")]

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use irsa_emu_core::contract::{DEFAULT_AUDIENCE, NAMESPACE, STS_FRONT_PORT, WEBHOOK};
use irsa_emu_test_support::hostile::{Role, Target, on_the_front};
use serde_json::{Value, json};

use crate::sts::{Front, token};
use crate::world::{PART_LABEL, World, eventually, text_at};

const REQUESTS: usize = 2000;
/// Both replicas may write so much, in bytes.
const LOG: usize = 200_000;

pub(crate) fn front_stays_as_it_was(world: &World) -> Result<()> {
    let address = expose(world)?;
    let role = Role {
        arn: "arn:aws:iam::123456789012:role/e2e-narrow".to_owned(),
        good_token: token(world, "verbatim", DEFAULT_AUDIENCE)?,
        bad_tokens: vec![
            token(world, "narrow", "vault")?,
            token(world, "verbatim", "https://kubernetes.default.svc.cluster.local")?,
        ],
    };
    let (restarts, began) = (restarts(world)?, Instant::now());
    let (report, held) = on_the_front(&Target::new(address, REQUESTS), &role)?;
    let since = format!("--since={}s", began.elapsed().as_secs() + 1);
    let front = Front::open(world)?;
    let asked = Instant::now();
    let (status, body) = front.exchange("e2e-verbatim", &role.good_token, "")?;
    let took = asked.elapsed();
    drop(held);
    ensure!(status == 200, "a good exchange afterwards: {status} {body}");
    ensure!(
        // Connections that never show a request are ended after five seconds: nobody waits for that.
        took < Duration::from_secs(5),
        "a good exchange afterwards took {took:?}"
    );
    let log = world.logs_of(WEBHOOK, &[&since, "--tail=-1"])?;
    println!(
        "{report}\n{} bytes of log; a good exchange then took {took:?}",
        log.len()
    );
    // The name of the session that attackers ask for.
    ensure!(
        !log.contains(r#""session":"pod""#),
        "somebody got credentials: {log}"
    );
    ensure!(!log.contains("panicked"), "{log}");
    ensure!(log.len() < LOG, "{} bytes of log", log.len());
    ensure!(self::restarts(world)? == restarts, "a webhook was restarted");
    world.in_install(&["delete", "service", "e2e-sts"])?;
    Ok(())
}

/// Makes a Service of the front that is reached from here, and returns its address. A forwarded port would be what breaks.
fn expose(world: &World) -> Result<SocketAddr> {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "e2e-sts", "namespace": NAMESPACE},
        "spec": {
            "type": "NodePort", "selector": {PART_LABEL: WEBHOOK},
            "ports": [{"port": 80, "targetPort": STS_FRONT_PORT}],
        },
    });
    world.apply(&service.to_string())?;
    let service = world.get_in_install(&["service", "e2e-sts"])?;
    let port = service["spec"]["ports"][0]["nodePort"]
        .as_u64()
        .context("no port of the node")?;
    let nodes = world.get(&["nodes"])?;
    let addresses = nodes["items"][0]["status"]["addresses"]
        .as_array()
        .context("no node")?;
    let internal = addresses
        .iter()
        .find(|address| address["type"] == "InternalIP")
        .context("the node has no address")?;
    let ip: IpAddr = text_at(internal, "/address")?.parse()?;
    let address = SocketAddr::from((ip, u16::try_from(port)?));
    eventually("the front is reached from here", 20, || {
        std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        Ok(())
    })?;
    Ok(address)
}

fn restarts(world: &World) -> Result<u64> {
    let count = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
    Ok(world.pods_of(WEBHOOK)?.iter().filter_map(count).sum())
}
