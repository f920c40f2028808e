//! A server under load: a process of this machine, what it uses, and how it is reached.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use irsa_emu_core::contract::{DEFAULT_REGION, NAMESPACE, WEBHOOK, WEBHOOK_PATH};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::cluster::Cluster;

/// How long a server may take until it is ready.
const START: Duration = Duration::from_mins(1);
/// Length of a tick in `/proc/<pid>/stat`: Linux shows programs 100 a second, whatever the kernel counts.
const TICK: Duration = Duration::from_millis(10);

/// A running server; it is killed with the value.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    process: Process,
    address: SocketAddr,
    sts: Option<SocketAddr>,
    host: ServerName<'static>,
    path: String,
    tls: TlsConnector,
    idle: u64,
}

/// The process, and the folder of its files.
struct Process {
    child: Child,
    id: u32,
    folder: TempDir,
}

/// Processor time of a process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl Cpu {
    /// What was used since an earlier look.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

impl Server {
    /// Our webhook, with the settings that `irsa-emu up` gives it. `emulator` is what it would reach in the cluster.
    pub(crate) async fn ours(program: &Path, cluster: &Cluster, emulator: Option<&str>) -> Result<Self> {
        let [admission, sts, health] = free_addresses()?;
        let mut args = vec![
            format!("--listen-admission={admission}"),
            format!("--listen-sts={sts}"),
            format!("--listen-health={health}"),
            format!("--region={DEFAULT_REGION}"),
            "--sidecar-image=irsa-emu-sidecar:bench".to_owned(),
        ];
        args.extend(emulator.map(|url| format!("--emulator-url={url}")));
        let mut process = Process::start(program, &args, tempfile::tempdir()?)?;
        process
            .until("it is ready", async || is_ready(health).await)
            .await?;
        let host = format!("{WEBHOOK}.{NAMESPACE}.svc");
        let (ca, path) = cluster.registration().await?;
        let reached = Self::reached("irsa-emu", process, admission, &host, &ca)?;
        Ok(Self {
            sts: Some(sts),
            path,
            ..reached
        })
    }

    /// Amazon's webhook, with the region that EKS sets too.
    pub(crate) async fn peer(program: &Path) -> Result<Self> {
        let [admission, metrics, _] = free_addresses()?;
        let folder = tempfile::tempdir()?;
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        std::fs::write(&certificate, made.cert.pem())?;
        std::fs::write(&key, made.signing_key.serialize_pem())?;
        let kubeconfig = std::env::var("KUBECONFIG").context("KUBECONFIG is not set; run `make bench`")?;
        let args = [
            "--in-cluster=false".to_owned(),
            format!("--kubeconfig={kubeconfig}"),
            format!("--namespace={NAMESPACE}"),
            format!("--port={}", admission.port()),
            format!("--metrics-port={}", metrics.port()),
            format!("--tls-cert={}", certificate.display()),
            format!("--tls-key={}", key.display()),
            format!("--aws-default-region={DEFAULT_REGION}"),
        ];
        let mut process = Process::start(program, &args, folder)?;
        process
            .until("it listens", async || TcpStream::connect(admission).await.is_ok())
            .await?;
        Self::reached(
            "EKS webhook",
            process,
            admission,
            "localhost",
            made.cert.pem().as_bytes(),
        )
    }

    fn reached(
        name: &'static str,
        process: Process,
        address: SocketAddr,
        host: &str,
        ca: &[u8],
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            roots.add(certificate.context("the CA is no PEM")?)?;
        }
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let idle = process.memory("VmRSS")?;
        Ok(Self {
            name,
            process,
            address,
            sts: None,
            host: ServerName::try_from(host.to_owned())?,
            path: WEBHOOK_PATH.to_owned(),
            tls: TlsConnector::from(Arc::new(config)),
            idle,
        })
    }

    /// Path of the admission handler.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        self.tls
            .connect(self.host.clone(), stream)
            .await
            .context("the TLS handshake failed")
    }

    /// The name that requests are addressed to.
    pub(crate) fn host(&self) -> String {
        self.host.to_str().into_owned()
    }

    /// Where its STS front listens.
    pub(crate) fn sts(&self) -> Option<SocketAddr> {
        self.sts
    }

    /// Processor time that the process has used so far.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        cpu(&self.process.id.to_string())
    }

    /// An entry of `/proc/<pid>/status`, in bytes.
    pub(crate) fn memory(&self, entry: &str) -> Result<u64> {
        self.process.memory(entry)
    }

    /// What was resident when it had started.
    pub(crate) fn idle(&self) -> u64 {
        self.idle
    }

    /// The last lines that it wrote.
    pub(crate) fn end_of_log(&self) -> String {
        self.process.end_of_log()
    }
}

impl Process {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the benchmark starts programs"
    )]
    fn start(program: &Path, args: &[String], folder: TempDir) -> Result<Self> {
        // A file and not nothing: writing its log is part of what a server does.
        let log = std::fs::File::create(log(folder.path()))?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let id = child.id().context("it ended at once")?;
        Ok(Self { child, id, folder })
    }

    /// Waits until something is so, and no longer than the process lives.
    async fn until(&mut self, what: &str, is: impl AsyncFn() -> bool) -> Result<()> {
        let deadline = tokio::time::Instant::now() + START;
        while !is().await {
            let ended = self.child.try_wait()?;
            ensure!(
                ended.is_none() && tokio::time::Instant::now() < deadline,
                "waiting until {what}: {ended:?}; its log ends with:\n{}",
                self.end_of_log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn memory(&self, entry: &str) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let line = text.lines().find_map(|line| line.strip_prefix(entry));
        let kibibytes = line.and_then(|line| {
            line.trim_matches(|c: char| !c.is_ascii_digit())
                .parse::<u64>()
                .ok()
        });
        Ok(kibibytes.with_context(|| format!("no {entry} of the process"))? * 1024)
    }

    fn end_of_log(&self) -> String {
        let bytes = std::fs::read(log(self.folder.path())).unwrap_or_default();
        let end = bytes.len().saturating_sub(2000);
        String::from_utf8_lossy(&bytes[end..]).into_owned()
    }
}

/// Processor time of a process, `self` for this one.
pub(crate) fn cpu(process: &str) -> Result<Cpu> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program, in brackets, may hold anything; what counts comes after it.
    let after = text.rsplit_once(')').map(|(_, after)| after);
    let fields: Vec<&str> = after.unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u32>().ok());
    let (user, system) = ticks(11)
        .zip(ticks(12))
        .context("cannot read the processor time")?;
    Ok(Cpu {
        user: TICK * user,
        system: TICK * system,
    })
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// Addresses that were free a moment ago.
fn free_addresses<const N: usize>() -> Result<[SocketAddr; N]> {
    let mut listeners = Vec::new();
    for _ in 0..N {
        listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?);
    }
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for (address, listener) in addresses.iter_mut().zip(&listeners) {
        *address = listener.local_addr()?;
    }
    Ok(addresses)
}

async fn is_ready(address: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    ask.await
        .is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}
