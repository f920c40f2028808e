//! A program under test as a process of its own: its log, its memory, its end.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

/// How long a program may take until it listens.
const START: Duration = Duration::from_secs(30);

/// A running program. It is killed with the value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    folder: TempDir,
}

impl Process {
    /// Starts a program with these arguments and variables; its log goes into a file.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where these tests start programs"
    )]
    pub fn start(program: &str, args: &[String], variables: &[(&str, String)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let log = File::create(folder.path().join("log"))?;
        let child = Command::new(program)
            .args(args)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        Ok(Self { child, folder })
    }

    /// Waits until it accepts connections.
    pub fn until_it_listens(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            if !self.is_running()? || Instant::now() > deadline {
                bail!("it does not listen on {address}:\n{}", self.log()?);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Everything that it wrote so far.
    pub fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(self.folder.path().join("log"))?).into_owned())
    }

    /// Its resident memory in KiB.
    pub fn resident(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most that was ever resident, in KiB.
    pub fn most_resident(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Sends it a signal, by the name that `kill` knows.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where these tests start programs"
    )]
    pub fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()?;
        ensure!(status.success(), "kill -{name} failed");
        Ok(())
    }

    fn status(&self, entry: &str) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(entry));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .with_context(|| format!("no {entry} of the process"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of this machine that was free a moment ago.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A file below a folder, as text for a command line.
#[must_use]
pub fn path_text(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}
