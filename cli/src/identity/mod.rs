//! The AWS identity of a ServiceAccount's Pods, for processes of this machine: the role that Pods would get, and
//! credentials that STS gives for it or refuses.

pub mod account;
pub mod child;
pub mod endpoint;
mod error;
mod reason;
pub mod renewal;

use std::collections::BTreeMap;
use std::time::Duration;

use irsa_emu_core::contract::DEFAULT_REGION;
use irsa_emu_core::grant::Identity as Granted;
use irsa_emu_core::kubectl::kubectl;
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::rules::{RecipeRules, effect_of};
use irsa_emu_doctor::explain::gather;
use irsa_emu_doctor::explain::subject::Subject;
use irsa_emu_doctor::explain::world::World;
use irsa_emu_install::sts::{self, Session};
use kube::Client;
use time::OffsetDateTime;

use self::account::AccountName;
pub use self::error::{IdentityError, WithRole};

/// How long one exchange may take.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// The identity of a ServiceAccount's Pods.
pub struct Identity {
    client: Client,
    /// The ServiceAccount.
    pub account: AccountName,
    /// The role: the one that Pods get, or the one that was asked for.
    pub role: String,
    /// The region of its Pods.
    pub region: String,
    audience: String,
    /// The role that is named for the ServiceAccount, which rules may match.
    granted: Option<String>,
    rules: Vec<RecipeRules>,
}

impl Identity {
    /// Looks up what Pods of the ServiceAccount get. `role` takes the place of the role that is named for it.
    pub async fn find(
        client: &Client,
        context: &str,
        account: &AccountName,
        role: Option<&RoleArn>,
    ) -> Result<Self, IdentityError> {
        let world = gather::world(client, kubectl(context)).await?;
        let mut world = world.ok_or(IdentityError::NotInstalled)?;
        let subject = Subject::of_account(&account.namespace, &account.name);
        gather::accounts(client, &mut world, std::slice::from_ref(&subject)).await?;
        let (role, audience) = match named(&world, account, role) {
            Ok(found) => found,
            Err(Nothing::Missing) => {
                return Err(IdentityError::NoAccount {
                    account: account.clone(),
                    others: others(client, world).await,
                });
            }
            Err(Nothing::NoRole { association }) => {
                return Err(IdentityError::NoRole {
                    account: account.clone(),
                    association,
                    others: others(client, world).await,
                });
            }
        };
        let granted = world.grant(&account.namespace, &account.name);
        let granted = granted.and_then(|(grant, _)| grant.role_arn().map(ToOwned::to_owned));
        let (namespace, name) = (account.namespace.as_str(), account.name.as_str());
        let region = effect_of(&world.rules, namespace, name, granted.as_deref(), None).region;
        let region = region.or(world.settings.inject.region);
        Ok(Self {
            client: client.clone(),
            account: account.clone(),
            role,
            region: region.unwrap_or_else(|| DEFAULT_REGION.to_owned()),
            audience,
            granted,
            rules: world.rules,
        })
    }

    /// The variables that Recipes add for these Pods, with the emulator's URL of this machine in them.
    #[must_use]
    pub fn variables(&self, emulator: Option<&str>) -> BTreeMap<String, String> {
        let (namespace, name) = (self.account.namespace.as_str(), self.account.name.as_str());
        effect_of(&self.rules, namespace, name, self.granted.as_deref(), emulator).env
    }

    /// New credentials of the role, as STS gives them to a Pod.
    pub async fn session(&self, session_name: &str) -> Result<Session, IdentityError> {
        match tokio::time::timeout(EXCHANGE_TIMEOUT, self.exchange(session_name)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(IdentityError::Late(EXCHANGE_TIMEOUT)),
        }
    }

    async fn exchange(&self, session_name: &str) -> Result<Session, IdentityError> {
        let AccountName { namespace, name } = &self.account;
        let token = sts::token(&self.client, namespace, name, &self.audience).await?;
        let since = OffsetDateTime::now_utc();
        let refusal = match sts::assume(&self.client, &token, &self.role, session_name).await {
            Ok(session) => return Ok(session),
            Err(refusal) => refusal,
        };
        if !refusal.is_of_sts() {
            return Err(IdentityError::Unreachable(refusal.message));
        }
        // AWS gives no reason with this code, so the STS front writes it into an Event.
        let reason = if refusal.code == "AccessDenied" {
            reason::of(&self.client, &self.account, &self.role, since).await
        } else {
            None
        };
        Err(IdentityError::Refused {
            account: self.account.clone(),
            role: self.role.clone(),
            refusal,
            reason,
        })
    }
}

