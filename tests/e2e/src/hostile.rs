//! Hostile requests to the real front, through a Service of the test's own.
#![expect(clippy::print_stdout, reason = "the figures are part of the result")]

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use irsa_emu_test_support::hostile::{Role, Target, on_the_front};
use serde_json::{Value, json};

use crate::sts::{Front, token};
use crate::world::{World, eventually, text_at};

const REQUESTS: usize = 2000;
/// Both replicas may write so much, in bytes.
const LOG: usize = 200_000;

pub(crate) fn front_stays_as_it_was(world: &World) -> Result<()> {
    let address = expose(world)?;
    let role = Role {
        arn: "arn:aws:iam::123456789012:role/e2e-narrow".to_owned(),
        good_token: token(world, "verbatim", "sts.amazonaws.com")?,
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
    let log = world.kubectl(&[
        "logs",
        "-n",
        "irsa-emu",
        "-l",
        "app.kubernetes.io/name=irsa-emu-webhook",
        &since,
        "--tail=-1",
    ])?;
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
    world.kubectl(&["delete", "service", "-n", "irsa-emu", "e2e-sts"])?;
    Ok(())
}

/// Makes a Service of the front that is reached from here, and says where. A forwarded port would be what breaks.
fn expose(world: &World) -> Result<SocketAddr> {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "e2e-sts", "namespace": "irsa-emu"},
        "spec": {
            "type": "NodePort", "selector": {"app.kubernetes.io/name": "irsa-emu-webhook"},
            "ports": [{"port": 80, "targetPort": 8080}],
        },
    });
    world.apply(&service.to_string())?;
    let service = world.get(&["service", "-n", "irsa-emu", "e2e-sts"])?;
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
    let pods = world.get(&[
        "pods",
        "-n",
        "irsa-emu",
        "-l",
        "app.kubernetes.io/name=irsa-emu-webhook",
    ])?;
    let count = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
    Ok(pods["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(count)
        .sum())
}
