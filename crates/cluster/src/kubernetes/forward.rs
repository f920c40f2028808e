//! Carries connections from this machine to the emulator, through the API server: it works wherever `kubectl` does.
//!
//! Every connection looks for a Pod again, so that only the connections of a replaced Pod end.

use std::convert::Infallible;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use irsa_emu_core::contract::{EMULATOR, EMULATOR_PORT, NAMESPACE};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::net::{TcpListener, TcpStream};

use irsa_emu_core::contract::PART_LABEL;

/// How long to wait after a connection could not be taken, as when too many files are open.
const PAUSE: Duration = Duration::from_millis(200);

/// Why a connection was not carried.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// There is no Pod to carry it to.
    #[error("no Pod of the emulator is ready")]
    NoPod,
    /// The API server refused.
    #[error("the API server did not open a connection to the emulator")]
    Kube(#[from] kube::Error),
    /// The Pod refused.
    #[error("the emulator did not accept the connection: {0}")]
    Pod(String),
}

/// Carries connections until it is dropped.
pub async fn serve(listener: &TcpListener, client: &Client, on_trouble: &dyn Fn(&str)) -> Infallible {
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => open.push(carry(&pods, stream)),
                Err(error) => {
                    on_trouble(&error.to_string());
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(carried) = open.next(), if !open.is_empty() => {
                if let Err(error) = carried {
                    on_trouble(&chain(&error));
                }
            }
        }
    }
}

async fn carry(pods: &Api<Pod>, mut stream: TcpStream) -> Result<(), ForwardError> {
    let params = ListParams::default().labels(&format!("{PART_LABEL}={EMULATOR}"));
    let found = pods.list(&params).await?;
    let pod = ready(&found.items).ok_or(ForwardError::NoPod)?;
    let mut forwarder = pods.portforward(pod, &[EMULATOR_PORT]).await?;
    let said = forwarder.take_error(EMULATOR_PORT);
    let Some(mut upstream) = forwarder.take_stream(EMULATOR_PORT) else {
        return Err(ForwardError::Pod("it has no such port".to_owned()));
    };
    // Either side may simply go away.
    let carried = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
    tracing::debug!(?carried, "a connection has ended");
    drop(upstream);
    drop(forwarder);
    match said {
        Some(said) => said.await.map_or(Ok(()), |why| Err(ForwardError::Pod(why))),
        None => Ok(()),
    }
}

/// The newest Pod that is ready and not about to end.
fn ready(pods: &[Pod]) -> Option<&str> {
    let serves = |pod: &&Pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        let is_ready = conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True");
        is_ready && pod.metadata.deletion_timestamp.is_none()
    };
    let newest = pods
        .iter()
        .filter(serves)
        .max_by_key(|pod| pod.metadata.creation_timestamp.clone());
    newest?.metadata.name.as_deref()
}

fn chain(error: &ForwardError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_pod_that_serves_is_taken() {
        let pod = |name: &str, created: &str, ready: &str, ends: bool| -> Pod {
            let mut metadata = json!({"name": name, "creationTimestamp": created});
            if ends {
                metadata["deletionTimestamp"] = json!(created);
            }
            let status = json!({"conditions": [{"type": "Ready", "status": ready}]});
            serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap()
        };
        let pods = [
            pod("old", "2026-01-01T00:00:00Z", "True", false),
            pod("new", "2026-01-02T00:00:00Z", "True", false),
            pod("starting", "2026-01-03T00:00:00Z", "False", false),
            pod("ending", "2026-01-04T00:00:00Z", "True", true),
        ];
        assert_eq!(ready(&pods), Some("new"));
        assert_eq!(ready(&pods[2..]), None);
    }
}
