//! What is said: the line for the log, the warnings, and the errors of documents that IAM would not store.

use irsa_emu_core::trust_policy::{IssuerAlias, PolicyError, TrustPolicy, Warning};
use serde_json::{Value, json};

use super::{Caller, EKS, ISSUER, SUBJECT, arn, decide, key, line, policy, statement, with};

#[test]
fn the_line_names_the_closest_statement_and_what_it_wanted() {
    let named = |sid: &str, change: &dyn Fn(&mut Value)| {
        with(|s| {
            s["Sid"] = json!(sid);
            change(s);
        })
    };
    for (document, expected) in [
        (
            named(
                "x",
                &|s| s["Condition"] = json!({"StringEquals": {key("sub"): "system:serviceaccount:vault:*"}}),
            ),
            format!(
                "statement 0 (Sid \"x\"): StringEquals {ISSUER}:sub: expected \"system:serviceaccount:vault:*\", the token has \"{SUBJECT}\" (only a Like operator takes * and ? as wildcards)"
            ),
        ),
        (
            named("", &|s| {
                s["Condition"] = json!({"StringEquals": {format!("{EKS}:sub"): SUBJECT}});
            }),
            format!(
                "statement 0: StringEquals {EKS}:sub: expected \"{SUBJECT}\", the request has no such key (the statement's principal is {ISSUER})"
            ),
        ),
        (
            named(
                "",
                &|s| s["Condition"] = json!({"StringNotEquals": {"sts:RoleSessionName": ["a", "session"]}, "Null": {key("email"): false}}),
            ),
            format!(
                "statement 0: Null {ISSUER}:email: expected \"false\", the token has no such claim, and StringNotEquals sts:RoleSessionName: expected none of \"a\", \"session\", the request has \"session\""
            ),
        ),
        (
            named("", &|s| {
                s["Condition"] = json!({"StringEquals": {key("sub"): ["1", "2", "3", "4", "5"]}});
            }),
            format!(
                "statement 0: StringEquals {ISSUER}:sub: expected one of \"1\", \"2\", \"3\", 2 more, the token has \"{SUBJECT}\""
            ),
        ),
        (
            named("", &|s| s["Action"] = json!("sts:AssumeRole")),
            "statement 0: Action: expected \"sts:AssumeRole\", the call is \"sts:AssumeRoleWithWebIdentity\""
                .to_owned(),
        ),
        (
            named("", &|s| s["Principal"] = json!({"Service": "ec2.amazonaws.com"})),
            format!(
                "statement 0: Principal: expected \"Service ec2.amazonaws.com\", the token's provider is \"{}\"",
                arn(ISSUER)
            ),
        ),
        (
            named("ok", &|_| {}),
            "statement 0 (Sid \"ok\") allows it".to_owned(),
        ),
    ] {
        assert_eq!(line(&document), expected);
    }
    let one_of_two = policy(&statement(
        "Allow",
        &json!({"ForAllValues:StringEquals": {key("amr"): "kubernetes"}}),
    ));
    assert!(!line(&one_of_two).contains("wildcards"));
    let refused_one = policy(&statement(
        "Allow",
        &json!({"StringNotEquals": {"sts:RoleSessionName": "session"}}),
    ));
    assert_eq!(
        line(&refused_one),
        "statement 0: StringNotEquals sts:RoleSessionName: expected anything but \"session\", the request has \"session\""
    );
    let far = json!({"Effect": "Allow", "Principal": {"Service": "x"}, "Action": "*"});
    let near = statement("Allow", &json!({"StringEquals": {key("sub"): "x"}}));
    let text = line(&policy(&json!([far, near, near])));
    assert!(
        text.starts_with("statement 1: ") && text.contains("; statement 2: "),
        "{text}"
    );
    assert!(!text.contains("statement 0"), "{text}");
}

#[test]
fn hostile_text_cannot_break_or_flood_the_line() {
    let document = with(|s| {
        s["Sid"] = json!("a\nlevel=info");
        s["Condition"] = json!({"StringEquals": {key("sub"): "x".repeat(100_000), "a:k\r\n": "\u{1b}[31m"}});
    });
    let text = line(&document);
    assert!(text.len() < 1000 && !text.contains(char::is_control), "{text}");
}

