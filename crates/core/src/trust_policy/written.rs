//! Trust policies as EKS users write them.

use serde_json::{Value, json};

use super::request::ACTION;
use crate::oidc_provider;
use crate::role_arn::RoleArn;

/// A trust policy of a role for one subject or a list of them, with tokens of this issuer for this audience.
#[must_use]
pub fn written(role: &RoleArn, issuer: &str, subjects: impl Into<Value>, audience: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Federated": oidc_provider::arn(role, issuer)},
            "Action": ACTION,
            "Condition": {"StringEquals": {
                format!("{issuer}:sub"): subjects.into(),
                format!("{issuer}:aud"): audience,
            }}
        }]
    })
}
