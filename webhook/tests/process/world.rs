//! The real webhook as a process, and what it talks to.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use irsa_emu_test_support::api_server;
use irsa_emu_test_support::emulator::{Answer, Behaviour, Emulator};
use irsa_emu_test_support::issuer::Issuer;
use irsa_emu_test_support::process::{Process, free_address, path_text};
use irsa_emu_test_support::webhook_cluster;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A role of the test's account.
pub(crate) fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

/// A running webhook with the ServiceAccounts `good` and `other`, each with a role of its own name.
pub(crate) struct World {
    pub(crate) issuer: Issuer,
    pub(crate) api: api_server::Running,
    pub(crate) emulator: Arc<Behaviour>,
    pub(crate) webhook: Process,
    pub(crate) sts: SocketAddr,
    _emulator: Emulator,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        let issuer = Issuer::new().unwrap();
        let accounts = [("good", role("good")), ("other", role("other"))];
        let accounts = accounts.each_ref().map(|(name, role)| (*name, role.as_str()));
        let api = webhook_cluster::api_server(&issuer, &accounts).start().unwrap();
        let emulator = Behaviour::new(Duration::from_hours(1), &[Answer::Credentials]);
        let running = Emulator::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), emulator.clone())
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kubeconfig"), api.kubeconfig("c")).unwrap();
        let sts = free_address().unwrap();
        let args = [
            format!("--listen-sts={sts}"),
            format!("--listen-admission={}", free_address().unwrap()),
            format!("--listen-health={}", free_address().unwrap()),
            format!("--emulator-url=http://{}", running.address),
            "--sidecar-image=sidecar:test".to_owned(),
        ];
        let variables = [("KUBECONFIG", path_text(folder.path(), "kubeconfig"))];
        let webhook = Process::start(env!("CARGO_BIN_EXE_irsa-emu-webhook"), &args, &variables).unwrap();
        let mut world = Self {
            issuer,
            api,
            emulator,
            webhook,
            sts,
            _emulator: running,
            _folder: folder,
        };
        let sts = world.sts;
        world = tokio::task::spawn_blocking(move || {
            world.webhook.until_it_listens(sts).unwrap();
            world
        })
        .await
        .unwrap();
        world
    }

    /// A good token of a ServiceAccount.
    pub(crate) fn token(&self, name: &str) -> String {
        self.issuer.sign(&Issuer::claims("n", name)).unwrap()
    }

    /// Status and body of one exchange.
    pub(crate) async fn exchange(&self, role: &str, token: &str) -> (u16, String) {
        let fields = BTreeMap::from([
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleSessionName", "pod"),
            ("RoleArn", role),
            ("WebIdentityToken", token),
        ]);
        let body = fields
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("&");
        let request = format!(
            "POST / HTTP/1.1\r\nHost: sts\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.sts).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }
}
