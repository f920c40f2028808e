//! Images as `docker save` writes them, of one platform only: what the client library cannot ask for.
//!
//! Docker's containerd store saves every platform that an image lists, also those whose layers it does not have.

use std::fmt::Write as _;

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, BodyStream, Empty};
use hyper::body::Incoming;
use hyper::http::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::Docker;
use super::error::DockerError;
use super::exec::Feed;

/// The first version of the API that saves one platform.
const SAVES_ONE_PLATFORM: (u32, u32) = (1, 48);

impl Docker {
    /// An image as `docker save` writes it, for the platform that Docker itself runs.
    pub async fn export_image(&self, reference: &str) -> Result<Feed, DockerError> {
        if version(&self.api_version) < Some(SAVES_ONE_PLATFORM) {
            return Ok(self.export_whole(reference));
        }
        let failed = |why: String| DockerError::Export {
            reference: reference.to_owned(),
            why,
        };
        let body = self
            .request(reference)
            .await
            .map_err(|error| failed(format!("{error:#}")))?;
        let body = match body {
            Ok(body) => body,
            Err(why) => return Err(failed(why)),
        };
        let chunks = BodyStream::new(body).filter_map(|frame| async {
            match frame {
                Ok(frame) => frame.into_data().ok().map(Ok),
                Err(error) => Some(Err(std::io::Error::other(error))),
            }
        });
        Ok(chunks.boxed())
    }

    /// Asks for the archive; the inner error is Docker's message.
    async fn request(&self, reference: &str) -> anyhow::Result<Result<Incoming, String>> {
        let platform = format!(r#"{{"os":"linux","architecture":"{}"}}"#, self.architecture);
        let (major, minor) = SAVES_ONE_PLATFORM;
        let path = format!(
            "/v{major}.{minor}/images/{}/get?platform={}",
            escaped(reference),
            escaped(&platform)
        );
        let request = Request::get(path)
            .header("Host", "docker")
            .body(Empty::<Bytes>::new())?;
        let response = if let Some(path) = self.endpoint.strip_prefix("unix://") {
            send(tokio::net::UnixStream::connect(path).await?, request).await?
        } else {
            let address = self
                .endpoint
                .split_once("://")
                .map_or(self.endpoint.as_str(), |(_, rest)| rest);
            send(
                tokio::net::TcpStream::connect(address.trim_end_matches('/')).await?,
                request,
            )
            .await?
        };
        let (head, body) = response.into_parts();
        if head.status == StatusCode::OK {
            return Ok(Ok(body));
        }
        let said = body.collect().await?.to_bytes();
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap_or_default();
        let message = said.get("message").and_then(serde_json::Value::as_str);
        Ok(Err(message.map_or_else(|| head.status.to_string(), str::to_owned)))
    }
}

async fn send<S>(
    stream: S,
    request: Request<Empty<Bytes>>,
) -> Result<hyper::http::Response<Incoming>, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    sender.send_request(request).await
}

/// A version of the API, such as `1.48`.
fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Text as a part of a path or a query; a slash of a reference stays.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_version_is_the_greater() {
        assert!(version("1.51") > Some(SAVES_ONE_PLATFORM));
        assert!(version("1.41") < Some(SAVES_ONE_PLATFORM));
        assert!(version("") < Some(SAVES_ONE_PLATFORM));
        assert!(version("2.0") > version("1.99"));
    }

    #[test]
    fn what_a_path_cannot_hold_is_escaped() {
        assert_eq!(escaped("r:5000/a/b:1@sha256:0"), "r:5000/a/b:1@sha256:0");
        assert_eq!(escaped(r#"{"os":"#), "%7B%22os%22:");
    }
}
