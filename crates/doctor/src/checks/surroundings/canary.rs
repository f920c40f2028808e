//! What the doctor makes in the cluster for its own tests, and its removal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use irsa_emu_cluster::kubernetes::apply::{self, Manifest};
use irsa_emu_core::causes::chain;
use irsa_emu_core::contract::{
    CANARY, CANARY_NAMESPACE, DEFAULT_ACCOUNT, EKS_PREFIX, INSTANCE_LABEL, PROBE, ROLE_ARN,
};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, PostParams};

use super::Surroundings;
use crate::checks::engine::Trouble;

/// How long the removal may take when the doctor is interrupted.
const REMOVAL: Duration = Duration::from_secs(3);

impl Surroundings<'_> {
    /// The role of the canary.
    pub(crate) fn canary_role() -> String {
        format!("arn:aws:iam::{DEFAULT_ACCOUNT}:role/{CANARY}")
    }

    /// Makes the ServiceAccount that the doctor tests with; [`Self::clean`] removes it, and so does the drop.
    pub(crate) async fn canary(&self) -> Result<(), Trouble> {
        let made = self.canary.get_or_init(|| async {
            let client = self.client().await?;
            let annotations = [(format!("{EKS_PREFIX}/{ROLE_ARN}"), Self::canary_role())];
            let labels = [(INSTANCE_LABEL.to_owned(), self.session.instance.clone())];
            let account = ServiceAccount {
                metadata: ObjectMeta {
                    name: Some(CANARY.to_owned()),
                    namespace: Some(CANARY_NAMESPACE.to_owned()),
                    annotations: Some(annotations.into()),
                    labels: Some(labels.into()),
                    ..ObjectMeta::default()
                },
                ..ServiceAccount::default()
            };
            let refused = |error: &dyn std::error::Error| {
                let fix = self.kubectl("auth can-i create serviceaccounts -n default");
                Trouble::new(chain(error), fix).about(format!("ServiceAccount {CANARY_NAMESPACE}/{CANARY}"))
            };
            let manifest = Manifest::of(&account).map_err(|error| refused(&error))?;
            self.canary_made.store(true, Ordering::SeqCst);
            apply::apply(&client, &manifest)
                .await
                .map(|_| ())
                .map_err(|error| refused(&error))
        });
        made.await.clone()
    }

    /// Makes the Pod that the doctor tests with; [`Self::clean`] removes it, and so does the drop.
    pub(crate) async fn probe(&self, pod: &Pod) -> Result<Api<Pod>, Trouble> {
        let api = Api::<Pod>::namespaced(self.client().await?, CANARY_NAMESPACE);
        // One that an interrupted run left.
        let _ = api.delete(PROBE, &at_once()).await;
        self.probe_made.store(true, Ordering::SeqCst);
        match api.create(&PostParams::default(), pod).await {
            Ok(_) => Ok(api),
            Err(error) => {
                let fix = self.kubectl("auth can-i create pods -n default");
                Err(Trouble::new(chain(&error), fix).about(format!("Pod {CANARY_NAMESPACE}/{PROBE}")))
            }
        }
    }

    /// Removes what the checks made in the cluster.
    pub async fn clean(&self) {
        let Some(Ok(cluster)) = self.cluster.get() else {
            return;
        };
        if self.probe_made.swap(false, Ordering::SeqCst) {
            let api = Api::<Pod>::namespaced(cluster.client.clone(), CANARY_NAMESPACE);
            if let Err(error) = api.delete(PROBE, &at_once()).await {
                tracing::debug!(%error, "the probe could not be removed");
            }
        }
        if self.canary_made.swap(false, Ordering::SeqCst) {
            let api = Api::<ServiceAccount>::namespaced(cluster.client.clone(), CANARY_NAMESPACE);
            if let Err(error) = api.delete(CANARY, &DeleteParams::default()).await {
                tracing::debug!(%error, "the canary could not be removed");
            }
        }
    }
}

/// There is nothing that a slow end could save.
fn at_once() -> DeleteParams {
    DeleteParams::default().grace_period(0)
}

impl Drop for Surroundings<'_> {
    /// Leaves nothing in the cluster when the doctor is interrupted halfway.
    fn drop(&mut self) {
        let made = |flag: &AtomicBool| flag.load(Ordering::SeqCst);
        if !made(&self.canary_made) && !made(&self.probe_made) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        tokio::task::block_in_place(|| {
            // Should it take longer, the next run of the doctor removes it.
            let _ = runtime.block_on(tokio::time::timeout(REMOVAL, self.clean()));
        });
    }
}
