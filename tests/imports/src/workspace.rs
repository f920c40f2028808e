//! The crates of a workspace, and the text of their files.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::tree::Root;

/// The crates of a workspace, and the text of their files.
pub struct Workspace {
    /// Its libraries and programs.
    pub roots: Vec<Root>,
    /// The files of their `src` folders, by path from the workspace's folder.
    pub sources: BTreeMap<String, String>,
}

impl Workspace {
    /// Reads the workspace that has its `Cargo.toml` in this folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let folder = folder
            .canonicalize()
            .with_context(|| folder.display().to_string())?;
        let metadata = metadata(&folder)?;
        let packages = metadata["packages"]
            .as_array()
            .context("cargo metadata: no packages")?;
        let mut workspace = Self {
            roots: Vec::new(),
            sources: BTreeMap::new(),
        };
        for target in packages
            .iter()
            .flat_map(|package| package["targets"].as_array().into_iter().flatten())
        {
            let is_library = target["kind"][0] == "lib";
            if is_library || target["kind"][0] == "bin" {
                let file = Path::new(
                    target["src_path"]
                        .as_str()
                        .context("cargo metadata: no src_path")?,
                );
                workspace.add_folder(&folder, file.parent().unwrap_or(&folder))?;
                let name = target["name"]
                    .as_str()
                    .context("cargo metadata: no name")?
                    .replace('-', "_");
                workspace.roots.push(Root {
                    library: is_library.then_some(name),
                    file: relative(&folder, file)?,
                });
            }
        }
        Ok(workspace)
    }

    fn add_folder(&mut self, workspace: &Path, folder: &Path) -> Result<()> {
        for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                self.add_folder(workspace, &path)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                self.sources.insert(relative(workspace, &path)?, text);
            }
        }
        Ok(())
    }
}

fn metadata(folder: &Path) -> Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    #[expect(clippy::disallowed_methods, reason = "cargo knows the crates of a workspace")]
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(folder)
        .output()
        .context("cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn relative(folder: &Path, file: &Path) -> Result<String> {
    let inside = file
        .strip_prefix(folder)
        .with_context(|| format!("{} is outside the workspace", file.display()))?;
    Ok(inside.to_string_lossy().into_owned())
}
