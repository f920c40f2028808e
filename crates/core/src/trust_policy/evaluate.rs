//! The decision itself: explicit deny, then allow, then implicit deny.

use std::collections::BTreeMap;

use super::condition::{Condition, Test};
use super::decision::{
    Decision, Expected, FailedCondition, Hint, Mismatch, Part, StatementId, Verdict, Warning,
};
use super::document::{Effect, PrincipalKey, Principals, Statement, TrustPolicy, issuer_with_port};
use super::pattern::Pattern;
use super::request::{ACTION, WebIdentityRequest};
use crate::oidc_provider;

/// A subject that no policy names.
const NOBODY: &str = "system:serviceaccount:nobody.irsa-emu.invalid:nobody.irsa-emu.invalid";

/// Decides whether a policy lets a request in ("Policy evaluation logic": an explicit deny wins, then an allow, and what
/// nothing allows is denied).
#[must_use]
pub fn evaluate(policy: &TrustPolicy, request: &WebIdentityRequest<'_>) -> Decision {
    if let Some(verdict) = foreign_port(policy, request) {
        return Decision {
            verdict,
            warnings: Vec::new(),
        };
    }
    let mut allowed = None;
    let mut denied = None;
    let mut warnings = Vec::new();
    let mut mismatches = Vec::new();
    for (index, statement) in policy.statements.iter().enumerate() {
        let id = || StatementId {
            index,
            sid: statement.sid.clone(),
        };
        match (statement.effect, Match::new(policy, statement, request).run()) {
            (Effect::Deny, Ok(())) => denied = denied.or_else(|| Some(id())),
            (Effect::Deny, Err(_)) => {}
            (Effect::Allow, Ok(())) => {
                warnings.extend(warn(policy, statement, request, id));
                allowed = allowed.or_else(|| Some(id()));
            }
            (Effect::Allow, Err(part)) => mismatches.push(Mismatch {
                statement: id(),
                part,
            }),
        }
    }
    let verdict = match (denied, allowed) {
        (Some(statement), _) => Verdict::Denied(statement),
        (None, Some(statement)) => Verdict::Allowed(statement),
        (None, None) => Verdict::NotAllowed(closest(mismatches)),
    };
    if !matches!(verdict, Verdict::Allowed(_)) {
        warnings.clear();
    }
    Decision { verdict, warnings }
}

/// Whether a condition key names an issuer with a port that is not the cluster's: IAM would not have stored the policy,
/// whatever its other statements allow.
fn foreign_port(policy: &TrustPolicy, request: &WebIdentityRequest<'_>) -> Option<Verdict> {
    let statements = policy.statements.iter().enumerate();
    let mut keys = statements.flat_map(|(index, statement)| {
        let keys = statement.conditions.iter().map(|condition| &condition.key);
        keys.map(move |key| (index, statement, key))
    });
    let is_foreign = |key: &str| issuer_with_port(key).is_some_and(|issuer| !is_ours(request, issuer));
    let (index, statement, key) = keys.find(|(.., key)| is_foreign(key))?;
    Some(Verdict::ForeignPort {
        statement: StatementId {
            index,
            sid: statement.sid.clone(),
        },
        key: key.clone(),
    })
}

/// Whether an issuer that a condition key names is the cluster's, or passes for it. Keys are compared in any case.
fn is_ours(request: &WebIdentityRequest<'_>, issuer: &str) -> bool {
    request.provider.eq_ignore_ascii_case(issuer) || request.aliases.iter().any(|alias| alias.matches(issuer))
}

/// Those statements that fail last; of those that fail at their conditions, the ones with the fewest failures.
fn closest(mismatches: Vec<Mismatch>) -> Vec<Mismatch> {
    let distance = |mismatch: &Mismatch| match &mismatch.part {
        Part::Conditions(failed) => (0, failed.len()),
        Part::Action(_) => (1, 0),
        Part::Principal { .. } => (2, 0),
    };
    let least = mismatches.iter().map(distance).min();
    mismatches
        .into_iter()
        .filter(|mismatch| Some(distance(mismatch)) == least)
        .collect()
}

