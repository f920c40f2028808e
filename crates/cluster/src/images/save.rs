//! Writes every image that an install needs into one bundle.

use std::io::Read;
use std::path::Path;

use super::bundle::{self, Bundled};
use super::load::LoadError;
use super::stream;
use crate::docker::Docker;
use crate::images::source::Source;

/// Writes a bundle, and returns its size. Images that Docker lacks are pulled.
pub async fn save(
    docker: &Docker,
    images: &[(&'static str, Source)],
    path: &Path,
    on_progress: &(dyn Fn(&str) + Sync),
) -> Result<u64, LoadError> {
    let (mut index, mut archives) = (Vec::new(), Vec::<Box<dyn Read + Send>>::new());
    for (role, source) in images {
        let (id, architecture) = match source {
            Source::Made(image) => {
                archives.push(Box::new(std::io::Cursor::new(image.archive.clone())));
                (Some(image.id.clone()), image.architecture.to_owned())
            }
            Source::Named(reference) => {
                super::load::pull_if_missing(docker, reference, on_progress).await?;
                archives.push(Box::new(stream::reader(docker.export_image(reference).await?)));
                (None, docker.architecture.clone())
            }
        };
        index.push(Bundled {
            role: (*role).to_owned(),
            reference: source.reference().to_owned(),
            id,
            architecture,
        });
    }
    on_progress(&format!("writing {}", path.display()));
    let file = path.to_owned();
    let written = tokio::task::spawn_blocking(move || {
        let archives = archives
            .into_iter()
            .map(|archive| archive as Box<dyn Read>)
            .collect();
        bundle::write(&file, index, archives)
    });
    let failed = |source: std::io::Error| LoadError::Write {
        path: path.to_owned(),
        source,
    };
    written
        .await
        .map_err(|error| failed(std::io::Error::other(error)))?
        .map_err(failed)
}
