//! What the STS front lets in and what it refuses, asked as an SDK asks, with real tokens of the cluster and bad ones.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use irsa_emu_core::contract::{self, DEFAULT_AUDIENCE, STS_FRONT};

use crate::world::{World, eventually};

const NAMESPACE: &str = "e2e-trust";

/// The STS front, forwarded to a port of this machine.
pub(crate) struct Front {
    port: u16,
    forward: Child,
    /// kubectl says a word for each connection, and ends if nobody listens.
    _out: BufReader<ChildStdout>,
}

impl Front {
    pub(crate) fn open(world: &World) -> Result<Self> {
        let service = format!("service/{STS_FRONT}");
        let mut forward = world
            .kubectl_command(&["port-forward", "-n", contract::NAMESPACE, &service, ":80"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot forward a port")?;
        let out = forward.stdout.take().context("kubectl has no output")?;
        let (mut out, mut line) = (BufReader::new(out), String::new());
        out.read_line(&mut line)?;
        // Forwarding from 127.0.0.1:41234 -> 8080
        let port = line
            .split([':', ' '])
            .find_map(|part| part.parse().ok())
            .with_context(|| format!("kubectl forwards no port: {line}"))?;
        Ok(Self {
            port,
            forward,
            _out: out,
        })
    }

    /// Status and body of the response to one exchange.
    pub(crate) fn exchange(&self, role: &str, token: &str, extra: &str) -> Result<(u16, String)> {
        self.exchange_arn(&format!("arn:aws:iam::123456789012:role/{role}"), token, extra)
    }

    fn exchange_arn(&self, role: &str, token: &str, extra: &str) -> Result<(u16, String)> {
        let body = format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=e2e&RoleArn={role}&WebIdentityToken={token}{extra}"
        );
        self.post(&body)
    }

    fn post(&self, body: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: sts\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut reader = BufReader::new(stream);
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let read = reader.read_line(&mut head)?;
            ensure!(read > 0, "the answer ends in its head: {head}");
            let line = head.lines().last().unwrap_or_default();
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().context("a length that is no number")?;
            }
        }
        // So much and no more: a forwarded connection ends in a reset.
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8(body)?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .context("an answer without a status")?;
        Ok((status, body))
    }

    /// Asserts that an exchange ends with this status and code.
    fn refuses(&self, what: &str, role: &str, token: &str, expected: (u16, &str)) -> Result<()> {
        let (status, body) = self.exchange(role, token, "")?;
        ensure!(
            status == expected.0 && body.contains(&format!("<Code>{}</Code>", expected.1)),
            "{what}: {status} {body}"
        );
        Ok(())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.forward.kill();
        let _ = self.forward.wait();
    }
}

pub(crate) fn token(world: &World, service_account: &str, audience: &str) -> Result<String> {
    let printed = world.kubectl(&[
        "create",
        "token",
        "-n",
        NAMESPACE,
        service_account,
        "--audience",
        audience,
    ])?;
    Ok(printed.trim().to_owned())
}

/// Roles that trust, and roles that do not.
pub(crate) fn prepare(world: &World) -> Result<()> {
    world.apply(&std::fs::read_to_string(
        world.root.join("tests/e2e/manifests/trust.yaml"),
    )?)?;
    world.kubectl(&[
        "wait",
        "--for=condition=Ready",
        "recipe/e2e-trust",
        "--timeout=60s",
    ])?;
    Ok(())
}

