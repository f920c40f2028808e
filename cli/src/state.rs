//! What this machine remembers of an install between two runs: who works on it, and what was begun.
//!
//! Nothing here is needed to use a cluster; what is lost costs time, not correctness.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_cluster::progress::{Progress, seconds};
use tokio::time::Instant;

use crate::error::CliError;

/// How often a lock that another run holds is tried again.
const POLL: Duration = Duration::from_millis(200);

/// The files of an install.
#[derive(Debug, Clone)]
pub struct State {
    folder: PathBuf,
    instance: String,
}

/// Keeps other runs away from the install until it is dropped, or its process ends.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "held open")] File);

impl State {
    /// The files of an install, in `$XDG_STATE_HOME/irsa-emu` or `~/.local/state/irsa-emu`.
    #[must_use]
    pub fn of(instance: &str) -> Self {
        let named = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let base = named
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| std::env::home_dir().unwrap_or_default().join(".local/state"));
        Self::in_folder(&base.join("irsa-emu"), instance)
    }

    fn in_folder(folder: &Path, instance: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            instance: instance.to_owned(),
        }
    }

    fn file(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{}.{what}", self.instance))
    }

    /// Waits until no other run works on the install.
    pub async fn hold(
        &self,
        verb: &str,
        deadline: Instant,
        progress: &dyn Progress,
    ) -> Result<Held, CliError> {
        let path = self.file("lock");
        let attempted = || format!("taking the lock {}", path.display());
        let mut file = self
            .open(&path)
            .map_err(|error| CliError::failed(attempted(), error))?;
        let since = Instant::now();
        let mut looks = 0_u32;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(CliError::failed(attempted(), error)),
                Err(TryLockError::WouldBlock) => {}
            }
            let holder = holder(&mut file);
            if Instant::now() >= deadline {
                let why = format!(
                    "{holder} has been working on `{}` for {}",
                    self.instance,
                    seconds(since.elapsed())
                );
                return Err(CliError::because(ExitStatus::Timeout, attempted(), why));
            }
            looks += 1;
            // At the first look its holder may not have written yet who it is.
            if looks == 2 {
                progress.note(&format!(
                    "{holder} is working on `{}`: waiting for it to end",
                    self.instance
                ));
            }
            tokio::time::sleep(POLL).await;
        }
        // What is written is for people only; what matters is that the lock is held.
        let text = format!("irsa-emu {verb} (process {})", std::process::id());
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()));
        Ok(Held(file))
    }

    /// Notes that the creation of the cluster has begun.
    pub fn begin(&self) -> std::io::Result<()> {
        self.open(&self.file("creating")).map(|_| ())
    }

    /// Whether a creation has begun and was not noted as ended.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        self.file("creating").exists()
    }

    /// Notes that nothing is half made any more.
    pub fn end(&self) {
        let _ = std::fs::remove_file(self.file("creating"));
    }

    fn open(&self, path: &Path) -> std::io::Result<File> {
        std::fs::create_dir_all(&self.folder)?;
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    match read {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "another run".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use irsa_emu_cluster::progress::Silent;

    use super::*;

    #[tokio::test]
    async fn a_second_run_waits_and_says_for_whom() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::in_folder(folder.path(), "a");
        let soon = || Instant::now() + Duration::from_millis(300);
        let held = state.hold("up", soon(), &Silent).await.unwrap();
        let error = state.hold("down", soon(), &Silent).await.unwrap_err();
        assert_eq!(error.exit(), ExitStatus::Timeout);
        let expected = format!(
            "irsa-emu up (process {}) has been working on `a`",
            std::process::id()
        );
        assert!(error.render().contains(&expected), "{}", error.render());
        let other = State::in_folder(folder.path(), "b");
        assert!(other.hold("up", soon(), &Silent).await.is_ok());
        drop(held);
        assert!(state.hold("down", soon(), &Silent).await.is_ok());
    }

    #[test]
    fn what_was_begun_is_remembered_until_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::in_folder(folder.path(), "a");
        assert!(!state.is_begun());
        state.begin().unwrap();
        assert!(state.is_begun());
        assert!(!State::in_folder(folder.path(), "b").is_begun());
        state.end();
        assert!(!state.is_begun());
    }
}
