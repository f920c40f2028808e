//! Conditions: each operator, qualifier and suffix of AWS's, beside keys that are there and keys that are not.

use serde_json::json;

use super::{Caller, ISSUER, OTHER_EKS, SUBJECT, arn, decide, holds, key, policy, statement};

#[test]
fn each_operator_compares_as_aws_documents() {
    let (sub, aud) = (key("sub"), key("aud"));
    for (operator, key, values, expected) in [
        ("StringEquals", &*sub, json!(SUBJECT), true),
        ("StringEquals", &sub, json!(["x", SUBJECT]), true),
        ("StringEquals", &sub, json!(SUBJECT.to_uppercase()), false),
        (
            "StringEquals",
            &sub,
            json!("system:serviceaccount:vault:*"),
            false,
        ),
        ("StringEquals", &sub, json!([]), false),
        ("StringNotEquals", &sub, json!("x"), true),
        ("StringNotEquals", &sub, json!(["x", SUBJECT]), false),
        (
            "StringEqualsIgnoreCase",
            &sub,
            json!(SUBJECT.to_uppercase()),
            true,
        ),
        ("StringEqualsIgnoreCase", &sub, json!("*"), false),
        (
            "StringNotEqualsIgnoreCase",
            &sub,
            json!(SUBJECT.to_uppercase()),
            false,
        ),
        ("StringNotEqualsIgnoreCase", &sub, json!("x"), true),
        ("StringLike", &sub, json!("system:serviceaccount:vault:*"), true),
        (
            "StringLike",
            &sub,
            json!("system:serviceaccount:????t:vault"),
            true,
        ),
        ("StringLike", &sub, json!("System:*"), false),
        ("StringLike", &sub, json!("vault"), false),
        ("StringNotLike", &sub, json!("system:serviceaccount:kube-*"), true),
        ("StringNotLike", &sub, json!(["x", "system:*"]), false),
        ("StringEquals", &aud, json!("sts.amazonaws.com"), true),
        (
            "ArnEquals",
            "test:arn",
            json!("arn:aws:iam::123456789012:role/*"),
            true,
        ),
        ("ArnLike", "test:arn", json!("arn:aws:iam::*:role/team/app"), true),
        ("ArnLike", "test:arn", json!("arn:aws:*"), false),
        (
            "ArnNotEquals",
            "test:arn",
            json!("arn:aws:iam::*:role/team/app"),
            false,
        ),
        ("ArnNotLike", "test:arn", json!("arn:aws:iam::*:user/*"), true),
        ("Bool", "aws:SecureTransport", json!("true"), true),
        ("Bool", "aws:SecureTransport", json!(true), true),
        ("Bool", "aws:SecureTransport", json!("False"), false),
        ("Null", &sub, json!(false), true),
        ("Null", &sub, json!("true"), false),
        ("Null", "aws:TokenIssueTime", json!("true"), true),
        ("Null", "aws:TokenIssueTime", json!("false"), false),
        ("Null", &sub, json!("maybe"), false),
        ("IpAddress", "aws:SourceIp", json!("203.0.113.0/24"), true),
        ("NotIpAddress", "aws:SourceIp", json!("203.0.113.0/24"), false),
        ("NotIpAddress", "aws:SourceIp", json!("198.51.100.0/24"), true),
        ("NumericEquals", "aws:EpochTime", json!(1_795_608_000), true),
        ("NumericNotEquals", "aws:EpochTime", json!("1795608000.0"), false),
        ("NumericLessThan", "aws:EpochTime", json!(1_795_608_000), false),
        (
            "NumericLessThanEquals",
            "aws:EpochTime",
            json!(1_795_608_000),
            true,
        ),
        ("NumericGreaterThan", "aws:EpochTime", json!("1"), true),
        ("NumericGreaterThanEquals", "aws:EpochTime", json!("x"), false),
        ("DateEquals", "aws:EpochTime", json!("2026-11-25T12:00:00Z"), true),
        (
            "DateNotEquals",
            "aws:CurrentTime",
            json!("2026-11-25T13:00+01:00"),
            false,
        ),
        ("DateLessThan", "aws:CurrentTime", json!("2026-11-26"), true),
        ("DateLessThanEquals", "aws:CurrentTime", json!("2026-11"), false),
        ("DateGreaterThan", "aws:CurrentTime", json!("2026-11-26"), false),
        (
            "DateGreaterThanEquals",
            "aws:CurrentTime",
            json!(1_795_608_000),
            true,
        ),
        ("BinaryEquals", &sub, json!("c3Vi"), false),
    ] {
        assert_eq!(
            holds(operator, key, &values),
            expected,
            "{operator} {key} {values}"
        );
        let shout = (operator.to_uppercase(), key.to_uppercase());
        assert_eq!(holds(&shout.0, &shout.1, &values), expected, "{shout:?} {values}");
    }
}

#[test]
fn a_missing_key_fails_wanted_matches_and_meets_all_others() {
    for (operator, expected) in [
        ("StringEquals", false),
        ("StringLike", false),
        ("ArnLike", false),
        ("Bool", false),
        ("NumericLessThan", false),
        ("DateGreaterThan", false),
        ("IpAddress", false),
        ("BinaryEquals", false),
        ("StringNotEquals", true),
        ("StringNotEqualsIgnoreCase", true),
        ("StringNotLike", true),
        ("ArnNotEquals", true),
        ("ArnNotLike", true),
        ("NumericNotEquals", true),
        ("DateNotEquals", true),
        ("NotIpAddress", true),
        ("StringEqualsIfExists", true),
        ("StringNotLikeIfExists", true),
        ("BoolIfExists", true),
        ("ForAllValues:StringEquals", true),
        ("ForAllValues:StringNotEquals", true),
        ("ForAnyValue:StringEquals", false),
        ("ForAnyValue:StringNotEquals", false),
        ("ForAnyValue:StringEqualsIfExists", true),
    ] {
        for key in ["aws:PrincipalOrgID", &format!("{OTHER_EKS}:sub"), &key("email")] {
            assert_eq!(holds(operator, key, &json!("x")), expected, "{operator} {key}");
        }
    }
}

