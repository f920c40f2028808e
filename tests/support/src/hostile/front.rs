//! What may be sent to the STS front.

use anyhow::Result;
use rand::RngExt as _;
use rand::rngs::StdRng;

use super::attack::{Held, Report, Target, attack};
use super::shot::{Shot, Then, form, noise, one_of, post};
use super::tokens::bad_token;

/// What the attackers know: a role, a good token that does not open it, and tokens that are bad in themselves.
#[derive(Debug, Clone)]
pub struct Role {
    /// ARN of a role of somebody else.
    pub arn: String,
    /// A token of a ServiceAccount whose role is another one.
    pub good_token: String,
    /// Expired tokens, and those of other clusters.
    pub bad_tokens: Vec<String>,
}

/// Attacks the STS front. Whoever gets credentials has found a hole.
pub fn on_the_front(target: &Target, role: &Role) -> Result<(Report, Held)> {
    attack(target, |random| shot(random, role))
}

fn shot(random: &mut StdRng, role: &Role) -> Shot {
    match random.random_range(0..20) {
        0 => Shot::read("noise", [noise(random, 2000), b"\r\n\r\n".to_vec()].concat()),
        1 => broken_head(random),
        2 => giant(random),
        3 => slow(random),
        4 => query(random),
        5 => many_parameters(random),
        6 | 7 => odd_parameter(random, role),
        8 => wrong_method(random),
        9 => no_text(random),
        10 => pipelined(random, role),
        11 => other_protocol(random),
        12 => foreign_role(random, role),
        _ => {
            let (kind, token) = bad_token(random, &role.good_token, &role.bad_tokens);
            Shot::read(kind, post(&exchange(&role.arn, "pod", &token)))
        }
    }
}

fn exchange(role: &str, session: &str, token: &[u8]) -> Vec<u8> {
    form(&[
        ("Action", b"AssumeRoleWithWebIdentity"),
        ("Version", b"2011-06-15"),
        ("RoleArn", role.as_bytes()),
        ("RoleSessionName", session.as_bytes()),
        ("WebIdentityToken", token),
    ])
}

fn broken_head(random: &mut StdRng) -> Shot {
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(2000));
    let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(500_000));
    let heads: [&str; 8] = [
        &many,
        &long,
        "GET / HTTP/9.9\r\n\r\n",
        "GET\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    ];
    Shot::new("broken head", one_of(random, &heads), Then::HangUp)
}

fn giant(random: &mut StdRng) -> Shot {
    let body = vec![b'a'; random.random_range(65_537..400_000)];
    Shot::read("giant body", post(&body))
}

/// Begins and does not go on.
fn slow(random: &mut StdRng) -> Shot {
    let begins: [&str; 6] = [
        "",
        "P",
        "POST / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\nHost: sts\r\nContent-Length: 1000\r\n\r\nAction=",
        "POST / HTTP/1.1\r\nHost: sts\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nAct\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    Shot::new("slow", one_of(random, &begins), Then::Hold)
}

fn query(random: &mut StdRng) -> Shot {
    let parts: [&str; 5] = [
        "a=1&",
        "a[b]=c&",
        "%zz%&",
        "&&==",
        "Action=AssumeRoleWithWebIdentity&",
    ];
    let query = one_of(random, &parts).repeat(random.random_range(1..12_000));
    let begin = "GET /?Version=2011-06-15&Action=AssumeRoleWithWebIdentity&";
    Shot::read(
        "giant query",
        format!("{begin}{query} HTTP/1.1\r\nHost: sts\r\n\r\n"),
    )
}

fn many_parameters(random: &mut StdRng) -> Shot {
    let mut body = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15".to_vec();
    let prefix = one_of(random, &["", "PolicyArns.member.", "Tags.member."]);
    while body.len() < 60_000 {
        body.extend_from_slice(format!("&{prefix}{:x}.arn", random.random::<u32>()).as_bytes());
    }
    Shot::read("many parameters", post(&body))
}

fn odd_parameter(random: &mut StdRng, role: &Role) -> Shot {
    let long = format!("arn:aws:iam::123456789012:role/{}", "a".repeat(60_000));
    let deep = "[".repeat(2000);
    let roles: [&str; 10] = [
        &long,
        "arn",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:role/a/../../b",
        "arn:aws:iam::1234:role/x",
        "arn:aws:iam::123456789012:role/\r\nX-Injected: 1",
        "arn:aws:iam::123456789012:role/\u{0}",
        "arn:aws:iam::123456789012:role/\u{202e}nimda",
        "<script>alert(1)</script>",
        "arn:aws-cn:iam::123456789012:user/x",
    ];
    let (name, value): (&str, Vec<u8>) = match random.random_range(0..6) {
        0..=2 => ("RoleArn", one_of(random, &roles).into()),
        3 => ("RoleSessionName", noise(random, 3000)),
        4 => ("Policy", deep.into()),
        _ => (
            "DurationSeconds",
            one_of(random, &["-1", "1e9", "99999999999999999999", "", "0x10"]).into(),
        ),
    };
    let mut body = exchange(&role.arn, "pod", role.good_token.as_bytes());
    body.extend_from_slice(b"&");
    body.extend(form(&[(name, &value)]));
    Shot::read("odd parameter", post(&body))
}

fn wrong_method(random: &mut StdRng) -> Shot {
    let method = one_of(
        random,
        &[
            "PUT", "DELETE", "TRACE", "CONNECT", "OPTIONS", "PATCH", "HEAD", "XYZZY",
        ],
    );
    let path = one_of(
        random,
        &[
            "/",
            "/../../etc/passwd",
            "*",
            "/%00",
            "http://127.0.0.1:1/",
            "//x",
        ],
    );
    Shot::read(
        "wrong method",
        format!("{method} {path} HTTP/1.1\r\nHost: sts\r\nContent-Length: 0\r\n\r\n"),
    )
}

fn no_text(random: &mut StdRng) -> Shot {
    let mut body = b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=%ff%fe&RoleSessionName=\xff\xc0\x80&WebIdentityToken=".to_vec();
    body.extend(noise(random, 500));
    Shot::read("no text", post(&body))
}

/// Many requests at once, whose responses nobody reads.
fn pipelined(random: &mut StdRng, role: &Role) -> Shot {
    let (_, token) = bad_token(random, &role.good_token, &role.bad_tokens);
    let one = post(&exchange(&role.arn, "pod", &token));
    let then = if random.random_bool(0.5) {
        Then::Read
    } else {
        Then::HangUp
    };
    Shot::new("pipelined", one.repeat(10), then)
}

fn other_protocol(random: &mut StdRng) -> Shot {
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice();
    let begins: [&[u8]; 3] = [hello, b"SSH-2.0-x\r\n\r\n", b"\x00\x00\x00\x00\r\n\r\n"];
    Shot::new("other protocol", one_of(random, &begins), Then::HangUp)
}

/// A token that is good, for roles that are not its own: each refusal could be an Event.
fn foreign_role(random: &mut StdRng, role: &Role) -> Shot {
    let arn = format!("{}-{:x}", role.arn, random.random::<u32>());
    Shot::read(
        "foreign role",
        post(&exchange(&arn, "pod", role.good_token.as_bytes())),
    )
}
