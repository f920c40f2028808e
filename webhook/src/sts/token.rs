//! The projected token: verified against the cluster's own keys, wherever those come from.

use std::collections::BTreeMap;
use std::fmt;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::error::StsError;

/// Kubernetes signs with one of these; nothing else is ever accepted.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];
/// Clocks of one cluster agree; this much is forgiven, in seconds.
const LEEWAY: u64 = 5;

/// A JWT that is never printed.
pub(crate) struct WebIdentityToken(String);

impl WebIdentityToken {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WebIdentityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebIdentityToken(***)")
    }
}

/// A ServiceAccount, as `sub` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Subject {
    fn parse(sub: &str) -> Option<Self> {
        let (namespace, name) = sub.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        (!namespace.is_empty() && !name.is_empty()).then(|| Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

/// The claims of a verified token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) subject: Subject,
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    /// The uid of the ServiceAccount that the token was made for; another one of the same name is another.
    uid: Option<String>,
    /// The Pod that the token was made for.
    pod: Option<BoundPod>,
}

impl Verified {
    /// Refuses a token that was made for someone else.
    pub(crate) fn require_audience(&self, audience: &str) -> Result<(), StsError> {
        if self.audiences.iter().any(|one| one == audience) {
            return Ok(());
        }
        Err(StsError::invalid_token("Incorrect token audience"))
    }

    /// Refuses a token of a ServiceAccount that was deleted since, and recreated under its name.
    pub(crate) fn require_account(&self, uid: Option<&str>) -> Result<(), StsError> {
        match (&self.uid, uid) {
            (Some(made_for), Some(there)) if made_for != there => Err(StsError::invalid_token(
                "The ID Token was made for an earlier ServiceAccount of this name",
            )),
            _ => Ok(()),
        }
    }

    /// Name of the Pod that the token was made for.
    pub(crate) fn pod_name(&self) -> Option<&str> {
        self.pod.as_ref().map(|pod| pod.name.as_str())
    }

    /// Uid of the Pod that the token was made for.
    pub(crate) fn pod_uid(&self) -> Option<&str> {
        self.pod.as_ref().map(|pod| pod.uid.as_str())
    }

    /// The issuer as ARNs and trust policies name it: without its scheme.
    pub(crate) fn provider(&self) -> &str {
        self.issuer.strip_prefix("https://").unwrap_or(&self.issuer)
    }
}

#[cfg(test)]
impl Verified {
    pub(crate) fn sample() -> Self {
        Self {
            subject: Subject {
                namespace: "n".into(),
                name: "s".into(),
            },
            issuer: "https://kubernetes.default.svc.cluster.local".into(),
            audiences: vec!["sts.amazonaws.com".into()],
            uid: Some("u-1".into()),
            pod: Some(BoundPod {
                name: "p".into(),
                uid: "u-2".into(),
            }),
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    iss: String,
    /// Kubernetes always writes a list.
    aud: Vec<String>,
    /// What the token is bound to (Kubernetes, "ServiceAccount token structure").
    #[serde(rename = "kubernetes.io")]
    bound: Option<Bound>,
}

#[derive(Deserialize)]
struct Bound {
    serviceaccount: Option<BoundAccount>,
    pod: Option<BoundPod>,
}

#[derive(Deserialize)]
struct BoundAccount {
    uid: Option<String>,
}

/// The Pod of a projected token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct BoundPod {
    name: String,
    uid: String,
}

/// The keys by which the cluster signs, and the name that it signs with.
pub(crate) struct Keys {
    issuer: String,
    by_id: BTreeMap<String, DecodingKey>,
}

impl Keys {
    pub(crate) fn new(issuer: String, set: &JwkSet) -> Self {
        let key = |jwk: &jsonwebtoken::jwk::Jwk| {
            Some((jwk.common.key_id.clone()?, DecodingKey::from_jwk(jwk).ok()?))
        };
        Self {
            issuer,
            by_id: set.keys.iter().filter_map(key).collect(),
        }
    }

    /// Whether there is a key of this id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }
}

/// The id of the key that a token names.
pub(crate) fn key_id(token: &WebIdentityToken) -> Result<String, StsError> {
    let header = jsonwebtoken::decode_header(token.expose()).map_err(|_| malformed())?;
    header.kid.ok_or_else(malformed)
}

/// Verifies a token against keys that are there; decides only (but for the clock, which the library reads).
pub(crate) fn verify(token: &WebIdentityToken, keys: &Keys) -> Result<Verified, StsError> {
    let header = jsonwebtoken::decode_header(token.expose()).map_err(|_| malformed())?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(malformed());
    }
    let key = header.kid.as_ref().and_then(|id| keys.by_id.get(id)).ok_or_else(|| {
        StsError::invalid_token("No OpenIDConnect provider found in your account for this token: its key is not the cluster's")
    })?;
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    // Which audience is right depends on the providers of the role's account, which are not known before this.
    validation.validate_aud = false;
    validation.set_issuer(&[&keys.issuer]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    let claims = jsonwebtoken::decode::<Claims>(token.expose(), key, &validation)
        .map_err(|error| refusal(&error))?
        .claims;
    let subject = Subject::parse(&claims.sub).ok_or_else(|| {
        StsError::invalid_token("The ID Token's subject is not a Kubernetes ServiceAccount")
    })?;
    let (account, pod) = match claims.bound {
        Some(bound) => (bound.serviceaccount, bound.pod),
        None => (None, None),
    };
    Ok(Verified {
        subject,
        issuer: claims.iss,
        audiences: claims.aud,
        uid: account.and_then(|account| account.uid),
        pod,
    })
}

fn refusal(error: &jsonwebtoken::errors::Error) -> StsError {
    match error.kind() {
        ErrorKind::ExpiredSignature => StsError::expired_token("Token expired"),
        ErrorKind::InvalidIssuer => {
            StsError::invalid_token("No OpenIDConnect provider found in your account for this token's issuer")
        }
        ErrorKind::ImmatureSignature => StsError::invalid_token("The ID Token is not valid yet"),
        ErrorKind::InvalidSignature => {
            StsError::invalid_token("Couldn't verify the ID Token's signature with the cluster's keys")
        }
        _ => malformed(),
    }
}

fn malformed() -> StsError {
    StsError::invalid_token("The ID Token provided is not a valid JWT")
}

#[cfg(test)]
mod tests {
    use super::super::error::Code;
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{EncodingKey, Header};
    use rcgen::{KeyPair, PublicKeyData};
    use serde_json::{Value, json};

    const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

    struct Signer {
        pair: KeyPair,
    }

    impl Signer {
        fn new() -> Self {
            Self {
                pair: KeyPair::generate().unwrap(),
            }
        }

        fn keys(&self) -> Keys {
            let point = self.pair.der_bytes();
            let (x, y) = (&point[1..33], &point[33..65]);
            let set = json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "k", "use": "sig", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)}]});
            Keys::new(ISSUER.into(), &serde_json::from_value(set).unwrap())
        }

        fn sign(&self, claims: &Value) -> WebIdentityToken {
            let mut header = Header::new(Algorithm::ES256);
            header.kid = Some("k".into());
            let key = EncodingKey::from_ec_der(self.pair.serialized_der());
            WebIdentityToken::new(jsonwebtoken::encode(&header, claims, &key).unwrap())
        }
    }

    fn now() -> i64 {
        time::OffsetDateTime::now_utc().unix_timestamp()
    }

    fn claims() -> Value {
        json!({"iss": ISSUER, "sub": "system:serviceaccount:n:s", "aud": ["sts.amazonaws.com"], "iat": now(), "nbf": now(), "exp": now() + 600})
    }

    fn refused(token: &WebIdentityToken, keys: &Keys) -> (&'static str, String) {
        let error = verify(token, keys)
            .and_then(|verified| verified.require_audience("sts.amazonaws.com"))
            .unwrap_err();
        (error.code.as_str(), error.message)
    }

    #[test]
    fn a_token_of_the_cluster_is_who_it_says() {
        let signer = Signer::new();
        let verified = verify(&signer.sign(&claims()), &signer.keys()).unwrap();
        assert_eq!(verified.subject.to_string(), "system:serviceaccount:n:s");
        assert_eq!(verified.provider(), "kubernetes.default.svc.cluster.local");
    }

    #[test]
    fn wrong_claims_are_refused_with_the_codes_of_aws() {
        let signer = Signer::new();
        let keys = signer.keys();
        let with = |key: &str, value: Value| {
            let mut claims = claims();
            claims[key] = value;
            refused(&signer.sign(&claims), &keys).0
        };
        assert_eq!(with("exp", json!(now() - 60)), "ExpiredTokenException");
        assert_eq!(
            with("aud", json!(["https://kubernetes.default.svc"])),
            "InvalidIdentityToken"
        );
        assert_eq!(with("iss", json!("https://evil.example")), "InvalidIdentityToken");
        assert_eq!(with("nbf", json!(now() + 600)), "InvalidIdentityToken");
        assert_eq!(with("sub", json!("admin")), "InvalidIdentityToken");
    }

    #[test]
    fn forged_and_foreign_signatures_are_refused() {
        let (signer, stranger) = (Signer::new(), Signer::new());
        assert_eq!(
            refused(&stranger.sign(&claims()), &signer.keys()).0,
            "InvalidIdentityToken"
        );
        let other_key = Keys {
            by_id: BTreeMap::new(),
            ..signer.keys()
        };
        assert_eq!(
            refused(&signer.sign(&claims()), &other_key).0,
            "InvalidIdentityToken"
        );
    }

    #[test]
    fn a_token_of_an_earlier_service_account_of_the_same_name_is_refused() {
        let signer = Signer::new();
        let mut bound = claims();
        bound["kubernetes.io"] = json!({"namespace": "n", "serviceaccount": {"name": "s", "uid": "u-1"}});
        let verified = verify(&signer.sign(&bound), &signer.keys()).unwrap();
        assert!(verified.require_account(Some("u-1")).is_ok());
        assert!(verified.require_account(None).is_ok());
        assert_eq!(
            verified.require_account(Some("u-2")).unwrap_err().code,
            Code::InvalidIdentityToken
        );
        let unbound = verify(&signer.sign(&claims()), &signer.keys()).unwrap();
        assert!(unbound.require_account(Some("u-2")).is_ok());
    }

    #[test]
    fn no_and_symmetric_algorithms_are_refused() {
        let signer = Signer::new();
        let body = URL_SAFE_NO_PAD.encode(claims().to_string());
        let none = format!(
            "{}.{body}.",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"k"}"#)
        );
        assert_eq!(
            refused(&WebIdentityToken::new(none), &signer.keys()).0,
            "InvalidIdentityToken"
        );
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("k".into());
        let public_key_as_secret = EncodingKey::from_secret(signer.pair.der_bytes());
        let forged = jsonwebtoken::encode(&header, &claims(), &public_key_as_secret).unwrap();
        assert_eq!(
            refused(&WebIdentityToken::new(forged), &signer.keys()).0,
            "InvalidIdentityToken"
        );
        for text in ["", "a", "a.b.c", "....", "ey.ey.ey"] {
            assert_eq!(
                refused(&WebIdentityToken::new(text.into()), &signer.keys()).0,
                "InvalidIdentityToken",
                "{text}"
            );
        }
    }

    #[test]
    fn a_token_is_never_printed() {
        assert_eq!(
            format!("{:?}", WebIdentityToken::new("hush".into())),
            "WebIdentityToken(***)"
        );
    }
}
