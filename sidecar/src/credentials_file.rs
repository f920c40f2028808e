//! Files for the other containers of the Pod, each written whole or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use irsa_emu_core::contract::{AUTHORIZATION_TOKEN_FILE, SHARED_CREDENTIALS_FILE};
use rand::RngExt as _;

use crate::credentials::Credentials;

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub(crate) struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// Makes the value that the credentials endpoint wants in `Authorization`, and writes it where the SDKs read it.
pub(crate) fn write_authorization_token(dir: &Path) -> Result<String, WriteError> {
    let bytes: [u8; 32] = rand::rng().random();
    let token = hex::encode(bytes);
    write_whole(&dir.join(AUTHORIZATION_TOKEN_FILE), token.as_bytes())?;
    Ok(token)
}

/// Writes the shared credentials file.
pub(crate) fn write(dir: &Path, credentials: &Credentials) -> Result<(), WriteError> {
    let Credentials {
        access_key_id,
        secret_access_key,
        session_token,
        ..
    } = credentials;
    let text = format!(
        "[default]\naws_access_key_id = {access_key_id}\naws_secret_access_key = {secret_access_key}\n\
         aws_session_token = {session_token}\n"
    );
    write_whole(&dir.join(SHARED_CREDENTIALS_FILE), text.as_bytes())
}

/// Writes a new file beside the old one and renames it over, so that a reader sees the old or the new one.
fn write_whole(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    let failed = |source| WriteError {
        path: path.to_owned(),
        source,
    };
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mode = mode_in(fs::metadata(dir).map_err(failed)?.permissions().mode());
    let temporary = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(content)?;
        // Not by `open`, whose mode the umask cuts.
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(failed)
}

/// The mode of a file below a folder, by the rule the kubelet has for tokens: where the Pod has an fsGroup (the volume
/// then has the set-group-ID bit) its group reads; without one, containers of any user read. The volume is in
/// memory, and only the containers of this Pod see it.
fn mode_in(folder: u32) -> u32 {
    if folder & 0o2000 == 0 { 0o644 } else { 0o640 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::sample;
    use time::OffsetDateTime;

    #[test]
    fn the_token_is_long_random_and_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let first = write_authorization_token(dir.path()).unwrap();
        assert_eq!(
            fs::read_to_string(dir.path().join("authorization-token")).unwrap(),
            first
        );
        assert_eq!(first.len(), 64);
        assert_ne!(write_authorization_token(dir.path()).unwrap(), first);
    }

    #[test]
    fn the_file_has_the_mode_of_its_volume_and_leaves_nothing_else_behind() {
        let dir = tempfile::tempdir().unwrap();
        for (folder, file) in [(0o777, 0o644), (0o2777, 0o640)] {
            fs::set_permissions(dir.path(), Permissions::from_mode(folder)).unwrap();
            write(dir.path(), &sample(OffsetDateTime::UNIX_EPOCH)).unwrap();
            let path = dir.path().join("credentials");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, file);
            assert!(
                fs::read_to_string(&path)
                    .unwrap()
                    .contains("aws_session_token = hush-token\n")
            );
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = write_authorization_token(Path::new("/nonexistent/x"))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("cannot write /nonexistent/x/authorization-token: "),
            "{error}"
        );
    }
}
