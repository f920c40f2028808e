//! Any bytes as a request to the STS front: what is read of it keeps AWS's bounds, and no token that nobody signed counts.
#![no_main]

mod error;
// The files themselves, as the webhook is a program and no library: what is fuzzed is what is served.
#[path = "../../webhook/src/sts/query.rs"]
mod query;
#[expect(dead_code, reason = "what a verified token says is read by others")]
#[path = "../../webhook/src/sts/token.rs"]
mod token;

use error::StsError;
use jsonwebtoken::jwk::JwkSet;
use libfuzzer_sys::fuzz_target;
use query::{AssumeRole, parameters};
use std::sync::LazyLock;
use token::{Keys, WebIdentityToken};

/// The cluster's key; nobody has its other half.
static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let set: JwkSet = serde_json::from_str(include_str!("jwks.json")).expect("a set of keys");
    let keys = Keys::new("https://kubernetes.default.svc.cluster.local".to_owned(), &set);
    assert!(keys.has("cluster-key") && keys.has("cluster-key-rsa"));
    keys
});

fuzz_target!(|data: &[u8]| {
    // A query string is text, a form may be anything; the first byte tells where one ends and the other begins.
    let Some((split, rest)) = data.split_first() else {
        return;
    };
    let (query, form) = rest.split_at(usize::from(*split).min(rest.len()));
    let read = parameters(&String::from_utf8_lossy(query), form);
    assert!(read.len() <= 7 + 256, "{}", read.len());
    match AssumeRole::read(&read) {
        Ok(request) => judge(&request),
        Err(error) => judge_error(&error),
    }
    // The form as a token, as few are reached by way of a request.
    let text = String::from_utf8_lossy(form).into_owned();
    refused(&WebIdentityToken::new(text));
});

fn judge(request: &AssumeRole) {
    assert!(request.role_arn.to_string().chars().count() <= 2048);
    assert!((2..=64).contains(&request.session_name.len()));
    assert!((900..=43_200).contains(&request.duration));
    assert!(
        request
            .policy
            .as_ref()
            .is_none_or(|policy| policy.chars().count() <= 2048)
    );
    assert!(request.policy_arns.len() <= 10);
    assert!(request.check_duration(43_200).is_ok());
    refused(&request.token);
}

fn refused(token: &WebIdentityToken) {
    let error = token::key_id(token)
        .and_then(|_| token::verify(token, &KEYS))
        .expect_err("nobody signed it");
    judge_error(&error);
    assert!(["InvalidIdentityToken", "ExpiredTokenException"].contains(&error.code));
}

/// A response is short, whatever was asked.
fn judge_error(error: &StsError) {
    assert!(error.message.len() < 16_384, "{}", error.message.len());
}
