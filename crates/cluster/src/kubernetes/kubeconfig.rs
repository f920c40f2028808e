//! The user's kubeconfig files: read as kubectl reads them, and changed in one line only.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kube::config::Kubeconfig;

/// How long another program may hold the lock of a kubeconfig.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a kubeconfig cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// It is no kubeconfig.
    #[error("{} is not a readable kubeconfig", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: kube::config::KubeconfigError,
    },
    /// Its lock is held by another program.
    #[error("{} has been locked by another program for {} s; if none is running, remove that file", .0.display(), LOCK_TIMEOUT.as_secs())]
    Locked(PathBuf),
    /// The file system refuses.
    #[error("{} cannot be changed", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The kubeconfig files in force, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubeconfigs(Vec<PathBuf>);

impl Kubeconfigs {
    /// The file that the user named, else those of `KUBECONFIG`, else `~/.kube/config`.
    #[must_use]
    pub fn in_force(named: Option<&Path>) -> Self {
        let home = || std::env::home_dir().map(|home| home.join(".kube/config"));
        Self::choose(named, std::env::var_os("KUBECONFIG").as_deref(), home)
    }

    fn choose(
        named: Option<&Path>,
        variable: Option<&std::ffi::OsStr>,
        home: impl FnOnce() -> Option<PathBuf>,
    ) -> Self {
        if let Some(path) = named {
            return Self(vec![path.to_owned()]);
        }
        let listed: Vec<PathBuf> = variable
            .map(|list| {
                std::env::split_paths(list)
                    .filter(|path| path != Path::new(""))
                    .collect()
            })
            .unwrap_or_default();
        if listed.is_empty() {
            Self(home().into_iter().collect())
        } else {
            Self(listed)
        }
    }

    /// The files.
    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        &self.0
    }

    /// The file that names a context; else the one that a new context goes to.
    #[must_use]
    pub fn file_of(&self, context: &str) -> Option<PathBuf> {
        let names_it = |path: &&PathBuf| {
            Kubeconfig::read_from(path.as_path())
                .is_ok_and(|config| config.contexts.iter().any(|found| found.name == context))
        };
        let found = self.0.iter().find(names_it);
        let existing = || self.0.iter().find(|path| path.is_file());
        found.or_else(existing).or_else(|| self.0.first()).cloned()
    }

    /// Whether a context is known.
    pub fn know(&self, context: &str) -> Result<bool, KubeconfigError> {
        let config = self.read()?;
        Ok(config.contexts.iter().any(|found| found.name == context))
    }

    /// Takes the lock of a file, for a program that changes it and takes none itself.
    pub fn lock(&self, file: &Path) -> Result<impl Send + use<>, KubeconfigError> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|source| KubeconfigError::Io {
                path: folder.to_owned(),
                source,
            })?;
        }
        Lock::take(file)
    }

    /// All files merged; files that are not there are read as empty.
    pub fn read(&self) -> Result<Kubeconfig, KubeconfigError> {
        let mut merged = Kubeconfig::default();
        for path in self.0.iter().filter(|path| has_content(path)) {
            let unreadable = |source| KubeconfigError::Unreadable {
                path: path.clone(),
                source,
            };
            let read = Kubeconfig::read_from(path).map_err(unreadable)?;
            merged = merged.merge(read).map_err(unreadable)?;
        }
        Ok(merged)
    }

    /// Remembers which context is current in each file.
    #[must_use]
    pub fn remember_current(&self) -> CurrentContexts {
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path)
                .ok()
                .and_then(|text| current_of(&text).map(str::to_owned))
        };
        CurrentContexts(self.0.iter().map(|path| (path.clone(), read(path))).collect())
    }
}

/// Which context was current in each kubeconfig file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentContexts(Vec<(PathBuf, Option<String>)>);

impl CurrentContexts {
    /// The one that was in force.
    #[must_use]
    pub fn in_force(&self) -> Option<&str> {
        self.0.iter().find_map(|(_, current)| current.as_deref())
    }

    /// The same without a context that is about to end.
    #[must_use]
    pub fn without(mut self, context: &str) -> Self {
        for (_, current) in &mut self.0 {
            current.take_if(|current| current == context);
        }
        self
    }

    /// Restores it, if it was changed. If there was none at all, the new one stays.
    pub fn restore(&self) -> Result<bool, KubeconfigError> {
        if self.in_force().is_none() {
            return Ok(false);
        }
        self.restore_exactly()
    }

    /// Restores it, if it was changed, also that there was none.
    pub fn restore_exactly(&self) -> Result<bool, KubeconfigError> {
        let mut changed = false;
        for (path, current) in self.0.iter().filter(|(path, _)| path.is_file()) {
            changed |= set_current(path, current.as_deref())?;
        }
        Ok(changed)
    }
}

/// Makes a context the current one, in the file that kubectl would change.
pub fn switch_to(kubeconfigs: &Kubeconfigs, context: &str) -> Result<(), KubeconfigError> {
    let files = || kubeconfigs.0.iter().filter(|path| path.is_file());
    let names_one =
        |path: &&PathBuf| std::fs::read_to_string(path).is_ok_and(|text| current_of(&text).is_some());
    match files().find(names_one).or_else(|| files().next()) {
        Some(path) => set_current(path, Some(context)).map(|_| ()),
        None => Ok(()),
    }
}

