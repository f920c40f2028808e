//! One exchange: the Pod's token for credentials, by AssumeRoleWithWebIdentity at the STS front.

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use irsa_emu_core::causes::chain;
use quick_xml::Reader;
use quick_xml::events::Event;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::form_urlencoded;

use crate::args::Settings;
use crate::credentials::Credentials;

/// A response of STS is about 2 KB; nothing near this size is one.
const MAX_ANSWER: usize = 64 * 1024;
/// What an exchange takes at most, unless the caller is in a hurry.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// Why no credentials came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("cannot read the token {}: {source}", path.display())]
    Token { path: PathBuf, source: std::io::Error },
    #[error("{url} is not a URL: {source}")]
    Url { url: String, source: hyper::http::Error },
    #[error("{url} cannot be reached: {why}")]
    Unreachable { url: String, why: String },
    #[error("STS refused {role}: {code}: {message}")]
    Refused {
        role: String,
        code: String,
        message: String,
    },
    #[error("{url} returned {status} with something that is no STS response")]
    Answer { url: String, status: StatusCode },
}

/// Exchanges the token that is in the file now; the kubelet replaces it long before it expires.
pub(crate) async fn exchange(settings: &Settings, timeout: Duration) -> Result<Credentials, ExchangeError> {
    let url = &settings.sts_url;
    let token = tokio::fs::read_to_string(&settings.token_file)
        .await
        .map_err(|source| ExchangeError::Token {
            path: settings.token_file.clone(),
            source,
        })?;
    let request = request(settings, token.trim()).map_err(|source| ExchangeError::Url {
        url: url.clone(),
        source,
    })?;
    let unreachable = |why: String| ExchangeError::Unreachable {
        url: url.clone(),
        why,
    };
    let (status, body) = tokio::time::timeout(timeout, send(request))
        .await
        .map_err(|_| unreachable(format!("no response within {} ms", timeout.as_millis())))?
        .map_err(unreachable)?;
    let answer = Answer::parse(&body);
    if let (true, Some(credentials)) = (status.is_success(), answer.credentials()) {
        return Ok(credentials);
    }
    match answer.code {
        Some(code) => Err(ExchangeError::Refused {
            role: settings.role_arn.clone(),
            code,
            message: answer.message.unwrap_or_default(),
        }),
        None => Err(ExchangeError::Answer {
            url: url.clone(),
            status,
        }),
    }
}

fn request(settings: &Settings, token: &str) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("Action", "AssumeRoleWithWebIdentity")
        .append_pair("Version", "2011-06-15")
        .append_pair("RoleArn", &settings.role_arn)
        .append_pair("RoleSessionName", &settings.session_name)
        .append_pair("WebIdentityToken", token)
        .finish();
    Request::builder()
        .method(Method::POST)
        .uri(format!("{}/", settings.sts_url.trim_end_matches('/')))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(form))
}

/// A new connection for each exchange: there is one in many minutes, and a pooled one would be stale by then.
async fn send(request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), String> {
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build_http();
    let response = client.request(request).await.map_err(|error| chain(&error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER)
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    Ok((status, body.to_bytes()))
}

/// The elements of an STS response or error that matter here.
#[derive(Default)]
struct Answer {
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    session_token: Option<String>,
    expiration: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

impl Answer {
    fn parse(body: &[u8]) -> Self {
        let mut answer = Self::default();
        let mut reader = Reader::from_reader(body);
        let mut element = Vec::new();
        loop {
            match reader.read_event() {
                Ok(Event::Start(start)) => element = start.local_name().as_ref().to_vec(),
                Ok(Event::End(_)) => element.clear(),
                Ok(Event::Text(text)) => {
                    if let Some(slot) = answer.slot(&element) {
                        let text = text.decode().unwrap_or_default();
                        slot.get_or_insert_default().push_str(&text);
                    }
                }
                Ok(Event::GeneralRef(reference)) => {
                    if let Some(slot) = answer.slot(&element) {
                        let name = reference.decode().unwrap_or_default();
                        slot.get_or_insert_default()
                            .push_str(quick_xml::escape::resolve_predefined_entity(&name).unwrap_or(""));
                    }
                }
                Ok(Event::Eof) | Err(_) => return answer,
                Ok(_) => {}
            }
        }
    }

    fn slot(&mut self, element: &[u8]) -> Option<&mut Option<String>> {
        match element {
            b"AccessKeyId" => Some(&mut self.access_key_id),
            b"SecretAccessKey" => Some(&mut self.secret_access_key),
            b"SessionToken" => Some(&mut self.session_token),
            b"Expiration" => Some(&mut self.expiration),
            b"Code" => Some(&mut self.code),
            b"Message" => Some(&mut self.message),
            _ => None,
        }
    }

    fn credentials(&self) -> Option<Credentials> {
        Some(Credentials {
            access_key_id: self.access_key_id.clone()?,
            secret_access_key: self.secret_access_key.clone()?,
            session_token: self.session_token.clone()?,
            expiration: OffsetDateTime::parse(self.expiration.as_deref()?, &Rfc3339).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_out_of_an_answer() {
        let xml = "<R xmlns=\"x\"><A><Credentials><AccessKeyId>LSIA1</AccessKeyId><SecretAccessKey>a&amp;b/+=</SecretAccessKey>\
                   <SessionToken>t</SessionToken><Expiration>2026-11-24T12:00:00Z</Expiration></Credentials></A></R>";
        let credentials = Answer::parse(xml.as_bytes()).credentials().unwrap();
        assert_eq!(
            (
                credentials.access_key_id.as_str(),
                credentials.secret_access_key.as_str()
            ),
            ("LSIA1", "a&b/+=")
        );
        assert_eq!(credentials.expiration_text(), "2026-11-24T12:00:00Z");
    }

    #[test]
    fn a_refusal_keeps_its_code_and_message() {
        let xml = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no &lt;role&gt;</Message></Error></ErrorResponse>";
        let answer = Answer::parse(xml.as_bytes());
        assert_eq!(
            (answer.code.as_deref(), answer.message.as_deref()),
            (Some("AccessDenied"), Some("no <role>"))
        );
        assert!(answer.credentials().is_none());
    }

    #[test]
    fn broken_and_foreign_answers_are_no_credentials() {
        for body in [
            "",
            "<a><AccessKeyId>x",
            "not xml",
            "<Credentials><AccessKeyId>x</AccessKeyId></Credentials>",
        ] {
            assert!(Answer::parse(body.as_bytes()).credentials().is_none(), "{body}");
        }
    }
}
