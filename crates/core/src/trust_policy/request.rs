//! One call of `sts:AssumeRoleWithWebIdentity`.

use std::collections::BTreeMap;

use super::issuer::IssuerAlias;
use crate::role_arn::RoleArn;

/// The action that a web identity's exchange is.
pub const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

/// One call of `sts:AssumeRoleWithWebIdentity`, with the claims of a verified token.
#[derive(Debug, Clone, Copy)]
pub struct WebIdentityRequest<'a> {
    /// The role that is asked for. The OIDC provider is looked for in its account and partition: on AWS a role can
    /// trust only the providers of its own account.
    pub role: &'a RoleArn,
    /// The token's issuer without its scheme, as ARNs and condition keys name it.
    pub provider: &'a str,
    /// Issuers that mean this cluster, so that a production policy applies unchanged.
    pub aliases: &'a [IssuerAlias],
    /// The token's `sub`.
    pub subject: &'a str,
    /// The token's `aud`.
    pub audiences: &'a [String],
    /// `RoleSessionName` of the call.
    pub session_name: &'a str,
    /// Further claims that become condition keys `<provider>:<claim>`, such as `amr`. A Kubernetes token has none.
    pub claims: &'a BTreeMap<String, Vec<String>>,
    /// Further condition keys, such as `aws:SourceIp` or `aws:CurrentTime`, where the caller knows them.
    pub keys: &'a BTreeMap<String, Vec<String>>,
}

/// The condition keys of the time of a request, which is reported in RFC 3339 without fractions, and in seconds since 1970
/// ("AWS global condition context keys").
#[must_use]
pub fn time_keys(rfc3339: String, unix: i64) -> BTreeMap<String, Vec<String>> {
    BTreeMap::from([
        ("aws:CurrentTime".to_owned(), vec![rfc3339]),
        ("aws:EpochTime".to_owned(), vec![unix.to_string()]),
    ])
}
