//! The OIDC providers of an account: AWS refuses a token whose issuer none of them speaks for, or whose audience is not
//! among their client ids (IAM User Guide, "Create an OpenID Connect (OIDC) identity provider in IAM").

use std::collections::{BTreeMap, BTreeSet};

use crate::contract::DEFAULT_AUDIENCE;
use crate::role_arn::RoleArn;
use crate::trust_policy::IssuerAlias;

/// The providers of an account that speak for a cluster: their client ids, by ARN.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OidcProviders(BTreeMap<String, BTreeSet<String>>);

/// What an account's providers lack for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// None of them speaks for its issuer.
    Provider,
    /// None of those that do lists its audience.
    ClientId,
}

impl OidcProviders {
    /// Adds one that [`speaks_for`] the cluster.
    pub fn add(&mut self, arn: &str, client_ids: impl IntoIterator<Item = String>) {
        self.0.entry(arn.to_owned()).or_default().extend(client_ids);
    }

    /// What they lack for a token of the cluster with this audience.
    #[must_use]
    pub fn lacks(&self, audience: &str) -> Option<Lack> {
        if self.0.is_empty() {
            return Some(Lack::Provider);
        }
        let listed = self.0.values().any(|client_ids| client_ids.contains(audience));
        (!listed).then_some(Lack::ClientId)
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

/// The account whose providers count for a role, with its partition: `arn:aws:iam::123456789012`.
#[must_use]
pub fn account_of(role: &RoleArn) -> String {
    format!("arn:{}:iam::{}", role.partition(), role.account())
}

/// The client ids of a provider that is made for an audience: AWS's own, too, as every other ServiceAccount uses it.
#[must_use]
pub fn client_ids_for(audience: &str) -> BTreeSet<String> {
    [DEFAULT_AUDIENCE, audience].map(str::to_owned).into()
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
    fn providers_take_only_the_audiences_that_one_of_them_lists() {
        let mut providers = OidcProviders::default();
        assert_eq!(providers.lacks("sts.amazonaws.com"), Some(Lack::Provider));
        providers.add("a", []);
        assert_eq!(providers.lacks("sts.amazonaws.com"), Some(Lack::ClientId));
        providers.add("b", ["sts.amazonaws.com".to_owned()]);
        assert_eq!(providers.lacks("sts.amazonaws.com"), None);
        assert_eq!(providers.lacks("other"), Some(Lack::ClientId));
        assert_eq!(providers.client_ids("b").map(BTreeSet::len), Some(1));
        assert_eq!(providers.client_ids("c"), None);
    }

    #[test]
    fn a_provider_that_is_made_takes_the_usual_audience_too() {
        let own = BTreeSet::from(["sts.amazonaws.com".to_owned()]);
        assert_eq!(client_ids_for("sts.amazonaws.com"), own);
        assert_eq!(client_ids_for("other").len(), 2);
    }

    #[test]
    fn the_account_of_a_role_is_that_of_its_partition() {
        let role = RoleArn::parse("arn:aws-cn:iam::123456789012:role/team/app").unwrap();
        assert_eq!(account_of(&role), "arn:aws-cn:iam::123456789012");
    }
}
