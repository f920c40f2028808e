//! Which files are used.

use std::path::{Path, PathBuf};

/// Name of the file of a project.
const PROJECT_FILE: &str = "irsa-emu.yaml";
/// The file of a user, below the folder for configuration.
const USER_FILE: &str = "irsa-emu/config.yaml";

/// What the user gives about files, and where they are looked for.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Read none.
    pub none: bool,
    /// The file named in place of the project's.
    pub named: Option<PathBuf>,
    /// The current folder.
    pub folder: Option<PathBuf>,
    /// The user's home.
    pub home: Option<PathBuf>,
    /// The user's folder for configuration, where it is not in its usual place.
    pub config_home: Option<PathBuf>,
}

impl Choice {
    /// With the places of this process.
    #[must_use]
    pub fn here(none: bool, named: Option<PathBuf>) -> Self {
        let config_home = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        Self {
            none,
            named,
            folder: std::env::current_dir().ok(),
            home: std::env::home_dir(),
            // The standard asks to ignore a relative one.
            config_home: config_home.filter(|path| path.is_absolute()),
        }
    }

    /// The files that are used; those that precede come first.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        if self.none {
            return Vec::new();
        }
        let found = || {
            self.folder
                .as_deref()
                .and_then(|folder| self.project_file(folder))
        };
        let user = self
            .config_home
            .clone()
            .or_else(|| Some(self.home.as_ref()?.join(".config")))
            .map(|folder| folder.join(USER_FILE))
            .filter(|path| path.is_file());
        self.named
            .clone()
            .or_else(found)
            .into_iter()
            .chain(user)
            .collect()
    }

    /// Looks upwards from a folder to the top of its repository, or to the home folder; where it is in neither,
    /// only in itself, for what lies above it may belong to somebody else.
    fn project_file(&self, folder: &Path) -> Option<PathBuf> {
        let top = folder
            .ancestors()
            .find(|above| above.join(".git").exists() || Some(*above) == self.home.as_deref())
            .unwrap_or(folder);
        folder
            .ancestors()
            .take_while(|above| above.starts_with(top))
            .map(|above| above.join(PROJECT_FILE))
            .find(|path| path.is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_ends_at_the_repository_or_the_home() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for folder in [
            "home/.config/irsa-emu",
            "home/repo/.git",
            "home/repo/a/b",
            "home/plain/c",
            "else/d",
        ] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        let found = |folder: &str| {
            Choice {
                folder: Some(at(folder)),
                home: Some(at("home")),
                ..Choice::default()
            }
            .files()
        };
        for file in ["irsa-emu.yaml", "home/irsa-emu.yaml", "else/irsa-emu.yaml"] {
            std::fs::write(at(file), "").unwrap();
        }
        assert_eq!(found("home/repo/a/b"), [] as [PathBuf; 0]);
        assert_eq!(found("home/plain/c"), [at("home/irsa-emu.yaml")]);
        assert_eq!(found("else/d"), [] as [PathBuf; 0]);
        assert_eq!(found("else"), [at("else/irsa-emu.yaml")]);
        std::fs::write(at("home/repo/irsa-emu.yaml"), "").unwrap();
        std::fs::write(at("home/.config/irsa-emu/config.yaml"), "").unwrap();
        let both = [
            at("home/repo/irsa-emu.yaml"),
            at("home/.config/irsa-emu/config.yaml"),
        ];
        assert_eq!(found("home/repo/a/b"), both);
    }

    #[test]
    fn a_named_file_takes_the_place_of_the_projects_and_none_means_none() {
        let named = Choice {
            named: Some("x.yaml".into()),
            ..Choice::default()
        };
        assert_eq!(named.files(), [PathBuf::from("x.yaml")]);
        assert_eq!(Choice { none: true, ..named }.files(), [] as [PathBuf; 0]);
    }
}
