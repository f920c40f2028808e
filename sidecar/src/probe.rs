//! Asks the running sidecar of this container for its credentials: the startup probe, and `credential-process`.

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
    #[error("{url} does not respond: {why}")]
    NoAnswer { url: String, why: String },
    #[error("{0}")]
    NotReady(String),
}

/// Asks once whether there are credentials.
pub(crate) async fn ask(settings: &Settings) -> Result<(), ProbeError> {
    fetch(settings).await.map(drop)
}

/// The credentials in the form that SDKs take from a `credential_process` (AWS SDKs and Tools Reference Guide, "Process
/// credential provider").
pub(crate) async fn process_credentials(settings: &Settings) -> Result<String, ProbeError> {
    let body = fetch(settings).await?;
    convert(&body)
        .ok_or_else(|| ProbeError::NotReady("the endpoint responded without credentials".to_owned()))
}

/// The endpoint calls the token otherwise than `credential_process` does.
fn convert(body: &[u8]) -> Option<String> {
    let endpoint: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| endpoint.get(name)?.as_str();
    let process = serde_json::json!({
        "Version": 1,
        "AccessKeyId": text("AccessKeyId")?,
        "SecretAccessKey": text("SecretAccessKey")?,
        "SessionToken": text("Token")?,
        "Expiration": text("Expiration")?,
    });
    Some(process.to_string())
}

async fn fetch(settings: &Settings) -> Result<Bytes, ProbeError> {
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
        .map_err(|_| no_answer("no response within a second".to_owned()))?
        .map_err(no_answer)?;
    // The body of a good response holds secrets; that of any other has the reason.
    if status.is_success() {
        Ok(body)
    } else {
        Err(ProbeError::NotReady(
            String::from_utf8_lossy(&body).trim().to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_the_endpoint_becomes_that_of_a_credential_process() {
        let body = br#"{"AccessKeyId":"A","SecretAccessKey":"S","Token":"T","AccountId":"1","Expiration":"2026-11-25T00:00:00Z"}"#;
        let process: serde_json::Value = serde_json::from_str(&convert(body).unwrap()).unwrap();
        assert_eq!(
            process,
            serde_json::json!({"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "S", "SessionToken": "T", "Expiration": "2026-11-25T00:00:00Z"})
        );
        assert!(convert(b"{}").is_none() && convert(b"").is_none());
    }
}
