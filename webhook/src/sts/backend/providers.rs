//! The OIDC provider of the cluster's issuer: AWS refuses a token whose issuer no provider of the role's account speaks
//! for, or whose audience is not among the provider's client ids (IAM User Guide, "Create an OpenID Connect (OIDC) identity
//! provider in IAM").

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_iam::Client;
use irsa_emu_core::contract::DEFAULT_AUDIENCE;
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::trust_policy::IssuerAlias;

use super::super::response::StsError;
use super::super::token::Verified;
use super::recent::Recent;
use super::unavailable;
use crate::args::{self, Settings};
use crate::aws::Emulator;
use crate::events::{EventType, Events};

/// An account of a partition, as `arn:<partition>:iam::<account>`.
type Place = String;

/// Looks for providers, and registers them where the install makes what is missing.
pub(super) struct Providers {
    emulator: Emulator,
    mode: args::Roles,
    events: Events,
    aliases: Vec<IssuerAlias>,
    seen: Recent<Place, Found>,
}

/// The providers of an account that speak for this cluster.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    any: bool,
    client_ids: BTreeSet<String>,
}

/// What is wrong with an account's providers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    Provider,
    ClientId,
}

impl Found {
    fn lacks(&self, audience: &str) -> Option<Lack> {
        match (self.any, self.client_ids.contains(audience)) {
            (false, _) => Some(Lack::Provider),
            (true, false) => Some(Lack::ClientId),
            (true, true) => None,
        }
    }
}

impl Providers {
    pub(super) fn new(emulator: Emulator, events: Events, settings: &Settings) -> Self {
        Self {
            emulator,
            events,
            mode: settings.roles,
            aliases: settings.issuer_aliases.clone(),
            seen: Recent::default(),
        }
    }

    /// Whether the role's account has a provider that takes the token.
    pub(super) async fn require(
        &self,
        role: &RoleArn,
        verified: &Verified,
        audience: &str,
    ) -> Result<(), StsError> {
        let place = format!("arn:{}:iam::{}", role.partition(), role.account());
        if let Some(found) = self.seen.get(&place) {
            match (found.lacks(audience), self.mode) {
                // The owner was told when it was looked for.
                (None, _) | (Some(Lack::ClientId), args::Roles::Auto) => return Ok(()),
                (Some(_), _) => {}
            }
        }
        let iam = self.emulator.iam(role.account(), role.partition());
        let found = Arc::new(self.look(&iam, verified.provider()).await?);
        match (found.lacks(audience), self.mode) {
            (None, _) => {}
            (Some(Lack::Provider), args::Roles::Auto) => return register(&iam, verified, audience).await,
            // LocalStack 4.14 cannot add a client id, so the audience passes, and its owner is told of the difference.
            (Some(Lack::ClientId), args::Roles::Auto) => self.tell(verified, audience),
            (Some(Lack::Provider), args::Roles::Strict) => {
                return Err(StsError::invalid_token(&format!(
                    "No OpenIDConnect provider found in your account for {}",
                    verified.issuer
                )));
            }
            (Some(Lack::ClientId), args::Roles::Strict) => {
                return Err(StsError::invalid_token("Incorrect token audience"));
            }
        }
        self.seen.remember(place, &found);
        Ok(())
    }

    /// The providers of the cluster's issuer, or of one of its aliases, and what they take.
    async fn look(&self, iam: &Client, issuer: &str) -> Result<Found, StsError> {
        let list = iam.list_open_id_connect_providers().send().await;
        let list = list.map_err(|error| unavailable("ListOpenIDConnectProviders", &error))?;
        let mut found = Found::default();
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
                Ok(answer) => {
                    found.any = true;
                    found.client_ids.extend(answer.client_id_list().iter().cloned());
                }
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

/// Whether a provider is the cluster's: `arn:aws:iam::123456789012:oidc-provider/<issuer without its scheme>`.
fn speaks_for(arn: &str, issuer: &str, aliases: &[IssuerAlias]) -> bool {
    let url = arn.split_once(":oidc-provider/").map(|(_, url)| url);
    url.is_some_and(|url| url == issuer || aliases.iter().any(|alias| alias.matches(url)))
}

/// The client ids of a provider that is made for an audience: AWS's own, too, as every other ServiceAccount uses it.
fn client_ids(audience: &str) -> Vec<String> {
    let ids = BTreeSet::from([DEFAULT_AUDIENCE, audience]);
    ids.into_iter().map(str::to_owned).collect()
}

async fn register(iam: &Client, verified: &Verified, audience: &str) -> Result<(), StsError> {
    let made = iam
        .create_open_id_connect_provider()
        .url(&verified.issuer)
        .set_client_id_list(Some(client_ids(audience)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_speaks_for_its_issuer_and_an_alias_for_the_cluster() {
        let issuer = "kubernetes.default.svc.cluster.local";
        let eks = "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF";
        let arn = |url: &str| format!("arn:aws:iam::123456789012:oidc-provider/{url}");
        assert!(speaks_for(&arn(issuer), issuer, &[]));
        assert!(!speaks_for(&arn(eks), issuer, &[]));
        assert!(speaks_for(&arn(eks), issuer, &[IssuerAlias::Eks]));
        assert!(!speaks_for(
            &arn("accounts.google.com"),
            issuer,
            &[IssuerAlias::Eks]
        ));
        assert!(!speaks_for("nonsense", issuer, &[IssuerAlias::Eks]));
    }

    #[test]
    fn a_provider_takes_only_the_audiences_it_lists() {
        let none = Found::default();
        let one = Found {
            any: true,
            client_ids: BTreeSet::from(["sts.amazonaws.com".to_owned()]),
        };
        assert_eq!(none.lacks("sts.amazonaws.com"), Some(Lack::Provider));
        assert_eq!(one.lacks("other"), Some(Lack::ClientId));
        assert_eq!(one.lacks("sts.amazonaws.com"), None);
    }
}
