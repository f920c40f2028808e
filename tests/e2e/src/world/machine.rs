//! This machine during a run: the program under test, the testbed's programs and images, folders and ports.

use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use irsa_emu_core::contract::EMULATOR_NODE_PORT;
use tempfile::TempDir;

use super::program::{Said, run};

/// Name of the install and of the cluster, so that a cluster of the developer's own stays as it is.
pub(crate) const INSTANCE: &str = "irsa-emu-e2e";
/// Where the ports of this run are looked for: below those that the kernel gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 14_500..15_500;
/// What a developer has set for other installs and for AWS itself must not decide what is tested.
const FOREIGN: [&str; 5] = ["AWS_", "IRSA_EMU_", "HELM_", "KIND_", "LOCALSTACK_"];

/// The container that is the one node of the cluster.
pub(crate) fn node_name() -> String {
    format!("{INSTANCE}-control-plane")
}

/// The machine and the cluster of a run.
pub(crate) struct World {
    pub(super) binary: PathBuf,
    pub(super) node_image: String,
    pub(crate) emulator_image: String,
    pub(crate) vault_image: String,
    /// The AWS SDK for Python. The others are named.
    pub(crate) sdk_image: String,
    pub(crate) sdk_cli_image: String,
    pub(crate) sdk_go_image: String,
    pub(crate) sdk_go_v1_image: String,
    pub(crate) sdk_java_image: String,
    pub(crate) sdk_js_image: String,
    pub(crate) sdk_rust_image: String,
    pub(crate) vault_chart: PathBuf,
    pub(crate) eks_webhook: PathBuf,
    pub(crate) root: PathBuf,
    /// Port of the emulator on the host.
    pub(crate) host_port: String,
    /// Another one, that no node publishes.
    pub(crate) spare_port: String,
    home: TempDir,
    /// Kubeconfig of a cluster that is to stay.
    keep: Option<PathBuf>,
    /// Two runs would take each other's cluster away.
    _only_run: File,
}

impl World {
    pub(crate) fn from_env() -> Result<Self> {
        let get =
            |name: &str| std::env::var(name).with_context(|| format!("{name} is not set; run `make e2e`"));
        let home = tempfile::tempdir().context("a folder for the kubeconfig and the state")?;
        let only_run = only_run()?;
        let keep = std::env::var_os("E2E_KEEP")
            .map(std::path::absolute)
            .transpose()?;
        let mut free = PORTS.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
        let mut port = || {
            let port = free.next().map(|port| port.to_string());
            port.with_context(|| format!("no port of {PORTS:?} is free on 127.0.0.1"))
        };
        let mut world = Self {
            binary: own_copy(Path::new(&get("IRSA_EMU_BIN")?), home.path())?,
            node_image: get("TESTBED_NODE_IMAGE")?,
            emulator_image: get("TESTBED_LOCALSTACK_IMAGE")?,
            vault_image: get("TESTBED_VAULT_IMAGE")?,
            sdk_image: get("TESTBED_AWS_SDK_PYTHON_IMAGE")?,
            sdk_cli_image: get("TESTBED_AWS_SDK_CLI_IMAGE")?,
            sdk_go_image: get("TESTBED_AWS_SDK_GO_IMAGE")?,
            sdk_go_v1_image: get("TESTBED_AWS_SDK_GO_V1_IMAGE")?,
            sdk_java_image: get("TESTBED_AWS_SDK_JAVA_IMAGE")?,
            sdk_js_image: get("TESTBED_AWS_SDK_JS_IMAGE")?,
            sdk_rust_image: get("TESTBED_AWS_SDK_RUST_IMAGE")?,
            vault_chart: get("TESTBED_VAULT_CHART")?.into(),
            eks_webhook: get("TESTBED_EKS_WEBHOOK")?.into(),
            root: Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
            host_port: port()?,
            spare_port: port()?,
            home,
            keep,
            _only_run: only_run,
        };
        if let Some(published) = world.published_port() {
            world.host_port = published;
        }
        Ok(world)
    }

    /// The port of the emulator on the host, where the cluster of an earlier run was kept.
    fn published_port(&self) -> Option<String> {
        let said = self
            .program(
                "docker",
                &["port", &node_name(), &format!("{EMULATOR_NODE_PORT}/tcp")],
            )
            .ok()?;
        let (_, port) = said.out.trim().rsplit_once(':')?;
        Some(port.to_owned())
    }

    /// The emulator's URL on this machine.
    pub(crate) fn host_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.host_port)
    }

    /// Runs any program of the testbed.
    pub(crate) fn program(&self, name: &str, args: &[&str]) -> Result<Said> {
        run(self.command(Path::new(name)).args(args), None)
    }

    /// Whether the cluster is to stay.
    pub(crate) fn is_kept(&self) -> bool {
        self.keep.is_some()
    }

    /// A folder of this run.
    pub(crate) fn folder(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        // Where a cluster is to be looked at afterwards, its kubeconfig must outlive the run.
        self.keep
            .clone()
            .unwrap_or_else(|| self.home.path().join("kubeconfig"))
    }

    /// A path below the project's root, as text.
    pub(crate) fn file(&self, path: &str) -> String {
        self.root.join(path).to_string_lossy().into_owned()
    }

    /// A program with the run's own kubeconfig and folders, and nothing of the developer's; to be started by the caller.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the e2e tests start programs"
    )]
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        let foreign = |name: &str| FOREIGN.iter().any(|prefix| name.starts_with(prefix));
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(foreign) {
                command.env_remove(name);
            }
        }
        for (name, folder) in [
            ("XDG_STATE_HOME", "state"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_DATA_HOME", "data"),
        ] {
            command.env(name, self.home.path().join(folder));
        }
        command
            .env("KUBECONFIG", self.kubeconfig())
            .env("IRSA_EMU_HOST_PORT", &self.host_port)
            // Where no irsa-emu.yaml of anybody is found.
            .current_dir(self.home.path());
        command
    }
}

/// Copies the programs to where nobody builds others over them during the run.
fn own_copy(command: &Path, home: &Path) -> Result<PathBuf> {
    let from = command
        .parent()
        .with_context(|| format!("{} has no folder", command.display()))?;
    for name in ["irsa-emu", "irsa-emu-webhook", "irsa-emu-sidecar"] {
        let file = from.join(name);
        std::fs::copy(&file, home.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(home.join("irsa-emu"))
}

/// Takes the place of the one run that may use the cluster of this name.
fn only_run() -> Result<File> {
    let path = std::env::temp_dir().join(format!("{INSTANCE}.lock"));
    let lock = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!("another e2e run holds {}: wait for its end", path.display()),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
