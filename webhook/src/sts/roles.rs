//! The role of a request: it must exist in the emulator, or is made.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use irsa_emu_core::role_arn::RoleArn;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use serde_json::json;

use super::response::StsError;
use super::token::Verified;
use crate::args::{self, Settings};
use crate::aws::{Emulator, explain};

/// A role that was seen is not looked for again for so long.
const REMEMBER: Duration = Duration::from_secs(30);
/// More roles than any laptop has; past this, nothing is remembered.
const MAX_REMEMBERED: usize = 10_000;

/// Looks for roles, and makes them where the install says so.
pub(crate) struct Roles {
    emulator: Emulator,
    mode: args::Roles,
    events: Recorder,
    seen: Mutex<HashMap<RoleArn, Instant>>,
}

impl Roles {
    pub(crate) fn new(client: Client, settings: &Settings) -> Self {
        let reporter = Reporter {
            controller: "irsa-emu-webhook".to_owned(),
            instance: None,
        };
        Self {
            emulator: Emulator::new(&settings.emulator_url),
            mode: settings.roles,
            events: Recorder::new(client, reporter),
            seen: Mutex::new(HashMap::new()),
        }
    }

    /// Makes sure that the role exists, or refuses.
    pub(crate) async fn ensure(
        &self,
        role: &RoleArn,
        verified: &Verified,
        audience: &str,
    ) -> Result<(), StsError> {
        if self.seen_lately(role) {
            return Ok(());
        }
        let iam = self.emulator.iam(role.account());
        match iam.get_role().role_name(role.name()).send().await {
            Ok(_) => {}
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_no_such_entity_exception()) =>
            {
                match self.mode {
                    args::Roles::Auto => self.make(&iam, role, verified, audience).await?,
                    args::Roles::Strict => {
                        tracing::warn!(subject = %verified.subject, role = %role, "refused: the role does not exist");
                        return Err(StsError::access_denied());
                    }
                }
            }
            Err(error) => return Err(unavailable("GetRole", &error)),
        }
        self.remember(role);
        Ok(())
    }

    async fn make(
        &self,
        iam: &aws_sdk_iam::Client,
        role: &RoleArn,
        verified: &Verified,
        audience: &str,
    ) -> Result<(), StsError> {
        let made = iam
            .create_role()
            .role_name(role.name())
            .path(role.path())
            .assume_role_policy_document(trust_policy(role, verified, audience))
            .description("made by irsa-emu, as a Pod asked for it")
            .send()
            .await;
        match made {
            Ok(_) => {}
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_entity_already_exists_exception()) =>
            {
                return Ok(());
            }
            Err(error) => return Err(unavailable("CreateRole", &error)),
        }
        tracing::info!(role = %role, subject = %verified.subject, "made a role that did not exist");
        self.tell(role, verified).await;
        Ok(())
    }

    /// An Event on the ServiceAccount: on EKS the role would have been missing.
    async fn tell(&self, role: &RoleArn, verified: &Verified) {
        let subject = &verified.subject;
        let event = Event {
            type_: EventType::Normal,
            reason: "RoleMade".to_owned(),
            note: Some(format!(
                "irsa-emu made {role}, which did not exist, with a trust policy for this ServiceAccount"
            )),
            action: "AssumeRoleWithWebIdentity".to_owned(),
            secondary: None,
        };
        let reference = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("ServiceAccount".to_owned()),
            namespace: Some(subject.namespace.clone()),
            name: Some(subject.name.clone()),
            ..ObjectReference::default()
        };
        if let Err(error) = self.events.publish(&event, &reference).await {
            tracing::warn!(%error, "cannot write an Event");
        }
    }

    fn seen_lately(&self, role: &RoleArn) -> bool {
        let seen = self
            .seen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.get(role).is_some_and(|at| at.elapsed() < REMEMBER)
    }

    fn remember(&self, role: &RoleArn) {
        let mut seen = self
            .seen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.retain(|_, at| at.elapsed() < REMEMBER);
        if seen.len() < MAX_REMEMBERED {
            seen.insert(role.clone(), Instant::now());
        }
    }
}

fn unavailable(call: &str, error: &(dyn std::error::Error + 'static)) -> StsError {
    tracing::warn!(call, error = explain(error), "the emulator does not answer");
    StsError::unavailable("The emulator's IAM does not answer")
}

/// A trust policy for exactly the ServiceAccount of a token, in the form that EKS users write.
fn trust_policy(role: &RoleArn, verified: &Verified, audience: &str) -> String {
    let provider = verified.provider();
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Federated": format!("arn:{}:iam::{}:oidc-provider/{provider}", role.partition(), role.account())},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {
                format!("{provider}:sub"): verified.subject.to_string(),
                format!("{provider}:aud"): audience,
            }}
        }]
    })
    .to_string()
}
