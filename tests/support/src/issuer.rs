//! A cluster's signing key, and tokens that it signed.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// The issuer that stands in `iss`.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// The id of the key.
pub const KEY_ID: &str = "cluster-key";

/// A signing key.
#[derive(Debug)]
pub struct Issuer(KeyPair);

impl Issuer {
    /// A new one.
    pub fn new() -> Result<Self> {
        Ok(Self(KeyPair::generate()?))
    }

    /// What the API server publishes of it.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let point = self.0.der_bytes();
        let (x, y) = (
            URL_SAFE_NO_PAD.encode(&point[1..33]),
            URL_SAFE_NO_PAD.encode(&point[33..65]),
        );
        json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID, "x": x, "y": y}]})
    }

    /// The claims of a good token for a ServiceAccount, as the API server makes them.
    #[must_use]
    pub fn claims(namespace: &str, name: &str) -> Value {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        json!({
            "iss": ISSUER, "sub": format!("system:serviceaccount:{namespace}:{name}"), "aud": ["sts.amazonaws.com"],
            "iat": now, "nbf": now, "exp": now + 3600,
            "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": format!("uid-{name}")}},
        })
    }

    /// Signs claims.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(KEY_ID.to_owned());
        let key = EncodingKey::from_ec_der(self.0.serialized_der());
        Ok(jsonwebtoken::encode(&header, claims, &key)?)
    }
}
