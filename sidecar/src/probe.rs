//! Asks the running sidecar of this container whether it hands out credentials: the startup probe.

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, header};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use irsa_emu_core::contract::{AUTHORIZATION_TOKEN_FILE, SIDECAR_PATH};

use crate::args::Settings;

const TIMEOUT: Duration = Duration::from_secs(1);

/// Why the sidecar is not ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("not started yet: {}: {source}", path.display())]
    NotStarted { path: PathBuf, source: std::io::Error },
    #[error("{url} does not answer: {why}")]
    NoAnswer { url: String, why: String },
    #[error("{0}")]
    NotReady(String),
}

/// Asks once.
pub(crate) async fn ask(settings: &Settings) -> Result<(), ProbeError> {
    let path = settings.credentials_dir.join(AUTHORIZATION_TOKEN_FILE);
    let token = tokio::fs::read_to_string(&path)
        .await
        .map_err(|source| ProbeError::NotStarted { path, source })?;
    let url = format!("http://{}{SIDECAR_PATH}", settings.listen);
    let no_answer = |why: String| ProbeError::NoAnswer {
        url: url.clone(),
        why,
    };
    let request = Request::get(&url)
        .header(header::AUTHORIZATION, token)
        .body(Empty::<Bytes>::new())
        .map_err(|error| no_answer(error.to_string()))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let exchange = async {
        let response = client.request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), 4096)
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        Ok::<_, String>((status, body.to_bytes()))
    };
    let (status, body) = tokio::time::timeout(TIMEOUT, exchange)
        .await
        .map_err(|_| no_answer("no answer within a second".to_owned()))?
        .map_err(no_answer)?;
    // The body of a good answer holds secrets; that of any other says what is wrong.
    if status.is_success() {
        Ok(())
    } else {
        Err(ProbeError::NotReady(
            String::from_utf8_lossy(&body).trim().to_owned(),
        ))
    }
}
