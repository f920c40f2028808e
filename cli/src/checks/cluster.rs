//! The cluster: the right one, recent enough, ready, and able to issue tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt;
use irsa_emu_core::contract::DEFAULT_AUDIENCE;
use serde_json::Value;

use super::Surroundings;
use super::aws::{get, token};
use super::engine::{Check, Phase, Severity, Trouble, Verdict, fine};
use crate::cluster::ready;

/// First version with native sidecars.
const NATIVE_SIDECARS: (u32, u32) = (1, 29);

pub(super) fn checks<'x>() -> Vec<Check<Surroundings<'x>>> {
    vec![
        Check {
            id: "k8s-context-safe",
            phase: Phase::Cluster,
            needs: &[],
            severity: Severity::Error,
            title: "the context is there, is a local one, and its API server answers",
            run: |s| context_safe(s).boxed(),
        },
        Check {
            id: "k8s-version",
            phase: Phase::Cluster,
            needs: &["k8s-context-safe"],
            severity: Severity::Error,
            title: "Kubernetes is recent enough for native sidecars",
            run: |s| version(s).boxed(),
        },
        Check {
            id: "k8s-core-ready",
            phase: Phase::Cluster,
            needs: &["k8s-context-safe"],
            severity: Severity::Error,
            title: "nodes, DNS and the default ServiceAccount are ready",
            run: |s| core_ready(s).boxed(),
        },
        Check {
            id: "k8s-oidc",
            phase: Phase::Cluster,
            needs: &["k8s-core-ready"],
            severity: Severity::Error,
            title: "the cluster issues tokens for AWS, and publishes its keys",
            run: |s| oidc(s).boxed(),
        },
    ]
}

async fn context_safe(s: &Surroundings<'_>) -> Verdict {
    let cluster = s.cluster().await?;
    fine(format!(
        "context {}, Kubernetes {}",
        cluster.context, cluster.version
    ))
}

async fn version(s: &Surroundings<'_>) -> Verdict {
    let version = &s.cluster().await?.version;
    match minor(version) {
        Some(found) if found < NATIVE_SIDECARS => {
            let message = format!(
                "Kubernetes {version} has no native sidecars: Pods with delivery `sidecar` get an ordinary container, \
and Jobs with it do not end"
            );
            Err(Trouble::warning(
                message,
                format!("{} --node-image kindest/node:v1.34.0", s.app.command("up")),
            ))
        }
        Some(_) => fine(format!("Kubernetes {version}")),
        None => Err(Trouble::warning(
            format!("the API server tells the version `{version}`, which cannot be read"),
            s.kubectl("version"),
        )),
    }
}

/// Major and minor of `v1.34.4`.
fn minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((
        parts.next()?.parse().ok()?,
        parts.next()?.trim_end_matches('+').parse().ok()?,
    ))
}

async fn core_ready(s: &Surroundings<'_>) -> Verdict {
    let lacking = ready::lacking(&s.client().await?).await?;
    if lacking.is_empty() {
        return fine("nodes, DNS and the default ServiceAccount are ready");
    }
    Err(Trouble::new(lacking.join("; "), s.kubectl("describe nodes")))
}

async fn oidc(s: &Surroundings<'_>) -> Verdict {
    let client = s.client().await?;
    let fix = || s.kubectl("get --raw /.well-known/openid-configuration");
    let discovery: Value = get(&client, "/.well-known/openid-configuration").await?;
    let keys: Value = get(&client, "/openid/v1/jwks").await?;
    let issuer = discovery
        .get("issuer")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let count = keys.get("keys").and_then(Value::as_array).map_or(0, Vec::len);
    if issuer.is_empty() || count == 0 {
        let message =
            format!("the API server publishes the issuer `{issuer}` and {count} keys; both are needed");
        return Err(Trouble::new(message, fix()));
    }
    let token = token(&client, "default", "default", DEFAULT_AUDIENCE).await?;
    let Some(claims) = claims(&token) else {
        return Err(Trouble::new(
            "the API server issued a token that is no JWT",
            fix(),
        ));
    };
    let named = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    if named != issuer {
        let message = format!("tokens name the issuer `{named}`, but the API server publishes `{issuer}`");
        return Err(Trouble::new(message, fix()));
    }
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    if subject != "system:serviceaccount:default:default" {
        return Err(Trouble::new(
            format!("a token of default/default has the subject `{subject}`"),
            fix(),
        ));
    }
    fine(format!(
        "issuer {issuer}, {count} key(s), tokens for {DEFAULT_AUDIENCE}"
    ))
}

/// The claims of a JWT, unverified.
fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_every_vendor_are_read() {
        for (text, expected) in [
            ("v1.34.4", Some((1, 34))),
            ("v1.29.1+k3s2", Some((1, 29))),
            ("v1.28+", Some((1, 28))),
            ("nonsense", None),
        ] {
            assert_eq!(minor(text), expected, "{text}");
        }
        assert!((1, 9) < NATIVE_SIDECARS && (1, 100) > NATIVE_SIDECARS);
    }

    #[test]
    fn the_claims_of_a_token_are_read() {
        let body = URL_SAFE_NO_PAD.encode(br#"{"iss":"x"}"#);
        assert_eq!(claims(&format!("a.{body}.c")).unwrap()["iss"], "x");
        assert!(claims("a.b").is_none());
        assert!(claims("").is_none());
    }
}
