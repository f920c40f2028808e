//! Statements: principals, actions, aliases of the issuer, and how several statements make one decision.

use irsa_emu_core::role_arn::RoleArn;
use serde_json::json;

use super::{Caller, EKS, ISSUER, OTHER_EKS, SUBJECT, arn, decide, key, line, policy, statement, with};

#[test]
fn a_policy_as_eks_users_write_it_lets_in_whom_it_names_and_nobody_else() {
    let conditions = json!({"StringEquals": {key("sub"): SUBJECT, key("aud"): "sts.amazonaws.com"}});
    let document = policy(&json!([statement("Allow", &conditions)]));
    let decision = decide(&document);
    assert!(
        decision.is_allowed() && decision.warnings.is_empty(),
        "{decision:?}"
    );
    let stranger = Caller {
        subject: "system:serviceaccount:vault:other".into(),
        ..Caller::default()
    };
    assert_eq!(
        stranger.decide(&document).to_string(),
        format!(
            "statement 0: StringEquals {ISSUER}:sub: expected \"{SUBJECT}\", the token has \"system:serviceaccount:vault:other\""
        )
    );
}

#[test]
fn principals_are_the_provider_of_the_roles_own_account_or_everyone() {
    let ours = arn(ISSUER);
    let elsewhere = ours.replace("123456789012", "999999999999");
    for (principal, expected) in [
        (json!("*"), true),
        (json!({"AWS": "*"}), true),
        (json!({"AWS": ["*", "arn:aws:iam::1:root"]}), true),
        (json!({"Federated": ours}), true),
        (json!({"Federated": ["accounts.google.com", ours]}), true),
        (
            json!({"Service": "ec2.amazonaws.com", "AWS": "123456789012", "Federated": ours}),
            true,
        ),
        (json!({"Federated": elsewhere}), false),
        (json!({"Federated": ours.replace("aws", "aws-cn")}), false),
        (json!({"Federated": ISSUER}), false),
        (json!({"Federated": "*"}), false),
        (json!({"Federated": arn("*")}), false),
        (json!({"Federated": format!("{ours}/x")}), false),
        (json!({"AWS": ours}), false),
        (json!({"AWS": "arn:aws:iam::123456789012:root"}), false),
        (json!({"AWS": "123456789012"}), false),
        (json!({"Service": "*"}), false),
        (json!({"CanonicalUser": "*"}), false),
    ] {
        let allowed = |name: &str| {
            decide(&with(|s| {
                s.as_object_mut().unwrap().remove("Principal");
                s[name] = principal.clone();
            }))
            .is_allowed()
        };
        assert_eq!(allowed("Principal"), expected, "{principal}");
        assert_eq!(allowed("NotPrincipal"), !expected, "Not {principal}");
    }
}

#[test]
fn a_role_of_another_partition_trusts_providers_of_its_own() {
    let caller = Caller {
        role: RoleArn::parse("arn:aws-cn:iam::123456789012:role/app").unwrap(),
        ..Caller::default()
    };
    let document = with(|s| s["Principal"] = json!({"Federated": arn(ISSUER).replace("aws", "aws-cn")}));
    assert!(caller.decide(&document).is_allowed());
    assert!(!caller.decide(&with(|_| {})).is_allowed());
}

#[test]
fn conditions_hold_for_everyone_but_some_too() {
    let document = with(|s| {
        s.as_object_mut().unwrap().remove("Principal");
        s["NotPrincipal"] = json!({"AWS": "123456789012"});
        s["Condition"] = json!({"StringEquals": {key("sub"): "x"}});
    });
    assert!(!decide(&document).is_allowed());
}