#[test]
fn what_is_open_in_an_allowing_statement_is_told() {
    let warnings = |change: &dyn Fn(&mut Value)| decide(&with(change)).warnings;
    let kinds = |change: &dyn Fn(&mut Value)| -> Vec<&'static str> {
        warnings(change)
            .iter()
            .map(|warning| match warning {
                Warning::NoSubject(_) => "no subject",
                Warning::AnySubject(_) => "any subject",
                Warning::AnyPrincipal(_) => "any principal",
            })
            .collect()
    };
    let sub = |operator: &str, value: &str| json!({operator: {key("sub"): value}});
    assert!(kinds(&|_| {}).is_empty());
    for (condition, expected) in [
        (sub("StringLike", "system:serviceaccount:vault:*"), &[][..]),
        (sub("StringEqualsIfExists", SUBJECT), &[]),
        (json!({}), &["no subject"]),
        (
            json!({"StringEquals": {key("aud"): "sts.amazonaws.com"}}),
            &["no subject"],
        ),
        (sub("Null", "false"), &["no subject"]),
        (sub("StringLike", "*"), &["any subject"]),
        (sub("StringLike", "system:serviceaccount:*"), &["any subject"]),
        (
            sub("StringEquals", &format!("${{{ISSUER}:sub}}")),
            &["any subject"],
        ),
        (sub("StringNotEquals", "x"), &["any subject"]),
    ] {
        assert_eq!(
            kinds(&|s| s["Condition"] = condition.clone()),
            expected,
            "{condition}"
        );
    }
    assert_eq!(kinds(&|s| s["Principal"] = json!("*")), ["any principal"]);
    let everyone_but = |s: &mut Value| {
        s.as_object_mut().unwrap().remove("Principal");
        s["NotPrincipal"] = json!({"AWS": "123456789012"});
    };
    assert_eq!(kinds(&everyone_but), ["any principal"]);
    // A statement that lets nobody in has nothing open.
    assert!(warnings(&|s| s["Condition"] = json!({"StringEquals": {key("aud"): "x"}})).is_empty());
    let text = warnings(&|s| s["Condition"] = json!({}))[0].to_string();
    assert!(
        text.starts_with("statement 0 has no condition on the token's sub"),
        "{text}"
    );
}

#[test]
fn what_iam_would_not_store_is_refused_with_its_place() {
    let refused = |document: &Value| TrustPolicy::parse(&document.to_string()).unwrap_err().to_string();
    for (document, expected) in [
        (json!([]), "the trust policy must be an object"),
        (json!({}), "the trust policy has no Statement"),
        (
            json!({"Version": "2013", "Statement": []}),
            "Version must be \"2012-10-17\" or \"2008-10-17\"",
        ),
        (
            json!({"Statment": []}),
            "the trust policy has the element `Statment`, which IAM does not accept in a trust policy",
        ),
        (json!({"Id": 1, "Statement": []}), "Id must be text"),
        (json!({"Statement": "x"}), "Statement[0] must be an object"),
        (json!({"Statement": [null]}), "Statement[0] must be an object"),
        (
            with(|s| s["Effect"] = json!("allow")),
            "Statement[0].Effect must be \"Allow\" or \"Deny\"",
        ),
        (with(|s| s["Sid"] = json!(1)), "Statement[0].Sid must be text"),
        (
            with(|s| s["Action"] = json!([])),
            "Statement[0].Action must be text or a list of text",
        ),
        (
            with(|s| s["Action"] = json!([1])),
            "Statement[0].Action must be text or a list of text",
        ),
        (
            with(|s| s["NotAction"] = json!("sts:x")),
            "Statement[0] has both Action and NotAction; IAM accepts one of them",
        ),
        (
            with(|s| s["NotPrincipal"] = json!("*")),
            "Statement[0] has both Principal and NotPrincipal; IAM accepts one of them",
        ),
        (
            with(|s| s["Resource"] = json!("*")),
            "Statement[0] has the element `Resource`, which IAM does not accept in a trust policy",
        ),
        (
            with(|s| s["Principal"] = json!("x")),
            "Statement[0].Principal must be \"*\" or an object of AWS, Federated, Service, CanonicalUser",
        ),
        (
            with(|s| s["Principal"] = json!({})),
            "Statement[0].Principal must be \"*\" or an object of AWS, Federated, Service, CanonicalUser",
        ),
        (
            with(|s| s["Principal"] = json!({"federated": "x"})),
            "Statement[0].Principal must be \"*\" or an object of AWS, Federated, Service, CanonicalUser",
        ),
        (
            with(|s| s["Principal"] = json!({"AWS": {}})),
            "Statement[0].Principal.AWS must be text or a list of text",
        ),
        (
            with(|s| s["Condition"] = json!(null)),
            "Statement[0].Condition must be an object",
        ),
        (
            with(|s| s["Condition"] = json!({"StringEqual": {}})),
            "Statement[0].Condition has the condition operator `StringEqual`, which IAM does not know",
        ),
        (
            with(|s| s["Condition"] = json!({"Bool": true})),
            "Statement[0].Condition.Bool must be an object",
        ),
        (
            with(|s| s["Condition"] = json!({"Bool": {"a:k": [[]]}})),
            "Statement[0].Condition.Bool.a:k must be text, a number or a boolean, or a list of them",
        ),
    ] {
        assert_eq!(refused(&document), expected);
    }
    for element in ["Effect", "Principal", "Action"] {
        let document = with(|s| drop(s.as_object_mut().unwrap().remove(element)));
        assert_eq!(refused(&document), format!("Statement[0] has no {element}"));
    }
    let twice = r#"{"Statement": {"Effect": "Allow", "Effect": "Deny"}}"#;
    assert!(
        matches!(TrustPolicy::parse(twice), Err(PolicyError::Json(text)) if text.contains("`Effect` stands twice"))
    );
    for text in ["", "{", "{} {}", "\u{feff}{}", "%7B%7D"] {
        assert!(
            matches!(TrustPolicy::parse(text), Err(PolicyError::Json(_))),
            "{text}"
        );
    }
}

