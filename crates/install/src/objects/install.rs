//! What an install is made of.

use std::collections::BTreeMap;

use irsa_emu_core::contract::{INSTANCE_LABEL, NAMESPACE, PART_LABEL};
use irsa_emu_core::install::{Backend, InstallSettings};
use kube::api::ObjectMeta;

use super::emulator_options::EmulatorOptions;

/// Annotation of the Namespace: the emulator's URL on the host, where there is one.
pub const HOST_ENDPOINT: &str = "irsa-emu.dev/host-endpoint";
/// Annotation of the Namespace: the region of the install.
pub const REGION: &str = "irsa-emu.dev/region";
/// Annotation of the Namespace: the [`Backend`], where the credentials are good for real AWS.
pub const BACKEND: &str = "irsa-emu.dev/backend";

/// The emulator of an install.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Emulator {
    /// Its image.
    pub image: String,
    /// How it runs.
    pub options: EmulatorOptions,
    /// What its token is known by, if it has one.
    pub token: Option<String>,
}

/// What an install is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// What the webhook is started with.
    pub settings: InstallSettings,
    /// The webhook's image.
    pub webhook_image: String,
    /// The emulator, which backend `aws` has no use for.
    pub emulator: Emulator,
    /// The emulator's URL on the host.
    pub host_endpoint: Option<String>,
}

impl Install {
    /// The emulator, unless the backend is real AWS.
    #[must_use]
    pub fn emulator(&self) -> Option<&Emulator> {
        (self.settings.backend == Backend::Emulator).then_some(&self.emulator)
    }

    /// The same, whose emulator has a token that is known by this.
    #[must_use]
    pub fn with_token(mut self, mark: Option<String>) -> Self {
        self.emulator.token = mark;
        self
    }

    /// The labels of every object.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (INSTANCE_LABEL.to_owned(), self.settings.instance.clone()),
            ("app.kubernetes.io/part-of".to_owned(), "irsa-emu".to_owned()),
        ])
    }

    pub(super) fn cluster_meta(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(self.labels()),
            ..ObjectMeta::default()
        }
    }

    /// Metadata of an object in our Namespace that belongs to a part.
    pub(super) fn meta(&self, part: &str, name: &str) -> ObjectMeta {
        let mut metadata = self.cluster_meta(name);
        metadata.namespace = Some(NAMESPACE.to_owned());
        metadata
            .labels
            .get_or_insert_default()
            .insert(PART_LABEL.to_owned(), part.to_owned());
        metadata
    }
}