pub(crate) fn trust_policies_decide(world: &World) -> Result<()> {
    let front = Front::open(world)?;

    // A policy copied from production, with the issuer of an EKS cluster in it.
    let verbatim = token(world, "verbatim", DEFAULT_AUDIENCE)?;
    let (status, body) = front.exchange("e2e-verbatim", &verbatim, "")?;
    ensure!(
        status == 200
            && body.contains("arn:aws:sts::123456789012:assumed-role/e2e-verbatim/e2e")
            && body.contains("system:serviceaccount:e2e-trust:verbatim"),
        "a verbatim trust policy: {status} {body}"
    );
    let (status, body) = front.exchange("e2e-verbatim", &verbatim, "&DurationSeconds=7200")?;
    ensure!(
        status == 400 && body.contains("MaxSessionDuration"),
        "a session longer than the role allows: {status} {body}"
    );

    // The annotation asks, the trust policy refuses: on EKS this would be found in production.
    let narrow = token(world, "narrow", DEFAULT_AUDIENCE)?;
    front.refuses(
        "a role that trusts another",
        "e2e-narrow",
        &narrow,
        (403, "AccessDenied"),
    )?;
    eventually("the reason is in an Event of the ServiceAccount", 30, || {
        let events = world.get(&[
            "events",
            "-n",
            NAMESPACE,
            "--field-selector",
            "reason=AccessDenied",
        ])?;
        let text = events["items"].to_string();
        ensure!(
            text.contains("system:serviceaccount:e2e-trust:somebody-else")
                && text.contains("system:serviceaccount:e2e-trust:narrow"),
            "none so far: {text}"
        );
        Ok(())
    })?;

    // Refused again, and for another reason: it is an Event of its own, and the first one stays.
    front.refuses(
        "another role that trusts another",
        "e2e-verbatim",
        &narrow,
        (403, "AccessDenied"),
    )?;
    eventually("each reason has an Event of its own", 30, || {
        let events = world.get(&[
            "events",
            "-n",
            NAMESPACE,
            "--field-selector",
            "reason=AccessDenied,involvedObject.name=narrow",
        ])?;
        let notes: Vec<&str> = events["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|event| event["message"].as_str())
            .collect();
        let told = |part: &str| notes.iter().any(|note| note.contains(part));
        ensure!(
            told("role/e2e-narrow: its trust policy does not allow it")
                && told("role/e2e-verbatim: its trust policy does not allow it"),
            "not so far: {notes:?}"
        );
        Ok(())
    })
}

/// As on AWS, no annotation is asked: a role serves whom it trusts, by a token of TokenRequest, too.
pub(crate) fn roles_serve_whom_they_trust(world: &World) -> Result<()> {
    let front = Front::open(world)?;
    for (account, role) in [
        ("verbatim", "e2e-verbatim"),
        ("verbatim", "e2e-unnamed"),
        ("plain", "e2e-unnamed"),
    ] {
        let token = token(world, account, DEFAULT_AUDIENCE)?;
        let (status, body) = front.exchange(role, &token, "")?;
        ensure!(
            status == 200 && body.contains(&format!("assumed-role/{role}/e2e")),
            "{account} asks for {role}: {status} {body}"
        );
    }
    let plain = token(world, "plain", DEFAULT_AUDIENCE)?;
    front.refuses(
        "a role that does not trust it",
        "e2e-verbatim",
        &plain,
        (403, "AccessDenied"),
    )?;
    let other = token(world, "plain", "e2e.example")?;
    front.refuses(
        "an audience that no provider lists",
        "e2e-unnamed",
        &other,
        (400, "InvalidIdentityToken"),
    )
}

/// Under `roles: auto` a role that does not exist is made for the ServiceAccount whose annotation names it, and for no other.
pub(crate) fn auto_makes_what_is_named(world: &World) -> Result<()> {
    let front = Front::open(world)?;
    let plain = token(world, "plain", DEFAULT_AUDIENCE)?;
    // Asked twice: the first request must have made nothing.
    for role in ["e2e-nobodys", "e2e-nobodys"] {
        front.refuses("a role that nothing names", role, &plain, (403, "AccessDenied"))?;
    }
    eventually("the reason is in an Event of the ServiceAccount", 30, || {
        let events = world.get(&[
            "events",
            "-n",
            NAMESPACE,
            "--field-selector",
            "reason=AccessDenied,involvedObject.name=plain",
        ])?;
        let text = events["items"].to_string();
        ensure!(
            text.contains("e2e-nobodys: the role does not exist") && text.contains("no role-arn annotation"),
            "none so far: {text}"
        );
        Ok(())
    })?;
    // Somebody else's annotation names it.
    front.refuses(
        "a role that another annotation names",
        "e2e-named",
        &plain,
        (403, "AccessDenied"),
    )?;
    let named = token(world, "named", DEFAULT_AUDIENCE)?;
    let (status, body) = front.exchange("e2e-named", &named, "")?;
    ensure!(
        status == 200,
        "the role that its annotation names: {status} {body}"
    );
    Ok(())
}

/// Asserts that `explain` foretells what the front does with a ServiceAccount.
fn explained(world: &World, account: &str, code: i32, told: &str) -> Result<()> {
    world
        .irsa_emu(&["explain", "serviceaccount", account, "-n", NAMESPACE, "--check"])?
        .code(code)?
        .says(told)?;
    Ok(())
}

/// Under `roles: strict` nothing is made on the way: no role, no provider, no client id.
pub(crate) fn strict_makes_nothing(world: &World) -> Result<()> {
    world.up_with(&["--roles", "strict"], &[])?.code(0)?;
    {
        let front = Front::open(world)?;
        let invalid = |what: &str, role: &str, token: &str, why: &str| -> Result<()> {
            let (status, body) = front.exchange_arn(role, token, "")?;
            let refused = status == 400 && body.contains("InvalidIdentityToken") && body.contains(why);
            ensure!(refused, "{what}: {status} {body}");
            Ok(())
        };
        let other = token(world, "audience", "e2e.example")?;
        let role = "arn:aws:iam::123456789012:role/e2e-audience";
        invalid(
            "an audience that no provider lists",
            role,
            &other,
            "Incorrect token audience",
        )?;
        let stranger = token(world, "stranger", DEFAULT_AUDIENCE)?;
        let role = "arn:aws:iam::555555555555:role/e2e-stranger";
        invalid(
            "an account without a provider",
            role,
            &stranger,
            "No OpenIDConnect provider",
        )?;
        let gone = token(world, "gone", DEFAULT_AUDIENCE)?;
        front.refuses(
            "a role that does not exist",
            "e2e-gone",
            &gone,
            (403, "AccessDenied"),
        )?;
        let verbatim = token(world, "verbatim", DEFAULT_AUDIENCE)?;
        let (status, body) = front.exchange("e2e-verbatim", &verbatim, "")?;
        ensure!(status == 200, "what is there serves: {status} {body}");
        for (account, code, told) in [
            ("audience", 1, "[audience-not-listed]"),
            ("stranger", 1, "[provider-missing]"),
            ("gone", 1, "[role-missing]"),
            (
                "verbatim",
                0,
                "the OIDC provider of its account accepts the token",
            ),
        ] {
            explained(world, account, code, told)?;
        }
    }
    world.up_with(&[], &[])?.code(0)?;
    explained(world, "audience", 0, "[audience-not-listed]")?;
    explained(world, "stranger", 0, "[provider-missing]")?;
    let front = Front::open(world)?;
    for (account, audience, role) in [
        (
            "audience",
            "e2e.example",
            "arn:aws:iam::123456789012:role/e2e-audience",
        ),
        (
            "stranger",
            DEFAULT_AUDIENCE,
            "arn:aws:iam::555555555555:role/e2e-stranger",
        ),
    ] {
        // The first request makes what is missing.
        let token = token(world, account, audience)?;
        let (status, body) = front.exchange_arn(role, &token, "")?;
        ensure!(status == 200, "{account}, under roles auto: {status} {body}");
    }
    eventually("the owner hears that AWS would refuse the audience", 30, || {
        let events = world.get(&[
            "events",
            "-n",
            NAMESPACE,
            "--field-selector",
            "reason=AudienceNotListed",
        ])?;
        ensure!(
            events["items"].to_string().contains("e2e.example"),
            "none so far: {events}"
        );
        Ok(())
    })
}

pub(crate) fn bad_tokens_are_refused(world: &World) -> Result<()> {
    let front = Front::open(world)?;
    let good = token(world, "verbatim", DEFAULT_AUDIENCE)?;
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        anyhow::bail!("the cluster's token has {} parts", parts.len());
    };
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(claims)?)?;
    let promoted = encode(&decoded.replace(":verbatim", ":narrow"));
    let kid = String::from_utf8(URL_SAFE_NO_PAD.decode(header)?)?;
    let unsigned = encode(&kid.replace("RS256", "none"));
    let symmetric = encode(&kid.replace("RS256", "HS256"));
    let invalid = (400, "InvalidIdentityToken");
    for (what, token) in [
        ("another's claims", format!("{header}.{promoted}.{signature}")),
        ("no signature", format!("{unsigned}.{claims}.")),
        (
            "a symmetric algorithm",
            format!("{symmetric}.{claims}.{signature}"),
        ),
        (
            "a cut signature",
            format!("{header}.{claims}.{}", &signature[..40]),
        ),
        ("no token at all", "x".to_owned()),
        ("another audience", token(world, "verbatim", "vault")?),
    ] {
        front.refuses(what, "e2e-verbatim", &token, invalid)?;
    }
    front.refuses("another's role", "e2e-narrow", &good, (403, "AccessDenied"))?;

    // A token outlives its ServiceAccount, and that of one that was recreated under the same name.
    let old = token(world, "gone", DEFAULT_AUDIENCE)?;
    world.kubectl(&["delete", "serviceaccount", "-n", NAMESPACE, "gone"])?;
    eventually("a token of a deleted ServiceAccount is refused", 10, || {
        front.refuses(
            "a deleted ServiceAccount",
            "e2e-gone",
            &old,
            (403, "AccessDenied"),
        )
    })?;
    world.apply(&std::fs::read_to_string(
        world.root.join("tests/e2e/manifests/trust.yaml"),
    )?)?;
    eventually(
        "a token of an earlier ServiceAccount of this name is refused",
        10,
        || front.refuses("an earlier ServiceAccount", "e2e-gone", &old, invalid),
    )
}
