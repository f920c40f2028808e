//! Who opens sessions of roles: the emulator, whose roles and trust policies are judged here, or real AWS, which judges
//! its own.

mod aws;
mod emulator;
mod providers;
mod recent;
mod roles;

use aws_sdk_sts::types::Credentials;
use axum::body::Bytes;
use axum::http::request::Parts;
use axum::response::Response;
use kube::Client;

use super::query::AssumeRole;
use super::response::StsError;
use super::token::Verified;
use crate::args::{BackendSettings, Settings};
use crate::aws::explain;
use crate::events::Events;
use aws::RealAws;
use emulator::Emulated;

/// A session of a role that was opened.
#[derive(Debug)]
pub(super) struct Session {
    /// Its credentials.
    pub(super) credentials: Credentials,
    /// Its name: the one that was asked for, or one like EKS's.
    pub(super) name: String,
    /// The unique id of its role, `AROA...`.
    pub(super) role_id: String,
}

/// Why no session was opened.
#[derive(Debug)]
pub(super) enum Refusal {
    /// AWS would answer with this.
    Answer(StsError),
    /// AWS would answer with `AccessDenied` and no reason. This is the reason.
    Denied(String),
}

impl From<StsError> for Refusal {
    fn from(error: StsError) -> Self {
        Self::Answer(error)
    }
}

/// What is behind the front.
pub(super) enum Backend {
    Emulator(Box<Emulated>),
    Aws(Box<RealAws>),
}

impl Backend {
    pub(super) fn new(client: Client, settings: &Settings, events: Events) -> Self {
        match &settings.backend {
            BackendSettings::Emulator { url } => {
                Self::Emulator(Box::new(Emulated::new(url, settings, events)))
            }
            BackendSettings::Aws(aws) => {
                Self::Aws(Box::new(RealAws::new(client, &settings.namespace, aws.clone())))
            }
        }
    }

    /// Opens a session of a role that the ServiceAccount's own annotation names.
    pub(super) async fn open_session(
        &self,
        request: &AssumeRole,
        verified: &Verified,
        audience: &str,
    ) -> Result<Session, Refusal> {
        match self {
            Self::Emulator(emulator) => emulator.open_session(request, verified, audience).await,
            Self::Aws(aws) => aws.open_session(request, verified).await,
        }
    }

    /// Passes a request of another action on as it came, and its answer back. Nothing is passed on to real AWS: requests
    /// for it are signed for its own host.
    pub(super) async fn pass_on(&self, parts: Parts, body: Bytes) -> Response {
        match self {
            Self::Emulator(emulator) => emulator.pass_on(parts, body).await,
            Self::Aws(_) => StsError::only_web_identity().into_response(),
        }
    }
}

/// A call of the emulator's IAM that failed; SDKs try again.
fn unavailable(call: &str, error: &(dyn std::error::Error + 'static)) -> StsError {
    tracing::warn!(call, error = explain(error), "the emulator does not answer");
    StsError::unavailable("The emulator's IAM does not answer")
}