/// The words of IAM: "Actions/Condition can contain only one colon", and "must be prefaced by a vendor".
#[test]
fn a_key_and_an_action_have_one_colon_and_what_iam_stores_is_not_refused() {
    let keyed = |key: &str| with(|s| s["Condition"] = json!({"StringEqualsIfExists": {key: "x"}}));
    for (key, why) in [
        (format!("https://{EKS}:sub"), "begins with a scheme"),
        ("https://issuer.example/x".to_owned(), "begins with a scheme"),
        (format!("{EKS}:sub:x"), "more than one colon"),
        ("aws:aws:SourceIp".to_owned(), "more than one colon"),
        ("sub".to_owned(), "names no service"),
        (EKS.to_owned(), "names no service"),
    ] {
        let error = TrustPolicy::parse(&keyed(&key).to_string())
            .unwrap_err()
            .to_string();
        assert!(error.contains(why) && error.contains("IAM "), "{key}: {error}");
    }
    for key in [
        &format!("{EKS}:sub"),
        "aws:RequestTag/team:cost",
        "aws:ResourceTag/aws:cloudformation:stack-name",
        "ec2:ResourceTag/aws:autoscaling:groupName",
        "aws:PrincipalTag/https://example.org/x",
        "kms:EncryptionContext:aws:s3:arn",
        "kms:encryptioncontext:app",
        "token.actions.githubusercontent.com:sub",
        "issuer.example:8443:sub",
        "issuer.example:8443/id/x:aud",
        "https:x",
    ] {
        let parsed = TrustPolicy::parse(&keyed(key).to_string());
        assert!(parsed.is_ok(), "{key}: {parsed:?}");
    }
    for (action, is_refused) in [
        ("sts:sts:AssumeRole", true),
        ("AssumeRoleWithWebIdentity", true),
        ("*", false),
        ("*:*", false),
        ("sts:TagSession", false),
    ] {
        let policy = with(|s| s["Action"] = json!(["sts:AssumeRole", action])).to_string();
        assert_eq!(TrustPolicy::parse(&policy).is_err(), is_refused, "{action}");
    }
}

/// AWS has no provider with a port, and IAM stores no key with one. The issuer of a local cluster may have a port all the
/// same; no other issuer may.
#[test]
fn only_the_issuer_of_the_cluster_may_have_a_port_in_a_condition_key() {
    let decide = |issuer: &str, aliases: &[&str], operator: &str, key: String| {
        let policy = with(|s| {
            s["Principal"] = json!({"Federated": arn(issuer)});
            s["Condition"] = json!({operator: {key: SUBJECT}});
        });
        let caller = Caller {
            aliases: aliases.iter().map(|alias| IssuerAlias::parse(alias)).collect(),
            ..Caller::default()
        };
        caller.evaluate_of(issuer, &TrustPolicy::parse(&policy.to_string()).unwrap())
    };
    for issuer in ["localhost:8443", "localhost:8443/id/x"] {
        assert!(
            decide(issuer, &[], "StringEquals", format!("{issuer}:sub")).is_allowed(),
            "{issuer}"
        );
        assert!(
            decide(
                issuer,
                &[],
                "StringEquals",
                format!("{}:sub", issuer.to_uppercase())
            )
            .is_allowed(),
            "{issuer}"
        );
    }
    let aliased = decide(
        ISSUER,
        &["localhost:*"],
        "StringEqualsIfExists",
        "localhost:8443:sub".into(),
    );
    assert!(aliased.is_allowed(), "{aliased}");
    // Without the refusal, `...IfExists` would not find the key, and let everybody in.
    for operator in ["StringEquals", "StringEqualsIfExists"] {
        let refused = decide(
            ISSUER,
            &[],
            operator,
            format!("{EKS}:sub").replacen('/', ":443/", 1),
        );
        assert!(!refused.is_allowed(), "{operator}");
        assert!(
            refused.to_string().contains(
                "statement 0: IAM does not accept the condition key `oidc.eks.us-east-1.amazonaws.com:443/"
            ),
            "{refused}"
        );
    }
}

#[test]
fn a_sid_stands_once() {
    let two = |first: &str, second: &str| {
        let one = |sid: &str| with(|s| s["Sid"] = json!(sid))["Statement"][0].clone();
        json!({"Version": "2012-10-17", "Statement": [one(first), one(second)]}).to_string()
    };
    assert!(matches!(TrustPolicy::parse(&two("a", "a")), Err(PolicyError::Sid(sid)) if sid == "a"));
    for (first, second) in [("a", "b"), ("a", "A"), ("", "")] {
        assert!(
            TrustPolicy::parse(&two(first, second)).is_ok(),
            "{first} {second}"
        );
    }
}
