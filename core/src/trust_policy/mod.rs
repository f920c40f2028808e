//! Whether a role's trust policy lets a web identity in: the decision that AWS STS makes on EKS, made here.
//!
//! The words of AWS's documentation that this follows are named by the title of their page, beside the code that
//! follows them. All pages are of the "IAM User Guide" unless another book is named.
//!
//! Where AWS refuses to store a policy at all (`MalformedPolicyDocument` of `CreateRole` and
//! `UpdateAssumeRolePolicy`), [`TrustPolicy::parse`] gives an error: an emulator may have stored it all the same.

mod condition;
mod decision;
mod document;
mod evaluate;
mod issuer;
mod json;
mod pattern;
mod scalar;

use std::collections::BTreeMap;

pub use decision::{
    Decision, Expected, FailedCondition, Hint, Mismatch, Part, StatementId, Verdict, Warning,
};
pub use document::{PolicyError, TrustPolicy};
pub use evaluate::evaluate;
pub use issuer::{DEFAULT_ALIASES, IssuerAlias};

use crate::role_arn::RoleArn;

/// The action that a web identity's exchange is.
pub const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

/// One call of `sts:AssumeRoleWithWebIdentity`, with what a verified token says.
#[derive(Debug, Clone, Copy)]
pub struct WebIdentityRequest<'a> {
    /// The role that is asked for. The OIDC provider is looked for in its account and partition: on AWS a role can
    /// trust only the providers of its own account.
    pub role: &'a RoleArn,
    /// The token's issuer without its scheme, as ARNs and condition keys name it.
    pub provider: &'a str,
    /// Issuers that count as this cluster's, so that a production policy applies unchanged.
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

/// The condition keys of the time of a request, which is told in RFC 3339 without fractions, and in seconds since 1970
/// ("AWS global condition context keys").
#[must_use]
pub fn time_keys(rfc3339: String, unix: i64) -> BTreeMap<String, Vec<String>> {
    BTreeMap::from([
        ("aws:CurrentTime".to_owned(), vec![rfc3339]),
        ("aws:EpochTime".to_owned(), vec![unix.to_string()]),
    ])
}

/// A text out of a policy or a token, cut and escaped so that it cannot break or flood a log line.
pub(crate) fn shorten(text: &str) -> String {
    const KEEP: usize = 160;
    let mut characters = text.chars();
    let head: String = characters.by_ref().take(KEEP).collect();
    let more = if characters.next().is_some() { "…" } else { "" };
    format!("{}{more}", head.escape_debug())
}
