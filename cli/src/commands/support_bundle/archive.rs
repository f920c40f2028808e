//! What one wants to see of an install that misbehaves, collected so that it can be handed on: no secret is in it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::mask::Secrets;

/// A file of the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its path in the bundle.
    pub name: String,
    /// What is in it.
    pub text: String,
}

impl Item {
    /// A file with this text.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }
}

/// Writes the bundle, for its owner only. A file that is there is not overwritten.
pub fn write(path: &Path, items: &[Item], secrets: &Secrets) -> io::Result<u64> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut builder = tar::Builder::new(io::BufWriter::new(file));
    for item in items {
        let text = secrets.scrub(&item.text);
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(0);
        builder.append_data(&mut header, &item.name, text.as_bytes())?;
    }
    let mut file = builder.into_inner()?;
    file.flush()?;
    Ok(path.metadata()?.len())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_bundle_is_for_its_owner_holds_every_item_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.tar");
        let mut secrets = Secrets::default();
        secrets.learn(b"hunter2-hunter2");
        let items = [
            Item::new("a.txt", "plain"),
            Item::new("logs/b.log", "login with hunter2-hunter2 failed"),
        ];
        write(&path, &items, &secrets).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let mut archive = tar::Archive::new(std::fs::File::open(&path).unwrap());
        let mut texts = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut text = String::new();
            entry.unwrap().read_to_string(&mut text).unwrap();
            texts.push(text);
        }
        assert_eq!(texts, ["plain", "login with *** failed"]);
        let error = write(&path, &items, &secrets).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }
}
