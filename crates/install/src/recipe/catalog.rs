//! The recipes that come with irsa-emu, and those in files.

use std::path::{Path, PathBuf};

use irsa_emu_core::recipe::{RecipeFile, RecipeFileError};

use irsa_emu_core::suggest;

/// A recipe that comes with irsa-emu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// What it is for, in one line.
    pub summary: &'static str,
    /// Its file.
    pub text: &'static str,
    /// Reads the app's own values; `None` where it has none that are known.
    pub reads_values: bool,
}

/// The recipes that come with irsa-emu.
pub const BUILT_IN: [BuiltIn; 1] = [BuiltIn {
    name: "vault-awskms",
    summary: "HashiCorp Vault with `seal \"awskms\"`: its KMS key, its role, and how its Pods reach them",
    text: include_str!("../../../../recipes/vault-awskms/recipe.yaml"),
    reads_values: true,
}];

/// A recipe, found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The recipe.
    pub file: RecipeFile,
    /// Whether values of Vault's chart can be read for it.
    pub reads_values: bool,
}

/// Why a recipe cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The name is neither of a recipe nor of a file.
    #[error("there is no recipe `{name}` and no such file{}; the recipes are: {known}", meant(.close.as_deref()))]
    Unknown {
        /// The name.
        name: String,
        /// The recipe that was probably meant.
        close: Option<String>,
        /// The names that there are.
        known: String,
    },
    /// The file cannot be read.
    #[error("the recipe file {} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a recipe.
    #[error("the recipe file {title} cannot be used")]
    Broken {
        /// The name or path.
        title: String,
        /// Why.
        #[source]
        source: RecipeFileError,
    },
}

fn meant(close: Option<&str>) -> String {
    close.map_or_else(String::new, |close| format!("; did you mean `{close}`?"))
}

/// The text of a recipe, by its name or the path of its file.
pub fn text(name: &str) -> Result<(String, bool), CatalogError> {
    if let Some(built_in) = BUILT_IN.iter().find(|recipe| recipe.name == name) {
        return Ok((built_in.text.to_owned(), built_in.reads_values));
    }
    let path = Path::new(name);
    if !looks_like_a_path(name) && !path.exists() {
        let known: Vec<&str> = BUILT_IN.iter().map(|recipe| recipe.name).collect();
        return Err(CatalogError::Unknown {
            name: name.to_owned(),
            close: suggest::closest(name, known.iter().copied()).map(str::to_owned),
            known: known.join(", "),
        });
    }
    let text = std::fs::read_to_string(path).map_err(|source| CatalogError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    Ok((text, false))
}

/// Whether it is the path of a file rather than the name of a recipe.
#[must_use]
pub fn looks_like_a_path(name: &str) -> bool {
    name.contains('/') || Path::new(name).extension().is_some()
}

/// Finds a recipe by its name or the path of its file.
pub fn find(name: &str) -> Result<Found, CatalogError> {
    let (text, reads_values) = text(name)?;
    let file = RecipeFile::parse(&text).map_err(|source| CatalogError::Broken {
        title: name.to_owned(),
        source,
    })?;
    // A copy of a recipe that has the parameters of Vault's reads Vault's values, too.
    let has = |name: &str| file.parameters().iter().any(|parameter| parameter.name == name);
    Ok(Found {
        reads_values: reads_values || (has("keyId") && has("role")),
        file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_that_comes_along_can_be_used() {
        for recipe in BUILT_IN {
            let found = find(recipe.name).unwrap();
            assert!(!found.file.parameters().is_empty());
            for parameter in found.file.parameters() {
                assert!(!parameter.description.is_empty(), "{}", parameter.name);
            }
        }
    }

    #[test]
    fn a_recipe_that_is_not_there_is_told_from_a_file_that_is_not() {
        let unknown = find("vault").unwrap_err();
        assert!(matches!(unknown, CatalogError::Unknown { .. }));
        assert!(
            unknown.to_string().contains("did you mean `vault-awskms`?"),
            "{unknown}"
        );
        for (name, is_close) in [
            ("vault-aws", true),
            ("vault-kms", true),
            ("Vault_AWSKMS", true),
            ("postgres", false),
        ] {
            let unknown = find(name).unwrap_err().to_string();
            assert_eq!(unknown.contains("did you mean"), is_close, "{unknown}");
        }
        assert!(matches!(
            find("./x.yaml").unwrap_err(),
            CatalogError::Unreadable { .. }
        ));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pod.yaml");
        std::fs::write(&path, "apiVersion: v1\nkind: Pod\n").unwrap();
        assert!(matches!(
            find(path.to_str().unwrap()).unwrap_err(),
            CatalogError::Broken { .. }
        ));
    }
}
