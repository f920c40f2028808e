//! The sidecar with 64 containers that ask at once.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use irsa_emu_core::contract::AUTHORIZATION_TOKEN_FILE;
use irsa_emu_test_support::emulator::{Answer, Behaviour, Emulator};
use irsa_emu_test_support::process::{Process, free_address};

use crate::cluster::role_arn;
use crate::sts::{Call, run};
use crate::table;

/// Clients at once.
const CLIENTS: usize = 64;

pub(crate) async fn measure(sidecar: &Path, time: Duration) -> Result<()> {
    let behaviour = Behaviour::new(Duration::from_hours(1), &[Answer::Credentials]);
    let sts = Emulator::start(SocketAddr::from(([127, 0, 0, 1], 0)), behaviour).await?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("token"), "token")?;
    let address = free_address()?;
    let args = [
        format!("--role-arn={}", role_arn(0)),
        format!("--token-file={}", folder.path().join("token").display()),
        format!("--sts-url=http://{}", sts.address),
        format!("--listen={address}"),
        format!("--credentials-dir={}", folder.path().display()),
    ];
    let mut process = Process::start(&sidecar.display().to_string(), &args, &[])?;
    process.until_it_listens(address)?;
    let authorization = std::fs::read_to_string(folder.path().join(AUTHORIZATION_TOKEN_FILE))?;
    let call = Call::credentials(authorization);
    // The first response comes when there are credentials.
    run(address, &call, 1, Duration::from_millis(200))
        .await
        .with_context(|| process.log().unwrap_or_default())?;
    let idle = process.resident()?;
    let times = run(address, &call, CLIENTS, time).await?;
    println!("{}", table::sts_line("sidecar", CLIENTS, &times, None, None));
    println!(
        "sidecar: resident {} with credentials, {} at most under {CLIENTS} clients",
        table::mebibytes(idle * 1024),
        table::mebibytes(process.most_resident()? * 1024)
    );
    Ok(())
}
