//! Clients for the emulator, one for each account and region.

#[cfg(test)]
mod tests;

use std::time::Duration;

use aws_sdk_iam::config::http::HttpResponse;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::config::timeout::TimeoutConfig;
use aws_sdk_iam::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use axum::body::Body;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use irsa_emu_core::causes::chain;
use irsa_emu_core::contract::DEFAULT_ACCOUNT;
use irsa_emu_core::emulator;
use irsa_emu_core::partition::home_of_iam;

/// Connections that are kept for the next call: none. A kept connection belongs to the Pod that it was made to, so that
/// calls still go to a Pod that is ending, or to nothing, while the Service names the next one already. LocalStack sends
/// empty responses while it stops, and the SDK closes a connection only after an error of the kind of 503. A call that
/// failed is repeated by the next look of the keeper, or by the SDK of the Pod, and a new connection within the cluster
/// costs less than a millisecond.
const KEPT_CONNECTIONS: usize = 0;

/// Makes clients that use plain HTTP to one emulator. In the image there are no CA certificates, and none are needed.
#[derive(Debug, Clone)]
pub(crate) struct Emulator {
    url: String,
    http: SharedHttpClient,
}

impl Emulator {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            http: aws_smithy_http_client::Builder::new()
                .pool_max_idle_per_host(KEPT_CONNECTIONS)
                .build_http(),
        }
    }

    pub(crate) fn kms(&self, account: &str, region: &str) -> aws_sdk_kms::Client {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .endpoint_url(&self.url)
            .credentials_provider(credentials(account))
            .http_client(self.http.clone())
            .timeout_config(timeouts())
            .retry_config(RetryConfig::standard().with_max_attempts(1));
        aws_sdk_kms::Client::from_conf(config.build())
    }

    /// IAM as one account of one partition sees it: the emulator derives the partition from the region of the signature.
    pub(crate) fn iam(&self, account: &str, partition: &str) -> aws_sdk_iam::Client {
        let config = aws_sdk_iam::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(home_of_iam(partition)))
            .endpoint_url(&self.url)
            .credentials_provider(credentials(account))
            .http_client(self.http.clone())
            .timeout_config(timeouts())
            .retry_config(RetryConfig::standard().with_max_attempts(1));
        aws_sdk_iam::Client::from_conf(config.build())
    }

    pub(crate) fn sts(&self) -> aws_sdk_sts::Client {
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(&self.url)
            .credentials_provider(credentials(DEFAULT_ACCOUNT))
            .http_client(self.http.clone())
            .timeout_config(timeouts())
            .retry_config(RetryConfig::standard().with_max_attempts(1));
        aws_sdk_sts::Client::from_conf(config.build())
    }
}

/// A client for requests to the emulator that somebody else has signed.
pub(crate) fn unsigned_client() -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(KEPT_CONNECTIONS)
        .build_http()
}

/// Credentials that put the emulator into an account.
fn credentials(account: &str) -> Credentials {
    Credentials::new(account, emulator::DEFAULT.secret_key, None, None, "irsa-emu")
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(5))
        .build()
}

/// A failed call in one line. Of a service's error its code and message only: the rest differs each time, and who compares
/// texts would see news without end.
pub(crate) fn explain_call<E>(error: &SdkError<E>) -> String
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let code = error.as_service_error().and_then(|error| error.code());
    match (code, error.raw_response()) {
        (Some(code), _) => format!(
            "{code}: {}",
            error
                .as_service_error()
                .and_then(|error| error.message())
                .unwrap_or("no message")
        ),
        (None, Some(response)) => format!("{}: {}", received(response), chain(error)),
        (None, None) => chain(error),
    }
}

/// What was received that is no response of AWS. Not its text, in which there may be credentials.
fn received(response: &HttpResponse) -> String {
    let status = response.status().as_u16();
    match response.body().bytes().map_or(0, <[u8]>::len) {
        0 => format!("the emulator returned HTTP {status} without a body"),
        length => format!(
            "the emulator returned HTTP {status} with {length} bytes of {}",
            response
                .headers()
                .get("content-type")
                .unwrap_or("an unknown type")
        ),
    }
}