fn has_content(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.len() > 0)
}

/// The current context that a kubeconfig names.
fn current_of(text: &str) -> Option<&str> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("current-context:"))?
        .trim();
    let value = match value.strip_prefix(['"', '\'']) {
        Some(quoted) => quoted.split(['"', '\'']).next().unwrap_or_default(),
        None => value.split(" #").next().unwrap_or_default().trim(),
    };
    (!value.is_empty()).then_some(value)
}

/// The same text with another current context; no other line changes.
fn with_current(text: &str, current: Option<&str>) -> String {
    // A context may be named anything; JSON's quoting is YAML's too.
    let line = format!(
        "current-context: {}\n",
        serde_json::Value::from(current.unwrap_or_default())
    );
    let mut changed = String::with_capacity(text.len() + line.len());
    let mut found = false;
    for old in text.split_inclusive('\n') {
        if old.starts_with("current-context:") {
            changed.push_str(&line);
            found = true;
        } else {
            changed.push_str(old);
        }
    }
    if !found {
        if !changed.is_empty() && !changed.ends_with('\n') {
            changed.push('\n');
        }
        changed.push_str(&line);
    }
    changed
}

fn set_current(path: &Path, current: Option<&str>) -> Result<bool, KubeconfigError> {
    let failed = |source| KubeconfigError::Io {
        path: path.to_owned(),
        source,
    };
    // A link is followed, so that the file it points to changes and the link stays.
    let real = path.canonicalize().map_err(failed)?;
    let _lock = Lock::take(path)?;
    let text = std::fs::read_to_string(&real).map_err(failed)?;
    if current_of(&text) == current {
        return Ok(false);
    }
    replace(&real, &with_current(&text, current)).map_err(failed)?;
    Ok(true)
}

/// Writes a file beside this one, with its permissions, and renames it over.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new()
        .permissions(path.metadata()?.permissions())
        .tempfile_in(path.parent().unwrap_or(Path::new("/")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The lock that kubectl and kind take too: a file beside the kubeconfig.
struct Lock(PathBuf, #[expect(dead_code, reason = "held open")] File);

impl Lock {
    fn take(config: &Path) -> Result<Self, KubeconfigError> {
        let path = with_suffix(config, ".lock");
        let since = Instant::now();
        loop {
            match OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
            {
                Ok(file) => return Ok(Self(path, file)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && since.elapsed() < LOCK_TIMEOUT => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    return Err(KubeconfigError::Locked(path));
                }
                Err(source) => return Err(KubeconfigError::Io { path, source }),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Whoever finds it later can see that its maker is gone.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const CONFIG: &str =
        "# mine\napiVersion: v1\nkind: Config\ncurrent-context: prod # careful\ncontexts: []\n";

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    #[test]
    fn the_named_file_beats_the_variable_beats_home() {
        let home = || Some(PathBuf::from("/home/u/.kube/config"));
        let choose = |named: Option<&str>, variable: Option<&str>| {
            Kubeconfigs::choose(named.map(Path::new), variable.map(std::ffi::OsStr::new), home).0
        };
        assert_eq!(choose(Some("/n"), Some("/a:/b")), [Path::new("/n")]);
        assert_eq!(choose(None, Some("/a::/b")), [Path::new("/a"), Path::new("/b")]);
        assert_eq!(choose(None, Some("")), [Path::new("/home/u/.kube/config")]);
    }

    #[test]
    fn the_current_context_comes_back_and_nothing_else_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "config", CONFIG);
        let remembered = Kubeconfigs(vec![path.clone()]).remember_current();
        assert_eq!(remembered.in_force(), Some("prod"));
        let switched = with_current(&std::fs::read_to_string(&path).unwrap(), Some("kind-irsa-emu"));
        std::fs::write(&path, &switched).unwrap();
        assert!(remembered.restore().unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "# mine\napiVersion: v1\nkind: Config\ncurrent-context: \"prod\"\ncontexts: []\n"
        );
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(
            !remembered.restore().unwrap(),
            "a second time there is nothing to do"
        );
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no lock and no temporary file is left"
        );
    }

    #[test]
    fn without_a_context_before_the_new_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let remembered = Kubeconfigs(vec![path.clone()]).remember_current();
        write(folder.path(), "config", "current-context: kind-irsa-emu\n");
        assert!(!remembered.restore().unwrap());
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "current-context: kind-irsa-emu\n"
        );
    }

    #[test]
    fn a_strange_name_is_quoted() {
        assert_eq!(
            with_current("a: b", Some("x: #\"y")),
            "a: b\ncurrent-context: \"x: #\\\"y\"\n"
        );
        assert_eq!(
            with_current("current-context: a\n", None),
            "current-context: \"\"\n"
        );
    }

    #[test]
    fn files_that_are_not_there_or_empty_count_as_empty() {
        let folder = tempfile::tempdir().unwrap();
        let empty = write(folder.path(), "empty", "");
        let read = Kubeconfigs(vec![folder.path().join("none"), empty])
            .read()
            .unwrap();
        assert!(read.contexts.is_empty());
        let broken = write(folder.path(), "broken", "a: [");
        assert!(matches!(
            Kubeconfigs(vec![broken]).read(),
            Err(KubeconfigError::Unreadable { .. })
        ));
    }
}