fn warn(
    policy: &TrustPolicy,
    statement: &Statement,
    request: &WebIdentityRequest<'_>,
    id: impl Fn() -> StatementId,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if statement.principal.negated || is_everyone(&statement.principal.value) {
        warnings.push(Warning::AnyPrincipal(id()));
    }
    let looks_at_subject = |condition: &Condition| {
        condition.operator.test != Test::Null
            && split_claim(&condition.key).is_some_and(|(_, claim)| claim.eq_ignore_ascii_case("sub"))
    };
    let nobody = WebIdentityRequest {
        subject: NOBODY,
        ..*request
    };
    if !statement.conditions.iter().any(looks_at_subject) {
        warnings.push(Warning::NoSubject(id()));
    } else if Match::new(policy, statement, &nobody).run().is_ok() {
        warnings.push(Warning::AnySubject(id()));
    }
    warnings
}

/// Whether a list of principals is everyone. `{"AWS": "*"}` is what `"*"` is to a caller who signs with no AWS
/// credentials, as that of a web identity ("AWS JSON policy elements: Principal", section "All principals").
fn is_everyone(principals: &Principals) -> bool {
    match principals {
        Principals::Any => true,
        Principals::Listed(listed) => listed
            .iter()
            .any(|(key, value)| *key == PrincipalKey::Aws && value == "*"),
    }
}

/// The issuer and the claim that a condition key names. The issuer may have a port.
fn split_claim(key: &str) -> Option<(&str, &str)> {
    key.rsplit_once(':')
}

/// One statement beside one request.
struct Match<'a> {
    statement: &'a Statement,
    request: &'a WebIdentityRequest<'a>,
    has_variables: bool,
}

/// Which issuer the token passes for in a statement.
///
/// A statement that names a provider is about that provider alone: conditions on keys of another find no such key, as
/// on AWS. This holds between two aliases too, so that the principal of one cluster beside the keys of another fails
/// here as it would on EKS.
#[derive(Clone, Copy)]
enum Played<'a> {
    One(&'a str),
    /// The statement names no provider: every issuer that means this cluster.
    Any,
}

impl<'a> Match<'a> {
    fn new(policy: &TrustPolicy, statement: &'a Statement, request: &'a WebIdentityRequest<'a>) -> Self {
        Self {
            statement,
            request,
            has_variables: policy.has_variables,
        }
    }

    fn run(&self) -> Result<(), Part> {
        let played = self.played()?;
        self.check_action()?;
        let failures = played.into_iter().map(|played| self.failed_conditions(played));
        match failures.min_by_key(Vec::len) {
            Some(failed) if failed.is_empty() => Ok(()),
            failed => Err(Part::Conditions(failed.unwrap_or_default())),
        }
    }

