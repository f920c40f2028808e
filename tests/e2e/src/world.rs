//! What every step needs: the binary under test, the testbed's programs and images, and ways to ask the cluster.
#![expect(
    clippy::print_stdout,
    reason = "the state of the cluster is printed when a step fails"
)]

use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

/// Name of the install and of the cluster, so that a cluster of the developer's own stays as it is.
pub(crate) const INSTANCE: &str = "irsa-emu-e2e";
/// The kubeconfig context that kind makes for it.
pub(crate) const CONTEXT: &str = "kind-irsa-emu-e2e";
/// Where the ports of this run are looked for: below those that the kernel gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 14_500..15_500;
/// What a developer has set for other installs and for AWS itself must not decide what is tested.
const FOREIGN: [&str; 5] = ["AWS_", "IRSA_EMU_", "HELM_", "KIND_", "LOCALSTACK_"];

/// The test's surroundings.
pub(crate) struct World {
    binary: PathBuf,
    node_image: String,
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

/// What a program said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    command: String,
}

impl Said {
    /// The same, if it ended with this exit code.
    pub(crate) fn code(self, wanted: i32) -> Result<Self> {
        ensure!(
            self.code == Some(wanted),
            "{}\nexit code {:?} instead of {wanted}\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.code,
            self.out,
            self.err
        );
        Ok(self)
    }

