//! Tokens that no cluster signed for who shows them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::shot::{noise, one_of};

/// Makes bad tokens out of good ones, and others.
pub(super) fn bad_token(random: &mut StdRng, good: &str, bad: &[String]) -> (&'static str, Vec<u8>) {
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return ("no token", noise(random, 100));
    };
    match random.random_range(0..8) {
        0 => (
            "foreign or expired",
            bad[random.random_range(0..bad.len())].clone().into_bytes(),
        ),
        1 => {
            let decoded = String::from_utf8_lossy(&decode(claims)).replace(":good", ":other");
            (
                "other claims",
                format!("{header}.{}.{signature}", encode(decoded.as_bytes())).into_bytes(),
            )
        }
        2 => {
            let alg = one_of(
                random,
                &[
                    "none", "None", "HS256", "HS512", "RS512", "PS256", "EdDSA", "ES384", "",
                ],
            );
            let header = format!(r#"{{"alg":"{alg}","kid":"cluster-key","typ":"JWT"}}"#);
            let signature = if random.random_bool(0.5) { signature } else { "" };
            (
                "other algorithm",
                format!("{}.{claims}.{signature}", encode(header.as_bytes())).into_bytes(),
            )
        }
        3 | 4 => {
            let header = format!(r#"{{"alg":"RS256","kid":"{:x}"}}"#, random.random::<u64>());
            (
                "unknown kid",
                format!("{}.{claims}.{signature}", encode(header.as_bytes())).into_bytes(),
            )
        }
        5 => ("odd header", odd_header(random, claims, signature)),
        6 => {
            let signature = encode(&noise(random, 64));
            (
                "forged signature",
                format!("{header}.{claims}.{signature}").into_bytes(),
            )
        }
        _ => {
            let mut bytes = good.as_bytes().to_vec();
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 1 << random.random_range(0..7);
            // The last character of a signature holds bits that mean nothing.
            if at + 1 == bytes.len() {
                bytes[0] = b'.';
            }
            ("flipped bit", bytes)
        }
    }
}

fn odd_header(random: &mut StdRng, claims: &str, signature: &str) -> Vec<u8> {
    let deep = format!(r#"{{"alg":{}"#, "[".repeat(8000));
    let long = format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(20_000));
    let header = one_of(
        random,
        &[
            deep.as_str(),
            long.as_str(),
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"RS256","kid":7}"#,
            r#"{"alg":"RS256","kid":"../../secrets"}"#,
            r#"{"alg":"RS256","kid":"a","kid":"cluster-key"}"#,
            r#"{"alg":"ES256","kid":"cluster-key","jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","crit":["exp"]}"#,
            "[]",
            "null",
            "{",
            "\u{0}",
        ],
    );
    format!("{}.{claims}.{signature}", encode(header.as_bytes())).into_bytes()
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
}
