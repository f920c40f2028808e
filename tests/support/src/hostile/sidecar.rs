//! What the containers of a Pod may send to their sidecar.

use anyhow::Result;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::attack::{Held, Report, Target, attack};
use super::shot::{Shot, Then, noise, one_of};

/// Attacks the credentials endpoint; `authorization` is its right token, of which the attackers know all but something.
pub fn on_the_sidecar(target: &Target, authorization: &str) -> Result<(Report, Held)> {
    attack(target, |random| shot(random, authorization))
}

fn shot(random: &mut StdRng, right: &str) -> Shot {
    match random.random_range(0..10) {
        0 => Shot::read("noise", [noise(random, 2000), b"\r\n\r\n".to_vec()].concat()),
        1 => Shot::new(
            "slow",
            one_of(random, &["", "GET /v1", "GET / HTTP/1.1\r\nHost: "]),
            Then::Hold,
        ),
        2 => {
            let head = format!(
                "GET /v1/credentials HTTP/1.1\r\na: {}\r\n\r\n",
                "b".repeat(500_000)
            );
            Shot::new("giant header", head, Then::HangUp)
        }
        3 => {
            let head = format!("GET /v1/credentials HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(2000));
            Shot::new("many headers", head, Then::HangUp)
        }
        4 => {
            let host = one_of(
                random,
                &[
                    "evil.example",
                    "127.0.0.1.evil.example",
                    "",
                    "[::1",
                    "169.254.170.2",
                    "\u{e9}",
                ],
            );
            Shot::read("wrong host", get("/v1/credentials", host, right))
        }
        5 => {
            let method = one_of(
                random,
                &["POST", "PUT", "DELETE", "TRACE", "OPTIONS", "HEAD", "XYZZY"],
            );
            let head = format!(
                "{method} /v1/credentials HTTP/1.1\r\nHost: localhost\r\nAuthorization: {right}\r\nContent-Length: 0\r\n\r\n"
            );
            Shot::read("wrong method", head)
        }
        6 => {
            let path = one_of(
                random,
                &[
                    "/",
                    "/v1/credentials/",
                    "/v1/../v1/credentials",
                    "//v1/credentials",
                    "/V1/credentials",
                ],
            );
            Shot::read("wrong path", get(path, "localhost", right))
        }
        7 => {
            let head = format!(
                "POST /v1/credentials HTTP/1.1\r\nHost: localhost\r\nAuthorization: {right}\r\nContent-Length: 100000000\r\n\r\n{}",
                "x".repeat(100_000)
            );
            Shot::new("giant body", head, Then::HangUp)
        }
        8 => Shot::new(
            "pipelined",
            get("/v1/credentials", "localhost", "wrong").repeat(20),
            Then::HangUp,
        ),
        _ => Shot::read(
            "wrong token",
            get("/v1/credentials", "localhost", &nearly(random, right)),
        ),
    }
}

fn get(path: &str, host: &str, authorization: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}\r\n\r\n").into_bytes()
}

/// Almost the right token.
fn nearly(random: &mut StdRng, right: &str) -> String {
    match random.random_range(0..5) {
        0 => String::new(),
        1 => right[..right.len() - 1].to_owned(),
        2 => format!("{right}0"),
        3 => format!("Bearer {right}"),
        _ => {
            let at = random.random_range(0..right.len());
            format!("{}g{}", &right[..at], &right[at + 1..])
        }
    }
}
