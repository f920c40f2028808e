//! The role of a request: it must exist in the emulator, or is made; and its trust policy.

use std::sync::Arc;

use aws_sdk_iam::types::Role;
use irsa_emu_core::install::RoleMode;
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::trust_policy::{PolicyError, TrustPolicy, written};

use super::super::error::StsError;
use super::super::token::Verified;
use super::recent::Recent;
use super::session::{Named, Refusal, unavailable};
use crate::args::Settings;
use crate::aws::Emulator;
use crate::events::{EventType, Events};

/// The longest session of a role that sets none, in seconds (IAM API reference, `CreateRole`).
const DEFAULT_MAX_SESSION: i32 = 3600;

/// What matters of a role that exists.
#[derive(Debug)]
pub(super) struct FoundRole {
    /// Its trust policy, or why IAM would not have stored it.
    pub(super) trust: Result<TrustPolicy, PolicyError>,
    /// The longest session, in seconds.
    pub(super) max_session: i32,
}

/// Looks for roles, and makes them where the install allows it.
pub(super) struct Roles {
    emulator: Emulator,
    mode: RoleMode,
    events: Events,
    seen: Recent<RoleArn, FoundRole>,
}

impl Roles {
    pub(super) fn new(emulator: Emulator, events: Events, settings: &Settings) -> Self {
        Self {
            emulator,
            mode: settings.install.roles,
            events,
            seen: Recent::default(),
        }
    }

    /// The role, if it exists.
    pub(super) async fn find(&self, role: &RoleArn) -> Result<Option<Arc<FoundRole>>, Refusal> {
        if let Some(found) = self.seen.get(role) {
            return Ok(Some(found));
        }
        let iam = self.emulator.iam(role.account(), role.partition());
        match iam.get_role().role_name(role.name()).send().await {
            Ok(answer) => Ok(Some(self.remember(role, read(role, answer.role)?))),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_no_such_entity_exception()) =>
            {
                Ok(None)
            }
            Err(error) => Err(unavailable("GetRole", &error).into()),
        }
    }

    /// Makes a role that does not exist, where the install allows it and the ServiceAccount's own annotation or the role
    /// table names it.
    pub(super) async fn make(
        &self,
        role: &RoleArn,
        verified: &Verified,
        audience: &str,
        named: &Named,
    ) -> Result<Arc<FoundRole>, Refusal> {
        may_make(self.mode, role, named).map_err(Refusal::Denied)?;
        let iam = self.emulator.iam(role.account(), role.partition());
        let made = self.create(&iam, role, verified, audience).await?;
        Ok(self.remember(role, made))
    }

    fn remember(&self, role: &RoleArn, found: FoundRole) -> Arc<FoundRole> {
        let found = Arc::new(found);
        self.seen.remember(role.clone(), &found);
        found
    }

    async fn create(
        &self,
        iam: &aws_sdk_iam::Client,
        role: &RoleArn,
        verified: &Verified,
        audience: &str,
    ) -> Result<FoundRole, Refusal> {
        let made = iam
            .create_role()
            .role_name(role.name())
            .path(role.path())
            .assume_role_policy_document(trust_policy(role, verified, audience))
            .description("made by irsa-emu, as a Pod asked for it")
            .send()
            .await;
        match made {
            Ok(answer) => {
                let subject = &verified.subject;
                tracing::info!(role = %role, subject = %subject, "made a role that did not exist");
                // On EKS the role would have been missing.
                let note = format!(
                    "irsa-emu made {role}, which did not exist, with a trust policy for this ServiceAccount"
                );
                self.events.exchange(
                    &subject.namespace,
                    &subject.name,
                    EventType::Normal,
                    "RoleMade",
                    note,
                );
                read(role, answer.role)
            }
            // The keeper, or another replica, was faster: what it made is used.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_entity_already_exists_exception()) =>
            {
                let answer = iam.get_role().role_name(role.name()).send().await;
                read(role, answer.map_err(|error| unavailable("GetRole", &error))?.role)
            }
            Err(error) => Err(unavailable("CreateRole", &error).into()),
        }
    }
}

/// Whether a role that does not exist is made; the reason if it is not.
fn may_make(mode: RoleMode, role: &RoleArn, named: &Named) -> Result<(), String> {
    match mode {
        RoleMode::Strict => Err("the role does not exist".to_owned()),
        RoleMode::Auto => named.require(role).map_err(|why| {
            format!(
                "the role does not exist, and only a role that is named for the ServiceAccount is created: {why}"
            )
        }),
    }
}

