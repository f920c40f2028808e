//! What was decided, and one line with the reason.

use std::fmt;

use super::text::shorten;

/// How many values or statements one line names; the rest is counted.
const SHOWN: usize = 3;

/// The decision for one request. `Display` gives one line for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What was decided, by which statement.
    pub verdict: Verdict,
    /// What is open in the statements that let the request in. `Display` leaves them out.
    pub warnings: Vec<Warning>,
}

impl Decision {
    /// Whether the role may be assumed.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self.verdict, Verdict::Allowed(_))
    }
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This statement allows, and none denies.
    Allowed(StatementId),
    /// This statement denies, whatever others allow.
    Denied(StatementId),
    /// No statement allows. These came closest; none where the policy allows nothing to anyone.
    NotAllowed(Vec<Mismatch>),
    /// IAM does not store the policy, as this statement has a condition key of an issuer with a port that is not the
    /// cluster's.
    ForeignPort {
        /// The statement.
        statement: StatementId,
        /// The key as written.
        key: String,
    },
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementId {
    /// Its position, from 0.
    pub index: usize,
    /// Its `Sid`, unless empty.
    pub sid: Option<String>,
}

/// Why a statement does not speak for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The statement.
    pub statement: StatementId,
    /// The first of its parts that does not match.
    pub part: Part,
}

/// The part of a statement that does not match, in the order in which they are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// `Principal` or `NotPrincipal`.
    Principal {
        /// What the policy names, each as `<key> <value>`.
        expected: Expected,
        /// The ARN of the token's provider in the role's account.
        actual: String,
    },
    /// `Action` or `NotAction`.
    Action(Expected),
    /// Every condition that does not hold.
    Conditions(Vec<FailedCondition>),
}

/// The values that a policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Whether none of the values is wanted.
    pub negated: bool,
    /// The values as written.
    pub values: Vec<String>,
}

/// A condition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedCondition {
    /// The operator as written.
    pub operator: String,
    /// The key as written.
    pub key: String,
    /// The values as written.
    pub expected: Expected,
    /// The key's values in the request; none where the request does not have the key.
    pub actual: Vec<String>,
    /// Whether the key speaks of a claim of the token.
    pub is_claim: bool,
    /// The probable mistake.
    pub hint: Option<Hint>,
}

/// A probable mistake behind a condition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// The operator takes `*` and `?` literally, and would hold if they were wildcards.
    LiteralWildcard,
    /// The key names another issuer than the statement's principal does.
    OtherIssuer {
        /// The issuer of the statement's principal.
        played: String,
    },
}

/// Something open in a statement that let a request in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// No condition looks at the token's `sub`.
    NoSubject(StatementId),
    /// The conditions look at `sub`, and let ServiceAccounts in that they do not name.
    AnySubject(StatementId),
    /// `Principal` is everyone, or `NotPrincipal` everyone but some.
    AnyPrincipal(StatementId),
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verdict.fmt(f)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed(statement) => write!(f, "{statement} allows it"),
            Self::Denied(statement) => write!(f, "{statement} denies it"),
            Self::NotAllowed(mismatches) if mismatches.is_empty() => {
                f.write_str("the trust policy has no statement with Effect Allow")
            }
            Self::NotAllowed(mismatches) => f.write_str(&listed(mismatches, "; ")),
            Self::ForeignPort { statement, key } => write!(
                f,
                "{statement}: IAM does not accept the condition key `{}`: no OIDC provider of AWS has a port, and this is not \
the cluster's issuer",
                shorten(key)
            ),
        }
    }
}

impl fmt::Display for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statement {}", self.index)?;
        match &self.sid {
            Some(sid) => write!(f, " (Sid \"{}\")", shorten(sid)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.statement, self.part)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal { expected, actual } => write!(
                f,
                "{}Principal: expected {expected}, the token's provider is \"{}\"",
                not(expected.negated),
                shorten(actual)
            ),
            Self::Action(expected) => write!(
                f,
                "{}Action: expected {expected}, the call is \"{}\"",
                not(expected.negated),
                super::request::ACTION
            ),
            Self::Conditions(failed) => f.write_str(&listed(failed, ", and ")),
        }
    }
}

fn not(negated: bool) -> &'static str {
    if negated { "Not" } else { "" }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.negated, self.values.len()) {
            (false, 1) => "",
            (true, 1) => "anything but ",
            (false, _) => "one of ",
            (true, _) => "none of ",
        })?;
        f.write_str(&quoted(&self.values))
    }
}

impl fmt::Display for FailedCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = if self.is_claim { "token" } else { "request" };
        write!(
            f,
            "{} {}: expected {}, the {source} has ",
            shorten(&self.operator),
            shorten(&self.key),
            self.expected
        )?;
        match (self.actual.is_empty(), self.is_claim) {
            (false, _) => f.write_str(&quoted(&self.actual))?,
            (true, true) => f.write_str("no such claim")?,
            (true, false) => f.write_str("no such key")?,
        }
        match &self.hint {
            None => Ok(()),
            Some(Hint::LiteralWildcard) => f.write_str(" (only a Like operator takes * and ? as wildcards)"),
            Some(Hint::OtherIssuer { played }) => {
                write!(f, " (the statement's principal is {})", shorten(played))
            }
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSubject(statement) => write!(
                f,
                "{statement} has no condition on the token's sub: every ServiceAccount of the cluster may assume the role"
            ),
            Self::AnySubject(statement) => write!(
                f,
                "{statement} allows ServiceAccounts that its condition on sub does not name"
            ),
            Self::AnyPrincipal(statement) => write!(
                f,
                "{statement} names no provider: it allows tokens of every provider in the account, and IAM may refuse the policy"
            ),
        }
    }
}

fn quoted(values: &[String]) -> String {
    let quoted: Vec<String> = values
        .iter()
        .take(SHOWN + 1)
        .map(|value| format!("\"{}\"", shorten(value)))
        .collect();
    match values.len() {
        0 => "no value".to_owned(),
        count => counted(&quoted, count, ", "),
    }
}

fn listed(items: &[impl fmt::Display], separator: &str) -> String {
    let shown: Vec<String> = items.iter().take(SHOWN).map(ToString::to_string).collect();
    counted(&shown, items.len(), separator)
}

fn counted(texts: &[String], count: usize, separator: &str) -> String {
    let shown = texts[..texts.len().min(SHOWN)].join(separator);
    match count.saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}{separator}{more} more"),
    }
}
