//! A bundle: one archive, as `docker save` writes it, with every image that an install needs.
//!
//! `docker load` and containerd read it, too. An index of ours comes first, so that it is known without reading
//! everything what is in it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::{Code, Hint};

/// Name of the index in the archive.
const INDEX: &str = "irsa-emu-bundle.json";
/// Name of Docker's list of images in the archive.
const MANIFEST: &str = "manifest.json";
/// Lists that would name one image only; Docker's is enough for all readers.
const OTHER_LISTS: [&str; 3] = ["repositories", "index.json", "oci-layout"];
/// The version of the index.
const SCHEMA_VERSION: u32 = 1;
/// How large an index may be.
const INDEX_LIMIT: u64 = 1 << 20;

/// What is in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    schema_version: u32,
    /// The version of irsa-emu that wrote it.
    pub version: String,
    /// Its images.
    pub images: Vec<Bundled>,
}

/// An image in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundled {
    /// What it is for: `webhook`, `sidecar`, `emulator`.
    pub role: String,
    /// Its name and tag.
    pub reference: String,
    /// Its id in a node, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The architecture that it runs on.
    pub architecture: String,
}

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It cannot be read or written.
    #[error("{} cannot be read or written", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is something else.
    #[error("{} is not a bundle of irsa-emu: {why}", .path.display())]
    NoBundle {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It is of an irsa-emu that is not this one.
    #[error("{} was written by irsa-emu {theirs}, and this is {ours}", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        theirs: String,
        /// Ours.
        ours: &'static str,
    },
    /// It lacks an image.
    #[error("{} has no image for the {role}", .path.display())]
    Lacks {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        role: &'static str,
    },
}

impl Hint for BundleError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Io { .. } => None,
            Self::NoBundle { .. } | Self::Version { .. } | Self::Lacks { .. } => {
                Some("irsa-emu images save FILE".to_owned())
            }
        }
    }

    fn code(&self) -> Code {
        Code::ImageUnusable
    }
}

/// A bundle whose index was read.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub index: Index,
}

impl Bundle {
    /// Reads the index of a bundle.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        let failed = |source| BundleError::Io {
            path: path.to_owned(),
            source,
        };
        let no_bundle = |why: String| BundleError::NoBundle {
            path: path.to_owned(),
            why,
        };
        let mut archive = tar::Archive::new(File::open(path).map_err(failed)?);
        let first = archive.entries().map_err(failed)?.next();
        let mut first = match first {
            Some(Ok(entry)) => entry,
            Some(Err(error)) => return Err(no_bundle(error.to_string())),
            None => return Err(no_bundle("it is empty".to_owned())),
        };
        if first.path().map_err(failed)?.as_os_str() != INDEX {
            return Err(no_bundle(format!("it does not begin with {INDEX}")));
        }
        let mut text = String::new();
        let read = first.by_ref().take(INDEX_LIMIT).read_to_string(&mut text);
        read.map_err(|error| no_bundle(error.to_string()))?;
        let index: Index = serde_json::from_str(&text).map_err(|error| no_bundle(error.to_string()))?;
        if index.schema_version != SCHEMA_VERSION {
            return Err(no_bundle(format!(
                "its schema version is {}",
                index.schema_version
            )));
        }
        let ours = env!("CARGO_PKG_VERSION");
        if index.version != ours {
            return Err(BundleError::Version {
                path: path.to_owned(),
                theirs: index.version,
                ours,
            });
        }
        Ok(Self {
            path: path.to_owned(),
            index,
        })
    }

    /// The image for this.
    pub fn image(&self, role: &'static str) -> Result<&Bundled, BundleError> {
        let found = self.index.images.iter().find(|image| image.role == role);
        found.ok_or_else(|| BundleError::Lacks {
            path: self.path.clone(),
            role,
        })
    }

    /// Writes an archive with some of its images. What belongs to no image that is wanted is left out, where Docker's
    /// list has it.
    pub(super) fn extract(&self, wanted: &[String], into: impl Write) -> io::Result<()> {
        let list = manifest_of(File::open(&self.path)?)?;
        let (kept, dropped): (Vec<&Value>, Vec<&Value>) = list
            .iter()
            .partition(|image| tags(image).any(|tag| wanted.iter().any(|reference| same(reference, tag))));
        let needed: HashSet<&str> = kept.iter().flat_map(|image| files(image)).collect();
        let unneeded: HashSet<&str> = dropped
            .iter()
            .flat_map(|image| files(image))
            .filter(|file| !needed.contains(file))
            .collect();
        let mut builder = tar::Builder::new(into);
        let mut archive = tar::Archive::new(BufReader::new(File::open(&self.path)?));
        for entry in archive.entries()? {
            let entry = entry?;
            let name = entry.path()?.to_string_lossy().into_owned();
            if name == MANIFEST || name == INDEX || unneeded.contains(name.as_str()) {
                continue;
            }
            builder.append(&entry.header().clone(), entry)?;
        }
        append(&mut builder, MANIFEST, &serde_json::to_vec(&kept)?)?;
        builder.finish()
    }
}

/// Writes a bundle of archives, each as `docker save` writes it. The file is there when it is whole.
pub(super) fn write(path: &Path, images: Vec<Bundled>, archives: Vec<Box<dyn Read>>) -> io::Result<u64> {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let temporary = PathBuf::from(name);
    let written = write_to(&temporary, images, archives).and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(path.metadata()?.len())
}

