//! Ports of this machine that lead into Pods, through the API server.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::net::{TcpListener, TcpStream};

/// A port of this machine that leads into a Pod, through the API server.
pub(crate) struct Forward {
    pub(crate) port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Forward {
    pub(super) async fn open(api: Api<Pod>, pod: String, port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let local = listener.local_addr()?.port();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(carry(api.clone(), pod.clone(), port, socket));
            }
        });
        Ok(Self { port: local, task })
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(api: Api<Pod>, pod: String, port: u16, mut socket: TcpStream) {
    match api.portforward(&pod, &[port]).await {
        Ok(mut forwarder) => {
            if let Some(mut stream) = forwarder.take_stream(port) {
                let carried = tokio::io::copy_bidirectional(&mut socket, &mut stream).await;
                tracing::debug!(?carried, pod, "a forwarded connection ended");
            }
        }
        Err(error) => tracing::debug!(%error, pod, "the connection could not be forwarded"),
    }
}