/// Why there is no role to ask for.
#[derive(Debug, PartialEq, Eq)]
enum Nothing {
    Missing,
    NoRole { association: bool },
}

/// The role to ask for, and the audience of the token to ask with.
fn named(
    world: &World,
    account: &AccountName,
    chosen: Option<&RoleArn>,
) -> Result<(String, String), Nothing> {
    let AccountName { namespace, name } = account;
    if world.account(namespace, name).is_none() {
        return Err(Nothing::Missing);
    }
    let grant = world.grant(namespace, name).map(|(grant, _)| grant);
    let chosen = chosen.map(ToString::to_string);
    match grant.map(|grant| (grant.identity, grant.audience)) {
        Some((Granted::WebIdentity { role_arn }, audience)) => Ok((chosen.unwrap_or(role_arn), audience)),
        // The token of an association is for its agent, not for STS.
        other => match chosen {
            Some(role) => Ok((role, world.settings.grants.audience.clone())),
            None => Err(Nothing::NoRole {
                association: other.is_some(),
            }),
        },
    }
}

/// The ServiceAccounts that have a role. Who may not list them all still learns what is wrong.
async fn others(client: &Client, mut world: World) -> Option<Vec<WithRole>> {
    gather::all_accounts(client, &mut world).await.ok()?;
    let all = world.accounts.keys().filter_map(|(namespace, name)| {
        let (grant, _) = world.grant(namespace, name)?;
        Some(WithRole {
            account: AccountName {
                namespace: namespace.clone(),
                name: name.clone(),
            },
            role: grant.role_arn()?.to_owned(),
        })
    });
    Some(all.collect())
}

#[cfg(test)]
mod tests {
    use irsa_emu_core::grant::{PodIdentities, RoleMap};
    use irsa_emu_install::settings::Settings;
    use irsa_emu_install::testing::install;
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:iam::123456789012:role/app";
    const OTHER: &str = "arn:aws:iam::123456789012:role/other";

    fn world() -> World {
        let mut world = World::new(Settings::from(&install().settings));
        for (name, annotations) in [
            ("app", json!({"eks.amazonaws.com/role-arn": ARN})),
            (
                "odd",
                json!({"eks.amazonaws.com/role-arn": ARN, "eks.amazonaws.com/audience": "odd"}),
            ),
            ("plain", json!({})),
            ("mapped", json!({})),
            ("associated", json!({})),
        ] {
            let object = json!({"apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"namespace": "shop", "name": name, "annotations": annotations}});
            world.learn(&object, "").unwrap();
        }
        world.tables.role_map = RoleMap::parse(r#"{"shop/mapped": {"RoleARN": "mapped", "Audience": "m"}}"#)
            .unwrap()
            .0;
        world.tables.pod_identities = PodIdentities::parse(
            br#"{"identities": [{"namespace": "shop", "serviceAccount": "associated"}]}"#,
        )
        .unwrap();
        world
    }

    #[test]
    fn a_role_is_named_by_annotation_table_or_user() {
        let world = world();
        let chosen = RoleArn::parse(OTHER).unwrap();
        let named = |name: &str, chosen: Option<&RoleArn>| {
            let account = AccountName::parse(&format!("shop/{name}")).unwrap();
            named(&world, &account, chosen)
        };
        let ok = |role: &str, audience: &str| Ok((role.to_owned(), audience.to_owned()));
        for (name, own, with_role) in [
            (
                "app",
                ok(ARN, "sts.amazonaws.com"),
                ok(OTHER, "sts.amazonaws.com"),
            ),
            ("odd", ok(ARN, "odd"), ok(OTHER, "odd")),
            ("mapped", ok("mapped", "m"), ok(OTHER, "m")),
            (
                "plain",
                Err(Nothing::NoRole { association: false }),
                ok(OTHER, "sts.amazonaws.com"),
            ),
            (
                "associated",
                Err(Nothing::NoRole { association: true }),
                ok(OTHER, "sts.amazonaws.com"),
            ),
            ("nobody", Err(Nothing::Missing), Err(Nothing::Missing)),
        ] {
            assert_eq!(named(name, None), own, "{name}");
            assert_eq!(named(name, Some(&chosen)), with_role, "{name}, with a role");
        }
    }

    #[test]
    fn a_service_account_is_named_with_its_namespace() {
        for text in ["shop/app", "kube-system/vault", "a/b.c-d"] {
            assert_eq!(AccountName::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "", "app", "/app", "shop/", "shop/a/b", "Shop/app", "shop/-a", "s.x/a", "shop/a b",
        ] {
            assert!(AccountName::parse(text).is_err(), "{text}");
        }
    }
}
