//! Why a process gets no identity.

use std::fmt::Write as _;
use std::time::Duration;

use irsa_emu_cluster::failure::{Code, ExitStatus, Hint};
use irsa_emu_install::sts::{Refusal, TokenError};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::identity::account::AccountName;

/// How many ServiceAccounts a message lists; data has them all.
const LISTED: usize = 20;

/// A ServiceAccount that has a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithRole {
    /// The ServiceAccount.
    pub account: AccountName,
    /// Its role.
    pub role: String,
}

impl Serialize for WithRole {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        json!({"serviceAccount": self.account.to_string(), "role": self.role}).serialize(serializer)
    }
}

/// Why a process gets no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no install.
    #[error("irsa-emu is not installed there")]
    NotInstalled,
    /// The cluster did not respond.
    #[error("the API server refused")]
    Asking(#[from] kube::Error),
    /// There is no such ServiceAccount.
    #[error("the Namespace {} has no ServiceAccount {}{}", .account.namespace, .account.name, listed(.others.as_deref()))]
    NoAccount {
        /// The one that was named.
        account: AccountName,
        /// Those that have a role, where that is known.
        others: Option<Vec<WithRole>>,
    },
    /// The ServiceAccount has no role.
    #[error("{}{}", no_role(.account, *.association), listed(.others.as_deref()))]
    NoRole {
        /// The ServiceAccount.
        account: AccountName,
        /// Whether it has an association of EKS Pod Identity, which names no role here.
        association: bool,
        /// Those that have a role, where that is known.
        others: Option<Vec<WithRole>>,
    },
    /// There is no token to ask with.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// STS refused.
    #[error("STS refused {role}: {refusal}{}", because(.reason.as_deref()))]
    Refused {
        /// The ServiceAccount.
        account: AccountName,
        /// The role.
        role: String,
        /// AWS's error.
        refusal: Refusal,
        /// The condition that failed, where AWS's error has none.
        reason: Option<String>,
    },
    /// STS did not respond.
    #[error("the STS front cannot be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("no response of STS within {} s; the webhook that serves it may not be ready", .0.as_secs())]
    Late(Duration),
}

fn no_role(account: &AccountName, association: bool) -> String {
    if association {
        return format!(
            "the ServiceAccount {account} has an association of EKS Pod Identity, which names no role here; choose one with --role"
        );
    }
    format!("nothing names a role for the ServiceAccount {account}")
}

fn listed(others: Option<&[WithRole]>) -> String {
    let Some(others) = others else {
        return String::new();
    };
    if others.is_empty() {
        return "; no ServiceAccount of this cluster has a role".to_owned();
    }
    let mut text = "; these have a role:".to_owned();
    for WithRole { account, role } in others.iter().take(LISTED) {
        let _ = write!(text, "\n  - {account}: {role}");
    }
    if others.len() > LISTED {
        let _ = write!(text, "\n  - and {} more", others.len() - LISTED);
    }
    text
}

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!("\n  reason: {reason}"))
}

impl IdentityError {
    /// What scripts would have to read out of the message.
    #[must_use]
    pub fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        let mut put = |name: &str, value: Value| details.insert(name.to_owned(), value);
        match self {
            Self::NoAccount { account, others } | Self::NoRole { account, others, .. } => {
                put("serviceAccount", account.to_string().into());
                put("withRole", json!(others));
            }
            Self::Refused {
                account,
                role,
                refusal,
                reason,
            } => {
                put("serviceAccount", account.to_string().into());
                put("role", role.as_str().into());
                put("stsCode", refusal.code.as_str().into());
                put("reason", json!(reason));
            }
            _ => {}
        }
        details
    }

    /// AWS's error code, for who speaks AWS's language.
    #[must_use]
    pub fn aws_code(&self) -> &str {
        match self {
            Self::Refused { refusal, .. } => &refusal.code,
            _ => "ServiceUnavailable",
        }
    }
}

impl Hint for IdentityError {
    fn hint(&self) -> Option<String> {
        None
    }

    fn exit(&self) -> ExitStatus {
        match self {
            Self::NotInstalled => ExitStatus::Prerequisite,
            _ => ExitStatus::Failed,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::NotInstalled => Code::NotInstalled,
            Self::NoAccount { .. } => Code::ServiceAccountUnknown,
            Self::NoRole { .. } => Code::NoRole,
            Self::Refused { .. } => Code::RoleRefused,
            Self::Unreachable(_) => Code::NotReady,
            Self::Late(_) => Code::Timeout,
            Self::Asking(_) | Self::Token(_) => Code::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_long_ends() {
        let one = |number: usize| WithRole {
            account: AccountName {
                namespace: "n".into(),
                name: format!("a{number}"),
            },
            role: "r".into(),
        };
        assert_eq!(listed(None), "");
        assert_eq!(
            listed(Some(&[])),
            "; no ServiceAccount of this cluster has a role"
        );
        assert_eq!(listed(Some(&[one(0)])), "; these have a role:\n  - n/a0: r");
        let many: Vec<WithRole> = (0..25).map(one).collect();
        let text = listed(Some(&many));
        assert!(text.ends_with("n/a19: r\n  - and 5 more"), "{text}");
    }
}
