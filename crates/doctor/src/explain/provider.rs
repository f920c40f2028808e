//! Whether STS takes the token at all: the role's account has an OIDC provider that speaks for the cluster's issuer, and
//! lists the token's audience. Judged as the STS front judges it, before it looks at the role.

use irsa_emu_core::oidc_provider::{self, OidcProviders, Verdict, account_of, client_ids_for};
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::shell::shell_quoted;

use super::findings::Finding;
use super::world::{AccountProviders, World};

/// The state of providers of which nobody was asked.
pub(super) const NOT_ASKED: &str = "not-asked";
/// The state of providers that could not be asked.
pub(super) const UNKNOWN: &str = "unknown";

/// The state of the providers of a role's account, and what is to be reported of it.
/// `own` is the audience of the tokens that the ServiceAccount's Pods get.
pub(super) fn judge(
    world: &World,
    role: &RoleArn,
    audience: &str,
    own: &str,
) -> (&'static str, Option<Finding>) {
    let (Some(providers), Some(issuer)) = (world.providers.get(&account_of(role)), &world.provider) else {
        return (NOT_ASKED, None);
    };
    let found = match providers {
        AccountProviders::Found(found) => found,
        AccountProviders::NotAsked(why) => {
            let message =
                format!("whether the account's OIDC provider accepts the Pod's token is not known: {why}");
            return (UNKNOWN, Some(Finding::note("emulator-unreachable", message)));
        }
    };
    let wanted = Wanted {
        role,
        issuer,
        audience,
        found,
    };
    match found.judge(&[audience.to_owned()], own, world.settings.makes_roles) {
        Verdict::Takes(_) => ("registered", None),
        Verdict::Registers(_) => ("registered-when-asked-for", Some(wanted.provider_later())),
        Verdict::NoProvider => ("missing", Some(wanted.provider_missing())),
        Verdict::LetsPass(_) => ("audience-not-listed", Some(wanted.audience_passes())),
        Verdict::WrongAudience => ("audience-not-listed", Some(wanted.audience_refused())),
    }
}

/// What a role's account should have.
struct Wanted<'a> {
    role: &'a RoleArn,
    issuer: &'a str,
    audience: &'a str,
    found: &'a OidcProviders,
}

