//! Calls of the emulator, as an administrator of an account makes them. It checks no signature.

use std::io::{Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};

use crate::world::World;

/// Calls IAM.
pub(super) fn iam(world: &World, account: &str, form: &str) -> Result<()> {
    let body = format!("Version=2010-05-08&{form}");
    post(
        world,
        account,
        "iam",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        &body,
    )
}

/// Calls KMS.
pub(super) fn kms(world: &World, account: &str, operation: &str, body: &str) -> Result<()> {
    let target = format!("TrentService.{operation}");
    post(
        world,
        account,
        "kms",
        &[
            ("Content-Type", "application/x-amz-json-1.1"),
            ("X-Amz-Target", &target),
        ],
        body,
    )
}

fn post(world: &World, account: &str, service: &str, headers: &[(&str, &str)], body: &str) -> Result<()> {
    let mut stream =
        TcpStream::connect(format!("127.0.0.1:{}", world.host_port)).context("the emulator's port")?;
    let headers: String = headers
        .iter()
        .flat_map(|(name, value)| [*name, ": ", *value, "\r\n"])
        .collect();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {service}.us-east-1.amazonaws.com\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\
Authorization: AWS4-HMAC-SHA256 Credential={account}/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n\
\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{service} {body}: {answer}");
    Ok(())
}
