//! What `up` recorded of an install, in annotations of its Namespace.

use irsa_emu_core::choice::Choice;
use irsa_emu_core::contract::NAMESPACE;
use irsa_emu_core::install::Backend;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};

use crate::objects::install::{BACKEND, HOST_ENDPOINT, REGION};

/// What is known of an install without asking its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Its region.
    pub region: Option<String>,
    /// The emulator's URL on the host.
    pub host_endpoint: Option<String>,
    /// Whether the credentials of Pods are good for real AWS, so that there is no emulator.
    pub real_aws: bool,
}

/// What was recorded; `None` where irsa-emu is not installed.
pub async fn read(client: &Client) -> Result<Option<Recorded>, kube::Error> {
    let found = Api::<Namespace>::all(client.clone())
        .get_metadata_opt(NAMESPACE)
        .await?;
    Ok(found.map(|namespace| {
        let mut annotations = namespace.metadata.annotations.unwrap_or_default();
        Recorded {
            region: annotations.remove(REGION),
            host_endpoint: annotations.remove(HOST_ENDPOINT),
            real_aws: annotations
                .get(BACKEND)
                .is_some_and(|backend| backend == Backend::Aws.as_str()),
        }
    }))
}