    /// The issuers that the token may pass for, or the failure of the principal.
    fn played(&self) -> Result<Vec<Played<'a>>, Part> {
        let clause = &self.statement.principal;
        let ours: Vec<Played<'a>> = match &clause.value {
            principals if is_everyone(principals) => vec![Played::Any],
            Principals::Any => Vec::new(),
            Principals::Listed(listed) => listed
                .iter()
                .filter(|(key, _)| *key == PrincipalKey::Federated)
                .filter_map(|(_, value)| self.issuer_of(value))
                .map(Played::One)
                .collect(),
        };
        match (clause.negated, ours.is_empty()) {
            (false, false) => Ok(ours),
            (true, true) => Ok(vec![Played::Any]),
            _ => Err(Part::Principal {
                expected: Expected {
                    negated: clause.negated,
                    values: self.principal_values(),
                },
                actual: oidc_provider::arn(self.request.role, self.request.provider),
            }),
        }
    }

    fn principal_values(&self) -> Vec<String> {
        match &self.statement.principal.value {
            Principals::Any => vec!["*".to_owned()],
            Principals::Listed(listed) => listed
                .iter()
                .map(|(key, value)| format!("{} {value}", key.as_str()))
                .collect(),
        }
    }

    /// The issuer of a `Federated` principal, where it is this cluster's. No part of a principal is a pattern ("AWS JSON
    /// policy elements: Principal").
    fn issuer_of(&self, principal: &'a str) -> Option<&'a str> {
        let issuer = principal.strip_prefix(&oidc_provider::arn(self.request.role, ""))?;
        self.is_ours(issuer).then_some(issuer)
    }

    fn is_ours(&self, issuer: &str) -> bool {
        issuer == self.request.provider || self.request.aliases.iter().any(|alias| alias.matches(issuer))
    }

    /// Prefix and name of an action are compared in any case ("IAM JSON policy elements: Action").
    fn check_action(&self) -> Result<(), Part> {
        let clause = &self.statement.action;
        let call = ACTION.to_ascii_lowercase();
        let named = clause
            .value
            .iter()
            .any(|action| Pattern::glob(&action.to_ascii_lowercase()).matches(&call));
        if named != clause.negated {
            return Ok(());
        }
        Err(Part::Action(Expected {
            negated: clause.negated,
            values: clause.value.clone(),
        }))
    }

    fn failed_conditions(&self, played: Played<'_>) -> Vec<FailedCondition> {
        self.statement
            .conditions
            .iter()
            .filter_map(|condition| self.failure(condition, played))
            .collect()
    }

    fn failure(&self, condition: &Condition, played: Played<'_>) -> Option<FailedCondition> {
        let actual = self.values_of(&condition.key, played);
        // A key with several values is no variable ("IAM and AWS STS condition context keys", sts:RoleSessionName).
        let lookup = |name: &str| match self.values_of(name, played).as_slice() {
            [one] if !one.is_empty() => Some(one.clone()),
            _ => None,
        };
        if condition.holds(&actual, self.has_variables.then_some(&lookup)) {
            return None;
        }
        Some(FailedCondition {
            operator: condition.operator.written.clone(),
            key: condition.key.clone(),
            hint: hint(condition, &actual, played),
            is_claim: split_claim(&condition.key).is_some_and(|(issuer, _)| self.is_played(issuer, played)),
            expected: Expected {
                negated: condition.operator.negated,
                values: condition.values.clone(),
            },
            actual,
        })
    }

    fn is_played(&self, issuer: &str, played: Played<'_>) -> bool {
        match played {
            Played::One(one) => one.eq_ignore_ascii_case(issuer),
            Played::Any => is_ours(self.request, issuer),
        }
    }

    /// The values of a condition key in the request; none where the request does not have it. Names of keys are compared
    /// in any case ("IAM JSON policy elements: Condition").
    ///
    /// - `<issuer>:sub`, `<issuer>:aud` and the caller's further claims ("IAM and AWS STS condition context keys",
    ///   section "Available keys for AWS web identity federation").
    /// - `sts:RoleSessionName` (same page, section "Available keys for AWS STS").
    /// - `aws:FederatedProvider`: the provider's ARN. "AWS global condition context keys" promises it for the calls of
    ///   the session; it is given here already.
    /// - `aws:SecureTransport` is always in a request (same page), and AWS's STS serves nothing but TLS: true, even if
    ///   the emulator was asked in clear.
    /// - Whatever the caller adds in `keys`.
    fn values_of(&self, key: &str, played: Played<'_>) -> Vec<String> {
        let request = self.request;
        if let Some((issuer, claim)) = split_claim(key)
            && self.is_played(issuer, played)
        {
            return match claim.to_ascii_lowercase().as_str() {
                "sub" => vec![request.subject.to_owned()],
                "aud" => request.audiences.to_vec(),
                other => look_up(request.claims, other),
            };
        }
        match key.to_ascii_lowercase().as_str() {
            "sts:rolesessionname" => vec![request.session_name.to_owned()],
            "aws:federatedprovider" => vec![oidc_provider::arn(
                self.request.role,
                match played {
                    Played::One(issuer) => issuer,
                    Played::Any => request.provider,
                },
            )],
            "aws:securetransport" => vec!["true".to_owned()],
            other => look_up(request.keys, other),
        }
    }
}

fn hint(condition: &Condition, actual: &[String], played: Played<'_>) -> Option<Hint> {
    let operator = &condition.operator;
    let is_literal = matches!(operator.test, Test::Equals | Test::EqualsIgnoreCase) && !operator.negated;
    let would_match = |wanted: &String| {
        wanted.contains(['*', '?']) && actual.iter().any(|value| Pattern::glob(wanted).matches(value))
    };
    if is_literal && condition.values.iter().any(would_match) {
        return Some(Hint::LiteralWildcard);
    }
    match (played, split_claim(&condition.key)) {
        (Played::One(issuer), Some((named, "sub" | "aud"))) if !issuer.eq_ignore_ascii_case(named) => {
            Some(Hint::OtherIssuer {
                played: issuer.to_owned(),
            })
        }
        _ => None,
    }
}

fn look_up(map: &BTreeMap<String, Vec<String>>, lower: &str) -> Vec<String> {
    map.iter()
        .find(|(name, _)| name.to_ascii_lowercase() == lower)
        .map(|(_, values)| values.clone())
        .unwrap_or_default()
}
