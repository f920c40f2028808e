//! The images that Docker has, and those that it can fetch.

use std::collections::HashMap;

use bollard::query_parameters::CreateImageOptions;
use futures::{StreamExt, TryStreamExt};

use super::client::Docker;
use super::error::DockerError;
use super::exec::Feed;

/// An image that Docker has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInfo {
    /// Its id.
    pub id: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Docker {
    /// What Docker knows of an image; `None` where it does not have it.
    pub async fn image(&self, reference: &str) -> Result<Option<ImageInfo>, DockerError> {
        match self.api.inspect_image(reference).await {
            Ok(found) => Ok(Some(ImageInfo {
                id: found.id.unwrap_or_default(),
                size: found
                    .size
                    .and_then(|size| u64::try_from(size).ok())
                    .unwrap_or_default(),
            })),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(source) => Err(DockerError::Api {
                doing: format!("looking for the image {reference}"),
                source,
            }),
        }
    }

    /// Whether Docker has an image.
    pub async fn has_image(&self, reference: &str) -> Result<bool, DockerError> {
        Ok(self.image(reference).await?.is_some())
    }

    /// An image as `docker save` writes it, with all its platforms.
    pub(super) fn export_whole(&self, reference: &str) -> Feed {
        let (api, reference) = (self.api.clone(), reference.to_owned());
        // The stream of the library borrows its client, so it is driven by a task of its own.
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        tokio::spawn(async move {
            let mut chunks = std::pin::pin!(api.export_image(&reference));
            while let Some(chunk) = chunks.next().await {
                if sender.send(chunk.map_err(std::io::Error::other)).await.is_err() {
                    return;
                }
            }
        });
        futures::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|item| (item, receiver))
        })
        .boxed()
    }

    /// Pulls an image, and reports its progress.
    pub async fn pull(
        &self,
        reference: &str,
        on_progress: &(dyn Fn(&str) + Sync),
    ) -> Result<(), DockerError> {
        let options = CreateImageOptions {
            from_image: Some(with_tag(reference)),
            ..CreateImageOptions::default()
        };
        let mut lines = std::pin::pin!(self.api.create_image(Some(options), None, None));
        let mut layers: HashMap<String, (i64, i64)> = HashMap::new();
        let doing = || format!("pulling the image {reference}");
        while let Some(line) = lines.try_next().await.map_err(|source| DockerError::Api {
            doing: doing(),
            source,
        })? {
            if let Some(error) = line.error_detail.and_then(|detail| detail.message) {
                let source = bollard::errors::Error::DockerStreamError { error };
                return Err(DockerError::Api {
                    doing: doing(),
                    source,
                });
            }
            let detail = line
                .progress_detail
                .and_then(|detail| detail.current.zip(detail.total));
            if let Some((id, (current, total))) = line.id.zip(detail) {
                layers.insert(id, (current, total));
                let (done, all) = layers
                    .values()
                    .fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1));
                // In steps of 10 MB, so that plain progress stays short.
                on_progress(&format!("{} of {} MB", done / 10_000_000 * 10, all / 1_000_000));
            }
        }
        Ok(())
    }
}

/// A reference with the tag that is meant where none is written; without one, Docker pulls every tag.
fn with_tag(reference: &str) -> String {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    if name.contains(':') || name.contains('@') {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_a_tag_means_latest() {
        for (given, meant) in [
            ("a", "a:latest"),
            ("r:5000/a", "r:5000/a:latest"),
            ("a:1", "a:1"),
            ("a@sha256:0", "a@sha256:0"),
        ] {
            assert_eq!(with_tag(given), meant);
        }
    }
}