/// What matters of a role that IAM returned. One of the same name below another path is not the role that was
/// asked for.
fn read(wanted: &RoleArn, role: Option<Role>) -> Result<FoundRole, Refusal> {
    let role = role.ok_or_else(|| StsError::unavailable("The emulator's IAM responded without a role"))?;
    if role.arn() != wanted.to_string() {
        let why = format!("the role of this name has another ARN, {}", role.arn());
        return Err(Refusal::Denied(why));
    }
    // IAM returns the document URL-encoded (RFC 3986).
    let encoded = role.assume_role_policy_document().unwrap_or_default();
    let document = percent_encoding::percent_decode_str(encoded).decode_utf8_lossy();
    Ok(FoundRole {
        trust: TrustPolicy::parse(&document),
        max_session: role.max_session_duration().unwrap_or(DEFAULT_MAX_SESSION),
    })
}

/// A trust policy for exactly the ServiceAccount of a token.
fn trust_policy(role: &RoleArn, verified: &Verified, audience: &str) -> String {
    written(role, verified.provider(), verified.subject.to_string(), audience).to_string()
}

#[cfg(test)]
mod tests {
    use irsa_emu_core::trust_policy::{WebIdentityRequest, evaluate};

    use super::*;

    fn role(arn: &str, document: &str) -> Role {
        Role::builder()
            .path("/")
            .role_name("app")
            .role_id("x")
            .arn(arn)
            .create_date(aws_sdk_iam::primitives::DateTime::from_secs(0))
            .assume_role_policy_document(document)
            .build()
            .unwrap()
    }

    #[test]
    fn only_a_role_that_is_named_is_made_and_none_where_roles_are_strict() {
        let wanted = RoleArn::parse("arn:aws:iam::123456789012:role/app").unwrap();
        let named = |role: Option<&str>| Named {
            role: role.map(str::to_owned),
            audience: "sts.amazonaws.com".to_owned(),
        };
        let own = named(Some("arn:aws:iam::123456789012:role/app"));
        assert_eq!(may_make(RoleMode::Auto, &wanted, &own), Ok(()));
        assert!(may_make(RoleMode::Strict, &wanted, &own).is_err());
        for other in [None, Some("arn:aws:iam::123456789012:role/other")] {
            let why = may_make(RoleMode::Auto, &wanted, &named(other)).unwrap_err();
            assert!(why.starts_with("the role does not exist, and "), "{why}");
            assert!(why.contains(other.unwrap_or("no role-arn annotation")), "{why}");
        }
    }

    #[test]
    fn a_role_below_another_path_is_another_role() {
        let wanted = RoleArn::parse("arn:aws:iam::123456789012:role/team/app").unwrap();
        let error = read(
            &wanted,
            Some(role("arn:aws:iam::123456789012:role/app", "%7B%7D")),
        )
        .unwrap_err();
        assert!(
            matches!(&error, Refusal::Denied(why) if why.contains("arn:aws:iam::123456789012:role/app")),
            "{error:?}"
        );
    }

    #[test]
    fn the_policy_that_we_make_lets_exactly_its_service_account_in() {
        let wanted = RoleArn::parse("arn:aws:iam::123456789012:role/app").unwrap();
        let document = trust_policy(&wanted, &Verified::sample(), "sts.amazonaws.com");
        let encoded =
            percent_encoding::utf8_percent_encode(&document, percent_encoding::NON_ALPHANUMERIC).to_string();
        let found = read(&wanted, Some(role(&wanted.to_string(), &encoded))).unwrap();
        assert_eq!(found.max_session, 3600);
        let trust = found.trust.unwrap();
        let lets_in = |subject: &str| {
            let request = WebIdentityRequest {
                role: &wanted,
                provider: "kubernetes.default.svc.cluster.local",
                aliases: &[],
                subject,
                audiences: &["sts.amazonaws.com".to_owned()],
                session_name: "s",
                claims: &std::collections::BTreeMap::new(),
                keys: &std::collections::BTreeMap::new(),
            };
            evaluate(&trust, &request).is_allowed()
        };
        assert!(lets_in("system:serviceaccount:n:s"));
        assert!(!lets_in("system:serviceaccount:n:other"));
    }
}