impl Wanted<'_> {
    fn provider_later(&self) -> Finding {
        let message = format!(
            "the account {} has no OIDC provider for the cluster's issuer {} yet; irsa-emu registers it when a Pod first \
requests a role. On AWS it would have to exist",
            self.role.account(),
            self.issuer
        );
        Finding::note("provider-missing", message)
    }

    fn provider_missing(&self) -> Finding {
        let message = format!(
            "the account {} has no OIDC provider for the cluster's issuer {}, and this install registers none (--roles strict)",
            self.role.account(),
            self.issuer
        );
        Finding::error("provider-missing", message, self.with_client_id())
    }

    fn audience_passes(&self) -> Finding {
        let message = format!(
            "no OIDC provider of the account {} lists the audience {}; it passes here, and AWS refuses it",
            self.role.account(),
            self.audience
        );
        Finding::note("audience-not-listed", message)
    }

    fn audience_refused(&self) -> Finding {
        let message = format!(
            "no OIDC provider of the account {} lists the audience {} among its client ids, so STS refuses the token",
            self.role.account(),
            self.audience
        );
        Finding::error("audience-not-listed", message, self.with_client_id())
    }

    /// The command after which a provider lists the audience. LocalStack 4.14 cannot add a client id to one, so one that
    /// is there is recreated with all that it lists.
    fn with_client_id(&self) -> String {
        let arn = oidc_provider::arn(self.role, self.issuer);
        // The emulator takes the account from the access key.
        let iam = format!("AWS_ACCESS_KEY_ID={} aws iam", self.role.account());
        let mut client_ids = client_ids_for(self.audience);
        let mut delete = String::new();
        if let Some(listed) = self.found.client_ids(&arn) {
            client_ids.extend(listed.iter().cloned());
            delete = format!(
                "{iam} delete-open-id-connect-provider --open-id-connect-provider-arn {} && ",
                shell_quoted(&arn)
            );
        }
        // Whoever may annotate a ServiceAccount must not choose what others paste into their shell.
        let client_ids: Vec<String> = client_ids.iter().map(|id| shell_quoted(id)).collect();
        format!(
            "eval \"$(irsa-emu env)\" && {delete}{iam} create-open-id-connect-provider --url {} --client-id-list {}",
            shell_quoted(&format!("https://{}", self.issuer)),
            client_ids.join(" ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::judge::judge as explain;
    use super::super::tests::{ROLE, of_file, pod, provide, shown, told, world};
    use super::super::world::Role;
    use super::super::{Credentials, Explanation};
    use super::*;

    fn state(explained: &Explanation) -> &'static str {
        explained.identity.as_ref().unwrap().provider
    }

    #[test]
    fn a_token_that_no_provider_takes_is_told_before_the_role_that_does_not_exist() {
        let mut world = world();
        world.settings.makes_roles = false;
        world.roles.insert(ROLE.into(), Role::Missing);
        provide(&mut world, &[]);
        let explained = explain(&of_file(&pod()), &world);
        assert_eq!(
            told(&explained),
            (Credentials::No, vec!["provider-missing", "role-missing"])
        );
        assert_eq!(state(&explained), "missing");
        insta::assert_snapshot!(shown(&explained));
    }

    #[test]
    fn an_audience_that_no_provider_lists_is_in_the_way_only_where_roles_are_strict() {
        let mut world = world();
        provide(&mut world, &["e2e.example", "vault"]);
        let passes = explain(&of_file(&pod()), &world);
        assert_eq!(told(&passes), (Credentials::Yes, vec!["audience-not-listed"]));
        world.settings.makes_roles = false;
        let refused = explain(&of_file(&pod()), &world);
        assert_eq!(told(&refused), (Credentials::No, vec!["audience-not-listed"]));
        assert_eq!(
            (state(&passes), state(&refused)),
            ("audience-not-listed", "audience-not-listed")
        );
        insta::assert_snapshot!(shown(&refused));
    }

    #[test]
    fn what_is_made_when_it_is_asked_for_is_told_of_the_role_and_of_the_provider() {
        let mut world = world();
        world.roles.insert(ROLE.into(), Role::Missing);
        provide(&mut world, &[]);
        let explained = explain(&of_file(&pod()), &world);
        let notes = vec!["provider-missing", "role-made-when-asked-for"];
        assert_eq!(told(&explained), (Credentials::Yes, notes));
        insta::assert_snapshot!(shown(&explained));
    }

    #[test]
    fn what_nobody_was_asked_for_is_no_lack_and_what_could_not_be_asked_is_not_known() {
        let mut world = world();
        world.settings.makes_roles = false;
        world.providers.clear();
        let explained = explain(&of_file(&pod()), &world);
        assert_eq!(told(&explained), (Credentials::Yes, vec![]));
        assert_eq!(state(&explained), NOT_ASKED);
        assert!(!shown(&explained).contains("provider"), "{}", shown(&explained));

        let account = "arn:aws:iam::123456789012".to_owned();
        world
            .providers
            .insert(account, AccountProviders::NotAsked("unreachable".into()));
        let explained = explain(&of_file(&pod()), &world);
        assert_eq!(
            told(&explained),
            (Credentials::Unknown, vec!["emulator-unreachable"])
        );
        assert_eq!(state(&explained), UNKNOWN);
    }

    #[test]
    fn a_provider_that_is_there_is_made_anew_with_all_that_it_lists_and_an_alias_is_left_alone() {
        let role = RoleArn::parse("arn:aws-cn:iam::123456789012:role/app").unwrap();
        let fix = |arn: &str| {
            let mut found = OidcProviders::default();
            found.add(arn, ["a".to_owned()]);
            let wanted = Wanted {
                role: &role,
                issuer: "issuer.example",
                audience: "b",
                found: &found,
            };
            wanted.audience_refused().fix.unwrap()
        };
        let iam = "AWS_ACCESS_KEY_ID=123456789012 aws iam";
        let own = "arn:aws-cn:iam::123456789012:oidc-provider/issuer.example";
        let create =
            format!("{iam} create-open-id-connect-provider --url https://issuer.example --client-id-list");
        assert_eq!(
            fix(own),
            format!(
                "eval \"$(irsa-emu env)\" && {iam} delete-open-id-connect-provider --open-id-connect-provider-arn {own} && {create} a b sts.amazonaws.com"
            )
        );
        assert_eq!(
            fix("arn:aws-cn:iam::123456789012:oidc-provider/alias"),
            format!("eval \"$(irsa-emu env)\" && {create} b sts.amazonaws.com")
        );
    }
}
