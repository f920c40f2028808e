//! Who opens sessions of roles: the emulator, whose roles and trust policies are judged here, or real AWS, which judges
//! its own.

mod aws;
mod emulator;
mod providers;
mod recent;
mod roles;
mod session;

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::response::Response;
use irsa_emu_core::install;
use kube::Client;

use super::error::StsError;
use super::query::AssumeRole;
use super::token::Verified;
use crate::args::Settings;
use crate::events::Events;
use aws::RealAws;
use emulator::Emulated;
pub(super) use session::{Named, Refusal, Session};

/// What is behind the front.
pub(super) enum Backend {
    Emulator(Box<Emulated>),
    Aws(Box<RealAws>),
}

impl Backend {
    pub(super) fn new(client: Client, settings: &Settings, events: Events) -> Self {
        match settings.install.backend {
            install::Backend::Emulator => Self::Emulator(Box::new(Emulated::new(settings, events))),
            install::Backend::Aws => Self::Aws(Box::new(RealAws::new(client, settings.install.clone()))),
        }
    }

    /// Opens a session of a role, if AWS would.
    pub(super) async fn open_session(
        &self,
        request: &AssumeRole,
        verified: &Verified,
        named: &Named,
    ) -> Result<Session, Refusal> {
        match self {
            Self::Emulator(emulator) => emulator.open_session(request, verified, named).await,
            Self::Aws(aws) => aws.open_session(request, verified, named).await,
        }
    }

    /// Passes a request of another action on as it came, and its response back. Nothing is passed on to real AWS: requests
    /// for it are signed for its own host.
    pub(super) async fn pass_on(&self, parts: Parts, body: Bytes) -> Response {
        match self {
            Self::Emulator(emulator) => emulator.pass_on(parts, body).await,
            Self::Aws(_) => StsError::only_web_identity().into_response(),
        }
    }
}
