//! Whom trust policies let in: AWS's rules as tables, and the laws that hold for every policy.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod laws;
mod operators;
mod statements;

use std::collections::BTreeMap;

use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::trust_policy::{
    DEFAULT_ALIASES, Decision, IssuerAlias, TrustPolicy, WebIdentityRequest, evaluate,
};
use serde_json::{Value, json};

const ISSUER: &str = "kubernetes.default.svc.cluster.local";
const EKS: &str = "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF";
const OTHER_EKS: &str = "oidc.eks.eu-west-1.amazonaws.com/id/fedcba9876543210fedcba9876543210";
const SUBJECT: &str = "system:serviceaccount:vault:vault";

type Keys = BTreeMap<String, Vec<String>>;

/// Everything a request borrows.
#[derive(Debug, Clone)]
struct Caller {
    role: RoleArn,
    aliases: Vec<IssuerAlias>,
    subject: String,
    audiences: Vec<String>,
    claims: Keys,
    keys: Keys,
}

impl Default for Caller {
    fn default() -> Self {
        Self {
            role: RoleArn::parse("arn:aws:iam::123456789012:role/app").unwrap(),
            aliases: DEFAULT_ALIASES.to_vec(),
            subject: SUBJECT.into(),
            audiences: vec!["sts.amazonaws.com".into()],
            claims: keys(&[("amr", &["authenticated", "kubernetes"])]),
            keys: keys(&[
                ("aws:SourceIp", &["203.0.113.7"]),
                ("aws:CurrentTime", &["2026-11-25T12:00:00Z"]),
                ("aws:EpochTime", &["1795608000"]),
                ("test:empty", &[""]),
                ("test:arn", &["arn:aws:iam::123456789012:role/team/app"]),
            ]),
        }
    }
}

impl Caller {
    fn decide(&self, policy: &Value) -> Decision {
        let policy = TrustPolicy::parse(&policy.to_string()).unwrap();
        self.evaluate(&policy)
    }

    fn evaluate(&self, policy: &TrustPolicy) -> Decision {
        self.evaluate_of(ISSUER, policy)
    }

    /// The same with a token of another issuer.
    fn evaluate_of(&self, issuer: &str, policy: &TrustPolicy) -> Decision {
        evaluate(
            policy,
            &WebIdentityRequest {
                role: &self.role,
                provider: issuer,
                aliases: &self.aliases,
                subject: &self.subject,
                audiences: &self.audiences,
                session_name: "session",
                claims: &self.claims,
                keys: &self.keys,
            },
        )
    }
}

fn keys(entries: &[(&str, &[&str])]) -> Keys {
    let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    entries
        .iter()
        .map(|(key, values)| ((*key).to_owned(), owned(values)))
        .collect()
}

fn arn(issuer: &str) -> String {
    format!("arn:aws:iam::123456789012:oidc-provider/{issuer}")
}

fn key(claim: &str) -> String {
    format!("{ISSUER}:{claim}")
}

fn statement(effect: &str, conditions: &Value) -> Value {
    json!({
        "Effect": effect,
        "Principal": {"Federated": arn(ISSUER)},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": conditions,
    })
}

fn policy(statements: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// Whether a statement with one condition allows.
fn holds(operator: &str, key: &str, values: &Value) -> bool {
    let conditions = json!({operator: {key: values}});
    Caller::default()
        .decide(&policy(&statement("Allow", &conditions)))
        .is_allowed()
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut statement = statement("Allow", &json!({"StringEquals": {key("sub"): SUBJECT}}));
    change(&mut statement);
    policy(&json!([statement]))
}

fn decide(document: &Value) -> Decision {
    Caller::default().decide(document)
}

fn line(document: &Value) -> String {
    decide(document).to_string()
}
