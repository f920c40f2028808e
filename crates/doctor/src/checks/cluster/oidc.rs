//! The cluster as an OIDC provider.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use irsa_emu_cluster::kubernetes::objects::get;
use irsa_emu_core::contract::DEFAULT_AUDIENCE;
use kube::Client;
use serde_json::Value;

use crate::checks::asked::token;
use crate::checks::engine::{Trouble, Verdict, fine};
use crate::checks::surroundings::Surroundings;

/// The subject of the token that is asked for.
const SUBJECT: &str = "system:serviceaccount:default:default";

async fn document(client: &Client, path: &str) -> Result<Value, Trouble> {
    Ok(get(client, path).await?)
}

pub(super) async fn issues_tokens(s: &Surroundings<'_>) -> Verdict {
    let client = s.client().await?;
    let (discovery, keys, token) = tokio::try_join!(
        document(&client, "/.well-known/openid-configuration"),
        document(&client, "/openid/v1/jwks"),
        token(&client, "default", "default", DEFAULT_AUDIENCE),
    )?;
    let fix = s.kubectl("get --raw /.well-known/openid-configuration");
    match judge(&discovery, &keys, claims(token.secret()).as_ref()) {
        Ok(seen) => fine(seen),
        Err(why) => Err(Trouble::new(why, fix)),
    }
}

/// What is seen of the provider, or what is wrong with it. `claims` are those of a token of its own.
fn judge(discovery: &Value, keys: &Value, claims: Option<&Value>) -> Result<String, String> {
    let issuer = text(discovery, "issuer");
    let count = keys.get("keys").and_then(Value::as_array).map_or(0, Vec::len);
    if issuer.is_empty() || count == 0 {
        return Err(format!(
            "the API server publishes the issuer `{issuer}` and {count} keys; both are needed"
        ));
    }
    let Some(claims) = claims else {
        return Err("the API server issued a token that is not a JWT".to_owned());
    };
    let named = text(claims, "iss");
    if named != issuer {
        return Err(format!(
            "tokens name the issuer `{named}`, but the API server publishes `{issuer}`"
        ));
    }
    let subject = text(claims, "sub");
    if subject != SUBJECT {
        return Err(format!("a token of default/default has the subject `{subject}`"));
    }
    Ok(format!(
        "issuer {issuer}, {count} key(s), tokens for {DEFAULT_AUDIENCE}"
    ))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The claims of a JWT, unverified.
pub(super) fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn issuer_keys_and_subject_must_fit() {
        let (discovery, keys) = (json!({"issuer": "https://i"}), json!({"keys": [{}]}));
        let good = json!({"iss": "https://i", "sub": SUBJECT});
        assert!(judge(&discovery, &keys, Some(&good)).is_ok());
        for (discovery, keys, claims, told) in [
            (json!({}), keys.clone(), Some(good.clone()), "issuer ``"),
            (
                discovery.clone(),
                json!({"keys": []}),
                Some(good.clone()),
                "0 keys",
            ),
            (discovery.clone(), keys.clone(), None, "not a JWT"),
            (
                discovery.clone(),
                keys.clone(),
                Some(json!({"iss": "https://other", "sub": SUBJECT})),
                "`https://other`",
            ),
            (
                discovery.clone(),
                keys.clone(),
                Some(json!({"iss": "https://i", "sub": "x"})),
                "subject `x`",
            ),
        ] {
            let why = judge(&discovery, &keys, claims.as_ref()).unwrap_err();
            assert!(why.contains(told), "{told}: {why}");
        }
    }

    #[test]
    fn the_claims_of_a_token_are_read() {
        let body = URL_SAFE_NO_PAD.encode(br#"{"iss":"x"}"#);
        assert_eq!(claims(&format!("a.{body}.c")).unwrap()["iss"], "x");
        assert!(claims("a.b").is_none());
        assert!(claims("").is_none());
    }
}