fn write_to(path: &Path, images: Vec<Bundled>, archives: Vec<Box<dyn Read>>) -> io::Result<()> {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path)?;
    let mut builder = tar::Builder::new(BufWriter::new(file));
    let index = Index {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        images,
    };
    append(&mut builder, INDEX, &serde_json::to_vec_pretty(&index)?)?;
    let (mut seen, mut list) = (HashSet::new(), Vec::new());
    for archive in archives {
        for entry in tar::Archive::new(archive).entries()? {
            let mut entry = entry?;
            let name = entry.path()?.to_string_lossy().into_owned();
            if name == MANIFEST {
                let images: Vec<Value> = serde_json::from_reader(&mut entry)?;
                list.extend(images);
            } else if !OTHER_LISTS.contains(&name.as_str()) && seen.insert(name) {
                builder.append(&entry.header().clone(), entry)?;
            }
        }
    }
    append(&mut builder, MANIFEST, &serde_json::to_vec(&list)?)?;
    let file = builder
        .into_inner()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

fn append(builder: &mut tar::Builder<impl Write>, name: &str, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    builder.append_data(&mut header, name, content)
}

/// Docker's list of the images in an archive.
fn manifest_of(archive: impl Read) -> io::Result<Vec<Value>> {
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        if entry.path()?.as_os_str() == MANIFEST {
            return Ok(serde_json::from_reader(&mut entry)?);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "it has no manifest.json",
    ))
}

fn tags(image: &Value) -> impl Iterator<Item = &str> {
    let tags = image.get("RepoTags").and_then(Value::as_array);
    tags.into_iter().flatten().filter_map(Value::as_str)
}

/// Whether a reference means a tag. Docker leaves its own registry out of the names that it writes.
fn same(reference: &str, tag: &str) -> bool {
    let short = |name: &str| {
        name.trim_start_matches("docker.io/")
            .trim_start_matches("library/")
            .to_owned()
    };
    short(reference) == short(tag)
}

/// The files of an image.
fn files(image: &Value) -> impl Iterator<Item = &str> {
    let layers = image.get("Layers").and_then(Value::as_array);
    let config = image.get("Config").and_then(Value::as_str);
    layers
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .chain(config)
}

#[cfg(test)]
mod tests {
    use super::super::archive;
    use super::super::{OwnImage, Program};
    use super::*;

    fn bundled(role: &str, image: &OwnImage) -> Bundled {
        Bundled {
            role: role.to_owned(),
            reference: image.reference.clone(),
            id: Some(image.id.clone()),
            architecture: image.architecture.to_owned(),
        }
    }

    fn reader(image: &OwnImage) -> Box<dyn Read> {
        Box::new(io::Cursor::new(image.archive.clone()))
    }

    fn names(archive: impl Read) -> Vec<String> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap();
        entries
            .map(|entry| entry.unwrap().path().unwrap().to_string_lossy().into_owned())
            .collect()
    }

    fn sample(folder: &tempfile::TempDir) -> (Bundle, OwnImage, OwnImage) {
        let webhook = archive::build(Program::Webhook, b"w", "amd64").unwrap();
        let sidecar = archive::build(Program::Sidecar, b"s", "amd64").unwrap();
        let path = folder.path().join("bundle.tar");
        let images = vec![bundled("webhook", &webhook), bundled("sidecar", &sidecar)];
        let size = write(&path, images, vec![reader(&webhook), reader(&sidecar)]).unwrap();
        assert_eq!(size, path.metadata().unwrap().len());
        (Bundle::open(&path).unwrap(), webhook, sidecar)
    }

    #[test]
    fn a_bundle_begins_with_its_index_and_lists_every_image_once() {
        let folder = tempfile::tempdir().unwrap();
        let (bundle, webhook, _) = sample(&folder);
        assert_eq!(bundle.image("webhook").unwrap(), &bundled("webhook", &webhook));
        assert!(matches!(
            bundle.image("emulator"),
            Err(BundleError::Lacks { role: "emulator", .. })
        ));
        let names = names(File::open(&bundle.path).unwrap());
        assert_eq!(
            (names[0].as_str(), names[names.len() - 1].as_str()),
            (INDEX, MANIFEST)
        );
        assert_eq!(names.len(), 6, "{names:?}");
        let list = manifest_of(File::open(&bundle.path).unwrap()).unwrap();
        assert_eq!(list.iter().flat_map(tags).count(), 2);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing partial is left"
        );
    }

    #[test]
    fn only_the_files_of_wanted_images_are_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let (bundle, webhook, _) = sample(&folder);
        let mut out = Vec::new();
        bundle
            .extract(std::slice::from_ref(&webhook.reference), &mut out)
            .unwrap();
        assert_eq!(names(out.as_slice()).len(), 3);
        let list = manifest_of(out.as_slice()).unwrap();
        assert_eq!(tags(&list[0]).collect::<Vec<_>>(), [webhook.reference]);
        assert_eq!(list.len(), 1);
    }

    #[test]
    fn what_is_no_bundle_or_an_older_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, "text").unwrap();
        assert!(matches!(Bundle::open(&path), Err(BundleError::NoBundle { .. })));
        assert!(matches!(
            Bundle::open(&folder.path().join("none")),
            Err(BundleError::Io { .. })
        ));
        let mut builder = tar::Builder::new(File::create(&path).unwrap());
        let index = r#"{"schemaVersion":1,"version":"0.0.1","images":[]}"#;
        append(&mut builder, INDEX, index.as_bytes()).unwrap();
        builder.finish().unwrap();
        let error = Bundle::open(&path).unwrap_err();
        assert!(
            error.to_string().contains("was written by irsa-emu 0.0.1"),
            "{error}"
        );
    }

    #[test]
    fn a_name_of_docker_s_own_registry_may_be_long_or_short() {
        assert!(same(
            "docker.io/localstack/localstack:4",
            "localstack/localstack:4"
        ));
        assert!(same("docker.io/library/a:1", "a:1"));
        assert!(!same("r.example/a:1", "a:1"));
    }
}
