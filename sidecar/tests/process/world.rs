//! The real sidecar as a process, with the files of its Pod, and clients that ask it as SDKs do.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use irsa_emu_test_support::process::{Process, free_address, path_text};
use tempfile::TempDir;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What the SDK for Python waits for a response; others wait longer.
const SDK_TIMEOUT: Duration = Duration::from_secs(2);

/// A running sidecar.
pub(crate) struct Sidecar {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

/// One container of its Pod.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    pub(crate) authorization: String,
}

/// Any free port of loopback.
pub(crate) fn any_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

impl Sidecar {
    /// Starts it; STS is at this address.
    pub(crate) fn start(sts: SocketAddr, token: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), token).unwrap();
        let address = free_address().unwrap();
        let args = [
            "--role-arn=arn:aws:iam::123456789012:role/app".to_owned(),
            format!("--token-file={}", path_text(folder.path(), "token")),
            format!("--sts-url=http://{sts}"),
            format!("--listen={address}"),
            format!("--credentials-dir={}", folder.path().display()),
        ];
        let mut process = Process::start(env!("CARGO_BIN_EXE_irsa-emu-sidecar"), &args, &[]).unwrap();
        process.until_it_listens(address).unwrap();
        Self {
            process,
            address,
            folder,
        }
    }

    /// Waits until it has credentials, as a Pod does.
    pub(crate) async fn until_ready(&self) {
        let began = Instant::now();
        while self.client().credentials().await.is_err() {
            assert!(began.elapsed() < Duration::from_mins(1), "{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client {
            address: self.address,
            authorization: fs::read_to_string(self.folder.path().join("authorization-token")).unwrap(),
        }
    }

    /// Replaces the token as the kubelet does: all at once.
    pub(crate) fn rotate_token(&self, token: &str) {
        let new = self.folder.path().join("token.new");
        fs::write(&new, token).unwrap();
        fs::rename(&new, self.folder.path().join("token")).unwrap();
    }

    /// Stops the process for a while, as a laptop that sleeps does.
    pub(crate) async fn freeze(&self, time: Duration) {
        self.process.signal("STOP").unwrap();
        tokio::time::sleep(time).await;
        self.process.signal("CONT").unwrap();
    }

    pub(crate) fn log(&self) -> String {
        self.process.log().unwrap()
    }
}

impl Client {
    /// The access key that it gets, or what it got instead. Credentials that have ended are an error too.
    pub(crate) async fn credentials(&self) -> Result<String, String> {
        let asked = tokio::time::timeout(SDK_TIMEOUT, self.ask()).await;
        let answer = asked
            .map_err(|_| format!("no response within {SDK_TIMEOUT:?}"))?
            .map_err(|error| format!("the connection failed: {error}"))?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no head")?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status != "200" {
            return Err(format!("{status} {body}"));
        }
        let credentials: serde_json::Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let text = |name: &str| credentials[name].as_str().unwrap_or_default().to_owned();
        let end = OffsetDateTime::parse(&text("Expiration"), &Rfc3339).map_err(|error| error.to_string())?;
        if end <= OffsetDateTime::now_utc() {
            return Err(format!("credentials that ended at {end}"));
        }
        Ok(text("AccessKeyId"))
    }

    async fn ask(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = format!(
            "GET /v1/credentials HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nConnection: close\r\n\r\n",
            self.address, self.authorization
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}
