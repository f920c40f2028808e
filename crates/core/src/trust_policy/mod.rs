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
mod request;
mod scalar;
mod text;
mod written;

pub use decision::{
    Decision, Expected, FailedCondition, Hint, Mismatch, Part, StatementId, Verdict, Warning,
};
pub use document::{PolicyError, TrustPolicy};
pub use evaluate::evaluate;
pub use issuer::{DEFAULT_ALIASES, IssuerAlias};
pub use pattern::is_like;
pub use request::{ACTION, WebIdentityRequest, time_keys};
pub(crate) use text::shorten;
pub use written::written;