#[test]
fn if_exists_still_compares_a_key_that_is_there() {
    assert!(holds("StringEqualsIfExists", &key("sub"), &json!(SUBJECT)));
    assert!(!holds("StringEqualsIfExists", &key("sub"), &json!("x")));
    assert!(!holds("StringNotEqualsIfExists", &key("sub"), &json!(SUBJECT)));
}

#[test]
fn qualifiers_compare_sets() {
    // The token has authenticated and kubernetes.
    for (operator, values, expected) in [
        (
            "ForAllValues:StringEquals",
            json!(["authenticated", "kubernetes", "x"]),
            true,
        ),
        ("ForAllValues:StringEquals", json!(["authenticated"]), false),
        ("ForAnyValue:StringEquals", json!(["authenticated", "x"]), true),
        ("ForAnyValue:StringEquals", json!(["x"]), false),
        ("ForAnyValue:StringLike", json!("kube*"), true),
        ("ForAllValues:StringNotEquals", json!(["x"]), true),
        ("ForAllValues:StringNotEquals", json!(["kubernetes"]), false),
        ("ForAnyValue:StringNotEquals", json!(["kubernetes"]), true),
        (
            "ForAnyValue:StringNotEquals",
            json!(["authenticated", "kubernetes"]),
            false,
        ),
        ("StringEquals", json!("kubernetes"), true),
        ("StringNotEquals", json!("kubernetes"), false),
        ("StringNotEquals", json!("x"), true),
    ] {
        assert_eq!(
            holds(operator, &key("amr"), &values),
            expected,
            "{operator} {values}"
        );
    }
    assert!(holds("ForAllValues:StringEquals", "test:empty", &json!("x")));
    assert!(!holds("ForAnyValue:StringEquals", "test:empty", &json!("")));
    assert!(holds("StringEquals", "test:empty", &json!("")));
}

#[test]
fn several_keys_and_operators_must_all_hold() {
    for (conditions, expected) in [
        (json!({}), true),
        (
            json!({"StringEquals": {key("sub"): SUBJECT, "sts:RoleSessionName": "session"}}),
            true,
        ),
        (
            json!({"StringEquals": {key("sub"): SUBJECT, "sts:RoleSessionName": "x"}}),
            false,
        ),
        (
            json!({"StringEquals": {key("sub"): SUBJECT}, "StringLike": {"sts:RoleSessionName": "sess*"}}),
            true,
        ),
        (
            json!({"StringEquals": {key("sub"): SUBJECT}, "StringLike": {"sts:RoleSessionName": "x*"}}),
            false,
        ),
    ] {
        let decision = decide(&policy(&statement("Allow", &conditions)));
        assert_eq!(decision.is_allowed(), expected, "{conditions}");
    }
}

#[test]
fn variables_are_replaced_in_the_version_that_has_them() {
    for (operator, values, expected) in [
        ("StringEquals", format!("${{{ISSUER}:sub}}"), true),
        ("StringLike", "system:serviceaccount:vault:${*}".to_owned(), false),
        (
            "StringEquals",
            "system:serviceaccount:vault:${aws:username, 'vault'}".to_owned(),
            true,
        ),
        ("StringLike", "*${aws:username}".to_owned(), false),
        ("StringNotLike", "*${aws:username}".to_owned(), true),
        // Two values: no variable.
        ("StringNotEquals", format!("${{{ISSUER}:amr}}"), true),
    ] {
        assert_eq!(
            holds(operator, &key("sub"), &json!(values)),
            expected,
            "{operator} {values}"
        );
    }
    assert!(!holds(
        "StringEquals",
        &key("amr"),
        &json!(format!("${{{ISSUER}:amr}}"))
    ));
    let provider = format!("${{aws:FederatedProvider, ''}}-{SUBJECT}");
    assert!(!holds("StringEquals", &key("sub"), &json!(provider)));
    assert!(holds(
        "StringEquals",
        "aws:FederatedProvider",
        &json!(arn(ISSUER))
    ));

    let conditions = json!({"StringEquals": {key("sub"): format!("${{{ISSUER}:sub}}")}});
    for version in [json!({}), json!({"Version": "2008-10-17"})] {
        let mut old = version;
        old["Statement"] = statement("Allow", &conditions);
        assert!(!decide(&old).is_allowed(), "{old}");
    }
}

#[test]
fn several_audiences_are_several_values() {
    let caller = Caller {
        audiences: vec!["sts.amazonaws.com".into(), "vault".into()],
        ..Caller::default()
    };
    for (operator, expected) in [
        ("StringEquals", true),
        ("ForAnyValue:StringEquals", true),
        ("ForAllValues:StringEquals", false),
        ("StringNotEquals", false),
    ] {
        let conditions = json!({operator: {key("aud"): "sts.amazonaws.com"}});
        let decision = caller.decide(&policy(&statement("Allow", &conditions)));
        assert_eq!(decision.is_allowed(), expected, "{operator}");
    }
}