    /// The same, if it said this somewhere.
    pub(crate) fn says(self, wanted: &str) -> Result<Self> {
        let said = self.out.contains(wanted) || self.err.contains(wanted);
        ensure!(
            said,
            "{}\nsays nothing of `{wanted}`\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.out,
            self.err
        );
        Ok(self)
    }
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
        let node = format!("{INSTANCE}-control-plane");
        let said = self.program("docker", &["port", &node, "30566/tcp"]).ok()?;
        let (_, port) = said.out.trim().rsplit_once(':')?;
        Some(port.to_owned())
    }

    /// The emulator's URL on this machine.
    pub(crate) fn host_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.host_port)
    }

    /// Runs `irsa-emu` for the install of this test.
    pub(crate) fn irsa_emu(&self, args: &[&str]) -> Result<Said> {
        let mut all = vec!["--name", INSTANCE, "--progress", "plain"];
        all.extend(args);
        run(self.command(&self.binary).args(all), None)
    }

    /// Runs `irsa-emu` for the install of this test, with this input.
    pub(crate) fn irsa_emu_reading(&self, args: &[&str], input: &str) -> Result<Said> {
        let all = [&["--name", INSTANCE, "--progress", "plain"], args].concat();
        run(self.command(&self.binary).args(all), Some(input))
    }

    /// `irsa-emu` for another install, to be started by the caller.
    pub(crate) fn irsa_emu_command(&self, instance: &str, args: &[&str]) -> Command {
        let mut command = self.command(&self.binary);
        command
            .args(["--name", instance, "--progress", "plain"])
            .args(args);
        command
    }

    /// Runs `irsa-emu up` with the testbed's images.
    pub(crate) fn up(&self) -> Result<Said> {
        self.irsa_emu(&self.up_args(&["--host-port", &self.host_port]))
    }

    /// The arguments of `up` with the testbed's images.
    pub(crate) fn up_args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec![
            "up",
            "--node-image",
            &self.node_image,
            "--emulator-image",
            &self.emulator_image,
        ];
        args.extend(more);
        args
    }

    /// Runs `irsa-emu up` for the cluster that is there, with more options and variables.
    pub(crate) fn up_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Result<Said> {
        let mut command = self.command(&self.binary);
        command
            .args(["--name", INSTANCE, "--progress", "plain", "up"])
            .args(["--emulator-image", &self.emulator_image])
            .args(["--host-port", &self.host_port])
            .args(args)
            .envs(variables.iter().copied());
        run(&mut command, None)
    }

    /// Runs `irsa-emu` with one more environment variable.
    pub(crate) fn irsa_emu_with(&self, name: &str, value: &str, args: &[&str]) -> Result<Said> {
        run(self.command(&self.binary).env(name, value).args(args), None)
    }

    /// Runs any program of the testbed.
    pub(crate) fn program(&self, name: &str, args: &[&str]) -> Result<Said> {
        run(self.command(Path::new(name)).args(args), None)
    }

    /// Runs kubectl, which must succeed, and returns what it printed.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Result<String> {
        Ok(self
            .program("kubectl", &[&["--context", CONTEXT], args].concat())?
            .code(0)?
            .out)
    }

    /// A program, to be started by the caller.
    pub(crate) fn program_command(&self, program: &Path) -> Command {
        self.command(program)
    }

    /// kubectl, to be started by the caller.
    pub(crate) fn kubectl_command(&self, args: &[&str]) -> Command {
        let mut command = self.command(Path::new("kubectl"));
        command.args(["--context", CONTEXT]).args(args);
        command
    }

    /// Runs kubectl with this input.
    pub(crate) fn kubectl_with(&self, args: &[&str], input: &str) -> Result<Said> {
        run(&mut self.kubectl_command(args), Some(input))
    }

    /// Ends the emulator's only Pod, and with it all that it remembers; waits until the next one is Ready.
    pub(crate) fn restart_emulator(&self) -> Result<()> {
        let label = "app.kubernetes.io/name=localstack";
        let pods = || -> Result<Vec<Value>> {
            let pods = self.get(&["pods", "-n", "irsa-emu", "-l", label])?;
            Ok(pods["items"].as_array().cloned().unwrap_or_default())
        };
        let uids = |pods: &[Value]| -> Vec<Value> {
            pods.iter().map(|pod| pod["metadata"]["uid"].clone()).collect()
        };
        let before = uids(&pods()?);
        self.kubectl(&["delete", "pod", "-n", "irsa-emu", "-l", label])?;
        eventually("the emulator's next Pod is Ready", 180, || {
            let pods = pods()?;
            let is_new = !pods.is_empty() && uids(&pods).iter().all(|uid| !before.contains(uid));
            ensure!(is_new, "{} Pods, of them old ones", pods.len());
            self.kubectl(&[
                "wait",
                "-n",
                "irsa-emu",
                "--for=condition=Ready",
                "pod",
                "-l",
                label,
                "--timeout=5s",
            ])
        })?;
        Ok(())
    }

    /// Applies objects.
    pub(crate) fn apply(&self, objects: &str) -> Result<()> {
        self.kubectl_with(&["apply", "-f", "-"], objects)?.code(0)?;
        Ok(())
    }

    /// An object as JSON.
    pub(crate) fn get(&self, args: &[&str]) -> Result<Value> {
        let text = self.kubectl(&[&["get", "-o", "json"], args].concat())?;
        serde_json::from_str(&text).context("kubectl's answer is no JSON")
    }

    /// Calls the API server directly, through which Services answer too. With a body it posts.
    pub(crate) fn raw(&self, path: &str, body: Option<&str>) -> Result<Value> {
        let mut command = self.command(Path::new("kubectl"));
        match body {
            Some(_) => command.args(["--context", CONTEXT, "create", "--raw", path, "-f", "-"]),
            None => command.args(["--context", CONTEXT, "get", "--raw", path]),
        };
        let text = run(&mut command, body)?.code(0)?.out;
        serde_json::from_str(&text).with_context(|| format!("{path} answered no JSON: {text}"))
    }

    /// Puts an image of the local Docker onto the node.
    pub(crate) fn load(&self, image: &str) -> Result<()> {
        self.program("kind", &["load", "docker-image", "--name", INSTANCE, image])?
            .code(0)?;
        Ok(())
    }

    /// Prints what one wants to see when a step failed.
    pub(crate) fn print_state(&self) {
        for args in [
            &["get", "pods", "-A", "-o", "wide"][..],
            &["get", "events", "-A", "--sort-by", ".lastTimestamp"],
            &["get", "recipes", "-o", "yaml"],
            &["get", "lease", "-n", "irsa-emu", "-o", "yaml"],
            &[
                "logs",
                "-n",
                "irsa-emu",
                "-l",
                "app.kubernetes.io/name=irsa-emu-webhook",
                "--prefix",
                "--tail=-1",
            ],
            &["logs", "-n", "irsa-emu", "deployment/localstack", "--tail", "30"],
            &[
                "logs",
                "-n",
                "kube-system",
                "vault-0",
                "--all-containers",
                "--tail",
                "30",
            ],
            &["describe", "pods", "-n", "e2e"],
        ] {
            let said = self.program("kubectl", &[&["--context", CONTEXT], args].concat());
            let text = said.map_or_else(|error| error.to_string(), |said| said.out + &said.err);
            println!("--- kubectl {}\n{text}", args.join(" "));
        }
    }

    /// Removes what a run left that was killed: a step that finds the work of another run proves nothing.
    pub(crate) fn begin(&self) -> Result<()> {
        if !self.is_kept() {
            self.irsa_emu(&["down", "--delete-cluster"])?.code(0)?;
        }
        Ok(())
    }

    /// Makes sure that the install is as the steps expect it: repairs it, else makes a new cluster.
    pub(crate) fn stand(&self) -> Result<()> {
        let repaired = self.up()?;
        if repaired.code == Some(0) {
            return Ok(());
        }
        println!(
            "up cannot repair the install; making a new cluster:\n{}",
            repaired.err
        );
        self.irsa_emu(&["down", "--delete-cluster"])?.code(0)?;
        self.up()?.code(0)?;
        Ok(())
    }

    /// Whether the cluster is to stay.
    pub(crate) fn is_kept(&self) -> bool {
        self.keep.is_some()
    }

    /// Removes what the run left.
    pub(crate) fn clean_up(&self) {
        if self.is_kept() {
            println!(
                "E2E_KEEP is set: the cluster {INSTANCE} stays; kubeconfig {}",
                self.kubeconfig().display()
            );
            return;
        }
        if let Err(error) = self.irsa_emu(&["down"]) {
            println!("down failed as well: {error:#}");
        }
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

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the e2e tests start programs"
    )]
    fn command(&self, program: &Path) -> Command {
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

pub(crate) fn run(command: &mut Command, input: Option<&str>) -> Result<Said> {
    let text = describe(command);
    command.stdin(if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {text}"))?;
    let stdin = child.stdin.take();
    // Written beside the reading: with a long input and a long output each would wait for the other.
    let output = std::thread::scope(|scope| {
        let writing = scope.spawn(move || match (input, stdin) {
            (Some(input), Some(mut stdin)) => {
                use std::io::Write as _;
                stdin.write_all(input.as_bytes())
            }
            _ => Ok(()),
        });
        let output = child.wait_with_output();
        // A program that ends before it has read all says why by itself.
        let _ = writing.join();
        output
    });
    let Output {
        status,
        stdout,
        stderr,
    } = output.with_context(|| text.clone())?;
    let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Said {
        code: status.code(),
        out: lossy(stdout),
        err: lossy(stderr),
        command: text,
    })
}

fn describe(command: &Command) -> String {
    let mut text = format!("$ {}", command.get_program().to_string_lossy());
    for arg in command.get_args() {
        let _ = write!(text, " {}", arg.to_string_lossy());
    }
    text
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

/// Asks again until there is an answer, at most for `seconds`; the error of the last try is told.
pub(crate) fn eventually<T>(what: &str, seconds: u64, mut ask: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() > deadline => {
                return Err(error.context(format!("{what}: not within {seconds} s")));
            }
            Err(_) => std::thread::park_timeout(Duration::from_millis(300)),
        }
    }
}

/// The text at a JSON pointer.
pub(crate) fn text_at<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    match value.pointer(pointer).and_then(Value::as_str) {
        Some(text) => Ok(text),
        None => bail!("nothing at {pointer} of {value}"),
    }
}
