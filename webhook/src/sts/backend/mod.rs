//! Who opens sessions of roles: the emulator, whose roles and trust policies are judged here, or real AWS, which judges
//! its own.

mod aws;
mod emulator;
mod providers;
mod recent;
mod roles;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::types::{Credentials, PolicyDescriptorType};
use axum::body::Bytes;
use axum::http::request::Parts;
use axum::response::Response;
use irsa_emu_core::role_arn::RoleArn;
use kube::Client;

use super::query::AssumeRole;
use super::response::StsError;
use super::token::Verified;
use crate::args::{BackendSettings, Settings};
use crate::aws::explain_call;
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
    /// The audience by which the token was taken.
    pub(super) audience: String,
}

/// What the ServiceAccount's annotations, or the role table, name for it.
#[derive(Debug)]
pub(super) struct Named {
    /// The role, as it is written.
    pub(super) role: Option<String>,
    /// The audience of its Pods' tokens.
    pub(super) audience: String,
}

impl Named {
    /// Insists that this is the role; the reason if it is not.
    fn require(&self, role: &RoleArn) -> Result<(), String> {
        match &self.role {
            Some(named) if *named == role.to_string() => Ok(()),
            Some(named) => Err(format!("the ServiceAccount's annotation names {named}")),
            None => Err("the ServiceAccount has no role-arn annotation".to_owned()),
        }
    }
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

    /// Passes a request of another action on as it came, and its answer back. Nothing is passed on to real AWS: requests
    /// for it are signed for its own host.
    pub(super) async fn pass_on(&self, parts: Parts, body: Bytes) -> Response {
        match self {
            Self::Emulator(emulator) => emulator.pass_on(parts, body).await,
            Self::Aws(_) => StsError::only_web_identity().into_response(),
        }
    }
}

/// The managed policies of a session, as the SDK takes them. The fuzz targets read requests without the SDK.
fn managed_policies(request: &AssumeRole) -> Option<Vec<PolicyDescriptorType>> {
    let descriptor = |arn| PolicyDescriptorType::builder().arn(arn).build();
    (!request.policy_arns.is_empty()).then(|| request.policy_arns.iter().map(descriptor).collect())
}

/// A call of the emulator's IAM that failed; SDKs try again.
fn unavailable<E>(call: &str, error: &SdkError<E>) -> StsError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    tracing::warn!(call, error = explain_call(error), "the emulator does not answer");
    StsError::unavailable("The emulator's IAM does not answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_aws_opens_only_the_role_that_is_named() {
        let role = RoleArn::parse("arn:aws:iam::123456789012:role/app").unwrap();
        let named = |role: Option<&str>| Named {
            role: role.map(str::to_owned),
            audience: String::new(),
        };
        assert!(
            named(Some("arn:aws:iam::123456789012:role/app"))
                .require(&role)
                .is_ok()
        );
        for (named, why) in [
            (
                named(Some("arn:aws:iam::123456789012:role/other")),
                "annotation names arn:aws:iam::123456789012:role/other",
            ),
            (named(Some("arn:aws:iam::999999999999:role/app")), "999999999999"),
            (named(None), "no role-arn annotation"),
        ] {
            let refused = named.require(&role).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
