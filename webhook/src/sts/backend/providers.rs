//! The OIDC provider of the cluster's issuer in a role's account: it must take the token, or is registered.

use std::sync::Arc;

use aws_sdk_iam::Client;
use irsa_emu_core::install::RoleMode;
use irsa_emu_core::oidc_provider::{OidcProviders, Verdict, account_of, client_ids_for, speaks_for};
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::trust_policy::IssuerAlias;

use super::super::error::StsError;
use super::super::token::Verified;
use super::recent::Recent;
use super::session::unavailable;
use crate::args::Settings;
use crate::aws::Emulator;
use crate::events::{EventType, Events};

/// Looks for providers, and registers them where the install makes what is missing.
pub(super) struct Providers {
    emulator: Emulator,
    mode: RoleMode,
    events: Events,
    aliases: Vec<IssuerAlias>,
    /// By account.
    seen: Recent<String, OidcProviders>,
}

impl Providers {
    pub(super) fn new(emulator: Emulator, events: Events, settings: &Settings) -> Self {
        Self {
            emulator,
            events,
            mode: settings.install.roles,
            aliases: settings.issuer_aliases.clone(),
            seen: Recent::default(),
        }
    }

    /// The audience by which a provider of the role's account takes the token. `own` is the audience of the tokens that
    /// the ServiceAccount's Pods get.
    pub(super) async fn require(
        &self,
        role: &RoleArn,
        verified: &Verified,
        own: &str,
    ) -> Result<String, StsError> {
        let account = account_of(role);
        if let Some(found) = self.seen.get(&account) {
            match found.judge(&verified.audiences, own, self.mode == RoleMode::Auto) {
                // Of an audience that is not listed, the owner got an Event when the providers were looked for.
                Verdict::Takes(audience) | Verdict::LetsPass(audience) => return Ok(audience.to_owned()),
                Verdict::Registers(_) | Verdict::NoProvider | Verdict::WrongAudience => {}
            }
        }
        let iam = self.emulator.iam(role.account(), role.partition());
        let found = Arc::new(self.look(&iam, verified.provider()).await?);
        let audience = match found.judge(&verified.audiences, own, self.mode == RoleMode::Auto) {
            Verdict::Takes(audience) => audience,
            Verdict::LetsPass(audience) => {
                self.tell(verified, audience);
                audience
            }
            Verdict::Registers(audience) => {
                register(&iam, verified, own).await?;
                return Ok(audience.to_owned());
            }
            Verdict::NoProvider => {
                return Err(StsError::invalid_token(&format!(
                    "No OpenIDConnect provider found in your account for {}",
                    verified.issuer
                )));
            }
            Verdict::WrongAudience => return Err(StsError::invalid_token("Incorrect token audience")),
        };
        self.seen.remember(account, &found);
        Ok(audience.to_owned())
    }

    /// The providers of the cluster's issuer, or of one of its aliases, and what they take.
    async fn look(&self, iam: &Client, issuer: &str) -> Result<OidcProviders, StsError> {
        let list = iam.list_open_id_connect_providers().send().await;
        let list = list.map_err(|error| unavailable("ListOpenIDConnectProviders", &error))?;
        let mut found = OidcProviders::default();
        for provider in list.open_id_connect_provider_list() {
            let Some(arn) = provider
                .arn()
                .filter(|arn| speaks_for(arn, issuer, &self.aliases))
            else {
                continue;
            };
            let answer = iam
                .get_open_id_connect_provider()
                .open_id_connect_provider_arn(arn);
            match answer.send().await {
                Ok(answer) => found.add(arn, answer.client_id_list().iter().cloned()),
                // It went between the two calls.
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(|e| e.is_no_such_entity_exception()) => {}
                Err(error) => return Err(unavailable("GetOpenIDConnectProvider", &error)),
            }
        }
        Ok(found)
    }

    fn tell(&self, verified: &Verified, audience: &str) {
        let subject = &verified.subject;
        tracing::warn!(%subject, audience, "no OIDC provider lists the audience of this token");
        self.events.exchange(
            &subject.namespace,
            &subject.name,
            EventType::Warning,
            "AudienceNotListed",
            format!(
                "AWS refuses the audience {audience} unless it is a client id of the cluster's OIDC provider"
            ),
        );
    }
}

async fn register(iam: &Client, verified: &Verified, audience: &str) -> Result<(), StsError> {
    let made = iam
        .create_open_id_connect_provider()
        .url(&verified.issuer)
        .set_client_id_list(Some(client_ids_for(audience).into_iter().collect()))
        .send()
        .await;
    match made {
        Ok(_) => {
            tracing::info!(
                issuer = verified.issuer,
                audience,
                "registered the cluster's issuer"
            );
            Ok(())
        }
        // The keeper, or another replica, was faster.
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|e| e.is_entity_already_exists_exception()) =>
        {
            Ok(())
        }
        Err(error) => Err(unavailable("CreateOpenIDConnectProvider", &error)),
    }
}
