//! The OIDC providers of an account: AWS refuses a token whose issuer none of them speaks for, or whose audience is not
//! among their client ids (IAM User Guide, "Create an OpenID Connect (OIDC) identity provider in IAM").

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::DEFAULT_AUDIENCE;
use crate::role_arn::RoleArn;
use crate::trust_policy::IssuerAlias;

/// The providers of an account that speak for a cluster: their client ids, by ARN.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OidcProviders(BTreeMap<String, BTreeSet<String>>);

/// What becomes of a token at the providers of a role's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// One of them lists this audience of it.
    Takes(&'a str),
    /// None of them lists this audience. It passes all the same, and AWS would refuse it.
    LetsPass(&'a str),
    /// None of them speaks for its issuer. One is registered that lists this audience.
    Registers(&'a str),
    /// None of them speaks for its issuer.
    NoProvider,
    /// None of those that do lists an audience of it.
    WrongAudience,
}

impl OidcProviders {
    /// Adds one that [`speaks_for`] the cluster.
    pub fn add(&mut self, arn: &str, client_ids: impl IntoIterator<Item = String>) {
        self.0.entry(arn.to_owned()).or_default().extend(client_ids);
    }

    /// What becomes of a token of the cluster with these audiences. `own` is the audience of the tokens that the
    /// ServiceAccount's Pods get, and `makes` whether the install makes what is missing.
    #[must_use]
    pub fn judge<'a>(&self, audiences: &'a [String], own: &str, makes: bool) -> Verdict<'a> {
        let is_listed = |audience: &&String| self.0.values().any(|client_ids| client_ids.contains(*audience));
        if let Some(audience) = audiences.iter().find(is_listed) {
            return Verdict::Takes(audience);
        }
        match (self.0.is_empty(), makes) {
            (true, false) => Verdict::NoProvider,
            (false, false) => Verdict::WrongAudience,
            (true, true) => {
                let listed = client_ids_for(own);
                let taken = audiences.iter().find(|audience| listed.contains(*audience));
                taken.map_or(Verdict::WrongAudience, |audience| Verdict::Registers(audience))
            }
            // LocalStack 4.14 cannot add a client id, so the audience of the ServiceAccount's own Pods passes.
            (false, true) => {
                let passes = audiences.iter().find(|audience| *audience == own);
                passes.map_or(Verdict::WrongAudience, |audience| Verdict::LetsPass(audience))
            }
        }
    }

    /// The client ids of one of them.
    #[must_use]
    pub fn client_ids(&self, arn: &str) -> Option<&BTreeSet<String>> {
        self.0.get(arn)
    }
}

/// Whether a provider is the cluster's: `arn:aws:iam::123456789012:oidc-provider/<issuer without its scheme>`.
#[must_use]
pub fn speaks_for(arn: &str, issuer: &str, aliases: &[IssuerAlias]) -> bool {
    let url = arn.split_once(":oidc-provider/").map(|(_, url)| url);
    url.is_some_and(|url| url == issuer || aliases.iter().any(|alias| alias.matches(url)))
}

/// The account whose providers apply to a role, with its partition: `arn:aws:iam::123456789012`.
#[must_use]
pub fn account_of(role: &RoleArn) -> String {
    format!("arn:{}:iam::{}", role.partition(), role.account())
}

/// The ARN of the provider of an issuer, named without its scheme, in a role's account.
#[must_use]
pub fn arn(role: &RoleArn, issuer: &str) -> String {
    format!("{}:oidc-provider/{issuer}", account_of(role))
}

/// The client ids of a provider that is made for an audience: AWS's own, too, as every other ServiceAccount uses it.
#[must_use]
pub fn client_ids_for(audience: &str) -> BTreeSet<String> {
    let client_ids = [DEFAULT_AUDIENCE, audience].into_iter();
    // An entry of the role table that names no audience has the empty one, which IAM does not take.
    client_ids
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .collect()
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

    const USUAL: &str = "sts.amazonaws.com";

    #[test]
    fn the_client_ids_decide_and_what_is_made_serves_the_audience_of_own_pods() {
        let none = OidcProviders::default();
        let listing = |client_id: &str| {
            let mut found = OidcProviders::default();
            found.add("empty", []);
            found.add("a", [client_id.to_owned()]);
            found
        };
        let token = |audiences: &[&str]| audiences.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let usual = token(&[USUAL]);
        let vault = token(&["vault"]);
        for (found, audiences, own, makes, expected) in [
            (listing(USUAL), &usual, USUAL, false, Verdict::Takes(USUAL)),
            // Whatever its own annotation says.
            (listing(USUAL), &usual, "vault", false, Verdict::Takes(USUAL)),
            (
                listing("b"),
                &token(&["a", "b"]),
                USUAL,
                false,
                Verdict::Takes("b"),
            ),
            (listing(USUAL), &vault, "vault", false, Verdict::WrongAudience),
            (listing(USUAL), &vault, "vault", true, Verdict::LetsPass("vault")),
            (listing(USUAL), &vault, USUAL, true, Verdict::WrongAudience),
            (none.clone(), &usual, USUAL, false, Verdict::NoProvider),
            (none.clone(), &usual, USUAL, true, Verdict::Registers(USUAL)),
            (none.clone(), &vault, "vault", true, Verdict::Registers("vault")),
            (none.clone(), &usual, "vault", true, Verdict::Registers(USUAL)),
            (none, &vault, USUAL, true, Verdict::WrongAudience),
        ] {
            let verdict = found.judge(audiences, own, makes);
            assert_eq!(verdict, expected, "{found:?} {audiences:?} {own} {makes}");
        }
    }

    #[test]
    fn the_client_ids_of_a_provider_are_its_own() {
        let mut providers = OidcProviders::default();
        providers.add("b", [USUAL.to_owned()]);
        assert_eq!(providers.client_ids("b").map(BTreeSet::len), Some(1));
        assert_eq!(providers.client_ids("c"), None);
    }

    #[test]
    fn a_provider_that_is_made_takes_the_usual_audience_too() {
        let own = BTreeSet::from(["sts.amazonaws.com".to_owned()]);
        assert_eq!(client_ids_for("sts.amazonaws.com"), own);
        assert_eq!(client_ids_for("other").len(), 2);
        assert_eq!(client_ids_for(""), own);
    }

    #[test]
    fn the_account_of_a_role_is_that_of_its_partition() {
        let role = RoleArn::parse("arn:aws-cn:iam::123456789012:role/team/app").unwrap();
        assert_eq!(account_of(&role), "arn:aws-cn:iam::123456789012");
    }
}
