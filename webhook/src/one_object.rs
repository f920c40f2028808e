//! One object of the cluster, followed by a watch.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use futures::StreamExt;
use kube::Api;
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// A watch that failed is tried again after this. Whoever follows one object must not miss it for longer.
const RETRY: Duration = Duration::from_secs(1);

/// The object as the cluster has it; `None` while there is none. The first change is the first list.
pub(crate) type Followed<K> = watch::Receiver<Option<Arc<K>>>;

/// Follows the object of this name. The future drives the watch; it ends only with an error.
pub(crate) fn follow<K>(
    api: Api<K>,
    name: &'static str,
) -> (
    Followed<K>,
    impl Future<Output = anyhow::Result<()>> + Send + 'static,
)
where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let (publish, followed) = watch::channel(None);
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let events = watcher(api, only).backoff(Steady);
    let following = async move {
        let mut events = events.boxed();
        let mut listed = None;
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => listed = None,
                Ok(watcher::Event::InitApply(found)) => listed = Some(Arc::new(found)),
                Ok(watcher::Event::InitDone) => {
                    publish.send_replace(listed.take());
                }
                Ok(watcher::Event::Apply(found)) => {
                    publish.send_replace(Some(Arc::new(found)));
                }
                Ok(watcher::Event::Delete(_)) => {
                    publish.send_replace(None);
                }
                Err(error) => tracing::warn!(%error, name, "cannot watch the object; trying again"),
            }
        }
        bail!("the watch of {name} ended")
    };
    (followed, following)
}

/// The same pause each time.
struct Steady;

impl Iterator for Steady {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(RETRY)
    }
}

impl Backoff for Steady {
    fn reset(&mut self) {}
}