#[test]
fn actions_are_globs_in_any_case() {
    for (action, expected) in [
        (json!("sts:AssumeRoleWithWebIdentity"), true),
        (json!("STS:assumerolewithwebidentity"), true),
        (json!(["sts:TagSession", "sts:AssumeRoleWith*"]), true),
        (json!("sts:*"), true),
        (json!("*"), true),
        (json!("sts:AssumeRoleWithWebIdentit?"), true),
        (json!("sts:AssumeRole"), false),
        (json!("s3:*"), false),
    ] {
        let allowed = |name: &str| {
            decide(&with(|s| {
                s.as_object_mut().unwrap().remove("Action");
                s[name] = action.clone();
            }))
            .is_allowed()
        };
        assert_eq!(allowed("Action"), expected, "{action}");
        assert_eq!(allowed("NotAction"), !expected, "Not {action}");
    }
}

#[test]
fn a_policy_of_an_eks_cluster_applies_unchanged() {
    let document = |principal: &str, key: &str| {
        let conditions = json!({"StringEquals": {format!("{key}:sub"): SUBJECT, format!("{key}:aud"): "sts.amazonaws.com"}});
        with(|s| {
            s["Principal"] = json!({"Federated": arn(principal)});
            s["Condition"] = conditions;
        })
    };
    let lower = EKS.to_ascii_lowercase();
    for (principal, key, expected) in [
        (EKS, EKS, true),
        (EKS, &*lower, true),
        (OTHER_EKS, OTHER_EKS, true),
        (ISSUER, ISSUER, true),
        // On EKS the token of one cluster never has the keys of another.
        (EKS, OTHER_EKS, false),
        (EKS, ISSUER, false),
        ("token.actions.githubusercontent.com", EKS, false),
        (EKS, "token.actions.githubusercontent.com", false),
    ] {
        let decision = decide(&document(principal, key));
        assert_eq!(decision.is_allowed(), expected, "{principal} {key}: {decision}");
    }
    let strict = Caller {
        aliases: Vec::new(),
        ..Caller::default()
    };
    assert!(!strict.decide(&document(EKS, EKS)).is_allowed());
    assert!(strict.decide(&document(ISSUER, ISSUER)).is_allowed());
}

#[test]
fn of_two_providers_in_one_statement_either_will_do() {
    let document = with(|s| {
        s["Principal"] = json!({"Federated": [arn(OTHER_EKS), arn(EKS)]});
        s["Condition"] = json!({"StringEquals": {format!("{EKS}:sub"): SUBJECT}});
    });
    assert!(decide(&document).is_allowed());
}

#[test]
fn everyone_plays_every_issuer_so_a_deny_for_all_but_some_works() {
    let guard = json!({
        "Effect": "Deny", "Principal": "*", "Action": "sts:*",
        "Condition": {"StringNotLike": {format!("{EKS}:sub"): "system:serviceaccount:vault:*"}}
    });
    let allow = json!({
        "Effect": "Allow", "Principal": {"Federated": arn(EKS)}, "Action": "sts:AssumeRoleWithWebIdentity"
    });
    let document = policy(&json!([allow, guard]));
    assert!(decide(&document).is_allowed());
    let stranger = Caller {
        subject: "system:serviceaccount:web:web".into(),
        ..Caller::default()
    };
    assert_eq!(stranger.decide(&document).to_string(), "statement 1 denies it");
}

#[test]
fn deny_wins_and_nothing_is_allowed_that_no_statement_allows() {
    let (allow, deny) = (
        statement("Allow", &json!({})),
        statement("Deny", &json!({"StringEquals": {key("sub"): SUBJECT}})),
    );
    let other = statement("Deny", &json!({"StringEquals": {key("sub"): "x"}}));
    for (statements, expected) in [
        (json!([]), false),
        (json!([allow]), true),
        (json!([allow, deny]), false),
        (json!([deny, allow]), false),
        (json!([other, allow]), true),
        (json!([other]), false),
    ] {
        assert_eq!(
            decide(&policy(&statements)).is_allowed(),
            expected,
            "{statements}"
        );
    }
    assert_eq!(
        line(&policy(&json!([other]))),
        "the trust policy has no statement with Effect Allow"
    );
}
