//! Laws that hold for every policy.

use irsa_emu_core::trust_policy::{TrustPolicy, Verdict};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Caller, EKS, ISSUER, SUBJECT, arn, key};

/// Texts that meet each other often.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(SUBJECT.to_owned()),
        Just("sts.amazonaws.com".to_owned()),
        Just("session".to_owned()),
        Just("*".to_owned()),
        Just("system:serviceaccount:vault:*".to_owned()),
        Just(format!("${{{ISSUER}:sub}}")),
        Just("true".to_owned()),
        "[a${}*?:, ']{0,6}",
    ]
}

fn operators() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "StringEquals",
        "StringNotEquals",
        "StringLike",
        "StringNotLike",
        "StringEqualsIgnoreCase",
        "ArnLike",
        "Bool",
        "NumericLessThan",
        "DateNotEquals",
        "NotIpAddress",
    ]);
    let prefix = prop::sample::select(vec!["", "", "ForAnyValue:", "ForAllValues:"]);
    let suffix = prop::sample::select(vec!["", "IfExists"]);
    (prefix, names, suffix).prop_map(|(prefix, name, suffix)| format!("{prefix}{name}{suffix}"))
}

fn condition_keys() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        key("sub"),
        key("aud"),
        key("amr"),
        format!("{EKS}:sub"),
        "sts:RoleSessionName".to_owned(),
        "aws:SourceIp".to_owned(),
        "aws:PrincipalOrgID".to_owned(),
    ])
}

/// Conditions as lists, so that their order can be changed.
type Conditions = Vec<(String, Vec<(String, Vec<String>)>)>;

fn conditions() -> impl Strategy<Value = Conditions> {
    let keys = prop::collection::btree_map(condition_keys(), prop::collection::vec(texts(), 0..4), 0..3);
    prop::collection::btree_map(operators(), keys, 0..3).prop_map(|map| {
        map.into_iter()
            .map(|(operator, keys)| (operator, keys.into_iter().collect()))
            .collect()
    })
}

fn principals() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({"Federated": arn(ISSUER)}),
        json!({"Federated": [arn(ISSUER), arn(EKS)]}),
        json!({"Service": "ec2.amazonaws.com"}),
        json!("*"),
    ])
}

fn actions() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!("sts:AssumeRoleWithWebIdentity"),
        json!("sts:*"),
        json!(["sts:AssumeRole", "sts:TagSession"]),
    ])
}

#[derive(Debug, Clone)]
struct AnyStatement {
    allow: bool,
    not_principal: bool,
    not_action: bool,
    principal: Value,
    action: Value,
    conditions: Conditions,
}

impl AnyStatement {
    /// As text, which keeps the order of keys.
    fn text(&self) -> String {
        let effect = if self.allow { "Allow" } else { "Deny" };
        let not = |negated: bool| if negated { "Not" } else { "" };
        let operators: Vec<String> = self
            .conditions
            .iter()
            .map(|(operator, keys)| {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|(key, values)| format!("{}: {}", json!(key), json!(values)))
                    .collect();
                format!("{}: {{{}}}", json!(operator), keys.join(", "))
            })
            .collect();
        format!(
            r#"{{"Effect": "{effect}", "{}Principal": {}, "{}Action": {}, "Condition": {{{}}}}}"#,
            not(self.not_principal),
            self.principal,
            not(self.not_action),
            self.action,
            operators.join(", ")
        )
    }
}

fn statements() -> impl Strategy<Value = AnyStatement> {
    (
        any::<bool>(),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        principals(),
        actions(),
        conditions(),
    )
        .prop_map(
            |(allow, not_principal, not_action, principal, action, conditions)| AnyStatement {
                allow,
                not_principal,
                not_action,
                principal,
                action,
                conditions,
            },
        )
}

fn parsed(statements: &[AnyStatement]) -> TrustPolicy {
    let statements: Vec<String> = statements.iter().map(AnyStatement::text).collect();
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#,
        statements.join(", ")
    );
    TrustPolicy::parse(&text).unwrap()
}

fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "Version",
        "Statement",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "Condition",
        "StringEquals",
        "ForAllValues:Null",
        "Federated",
        "AWS",
        "Sid",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!("2012-10-17")),
        Just(json!("Allow")),
        Just(json!("*")),
        texts().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_deny_that_matches_beats_every_policy(mut list in prop::collection::vec(statements(), 0..5), at in any::<prop::sample::Index>()) {
        let deny = AnyStatement { allow: false, not_principal: false, not_action: false, principal: json!("*"), action: json!("sts:*"), conditions: Vec::new() };
        list.insert(at.index(list.len() + 1), deny);
        let decision = Caller::default().evaluate(&parsed(&list));
        prop_assert!(matches!(decision.verdict, Verdict::Denied(_)) && decision.warnings.is_empty());
    }

    #[test]
    fn without_an_allow_nothing_is_allowed(mut list in prop::collection::vec(statements(), 0..5)) {
        for statement in &mut list { statement.allow = false; }
        prop_assert!(!Caller::default().evaluate(&parsed(&list)).is_allowed());
    }

    #[test]
    fn the_order_of_statements_is_nothing(list in prop::collection::vec(statements(), 0..5).prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))) {
        let decide = |list: &[AnyStatement]| Caller::default().evaluate(&parsed(list));
        let (before, after) = (decide(&list.0), decide(&list.1));
        prop_assert_eq!(before.is_allowed(), after.is_allowed());
        prop_assert_eq!(before.warnings.len(), after.warnings.len());
    }

    #[test]
    fn the_order_of_operators_keys_and_values_is_nothing(list in prop::collection::vec(statements(), 1..4)) {
        let mut turned = list.clone();
        for statement in &mut turned {
            statement.conditions.reverse();
            for (_, keys) in &mut statement.conditions {
                keys.reverse();
                for (_, values) in keys { values.reverse(); }
            }
        }
        let decide = |list: &[AnyStatement]| Caller::default().evaluate(&parsed(list)).is_allowed();
        prop_assert_eq!(decide(&list), decide(&turned));
    }

    #[test]
    fn one_more_condition_never_lets_more_in(mut one in statements(), more in conditions()) {
        one.allow = true;
        let mut stricter = one.clone();
        for (operator, keys) in more {
            if stricter.conditions.iter().all(|(known, _)| *known != operator) {
                stricter.conditions.push((operator, keys));
            }
        }
        let allowed = |statement: AnyStatement| Caller::default().evaluate(&parsed(&[statement])).is_allowed();
        prop_assert!(allowed(one) || !allowed(stricter));
    }

    #[test]
    fn every_answer_is_one_line(list in prop::collection::vec(statements(), 0..5)) {
        let decision = Caller::default().evaluate(&parsed(&list));
        let text = decision.to_string();
        prop_assert!(!text.is_empty() && !text.contains(char::is_control), "{}", text);
    }

    #[test]
    fn any_json_is_read_or_refused(document in any_json()) {
        if let Ok(policy) = TrustPolicy::parse(&document.to_string()) {
            let _ = Caller::default().evaluate(&policy).to_string();
        }
        let nested = json!({"Version": "2012-10-17", "Statement": [document]});
        let _ = TrustPolicy::parse(&nested.to_string());
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        let _ = TrustPolicy::parse(&text).map_err(|error| error.to_string());
    }
}
