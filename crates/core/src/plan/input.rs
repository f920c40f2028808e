//! What a plan is made from, and what becomes of a Pod.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::choice::Choice;
use crate::grant::Grant;
use crate::patch::Patch;
use crate::pod_view::PodView;
use crate::rules::{Delivery, RuleEffect};

/// Settings of an install that shape every patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InjectConfig {
    /// Region pair to add where neither the container nor a Recipe sets one.
    pub region: Option<String>,
    /// URL of the emulator inside the cluster. `None` where credentials are good for real AWS: then no endpoint is added,
    /// and only the sidecar serves, as SDKs would take a web identity to an STS that does not know this cluster.
    pub emulator_url: Option<String>,
    /// URL of the emulator for S3: with the ClusterIP of its Service as host, so that every SDK asks in path style. `None`
    /// where that is not known.
    pub s3_url: Option<String>,
    /// URL of the STS front inside the cluster.
    pub sts_url: String,
    /// Image of the credentials sidecar.
    pub sidecar_image: String,
    /// Whether the cluster runs native sidecars (Kubernetes 1.29 and later).
    pub native_sidecars: bool,
    /// Delivery where nothing else speaks.
    pub default_delivery: Delivery,
    /// Prefix of EKS's annotations.
    pub annotation_prefix: String,
    /// Injects what EKS injects, and nothing else.
    pub strict_eks: bool,
}

/// Everything a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    /// The Pod as the API server sent it.
    pub pod: &'a PodView<'a>,
    /// The annotations of its ServiceAccount; `None` where it is not known.
    pub service_account: Option<&'a BTreeMap<String, String>>,
    /// What its ServiceAccount grants; `None` where it grants no role.
    pub grant: Option<&'a Grant>,
    /// The Namespace's `irsa-emu.dev/delivery` label.
    pub namespace_delivery: Option<&'a str>,
    /// What the Recipes' rules add for this ServiceAccount.
    pub effect: &'a RuleEffect,
    /// Settings of the install.
    pub config: &'a InjectConfig,
    /// A random number: tokens of EKS Pod Identity do not all expire at once.
    pub jitter: u32,
}

/// What becomes of a Pod.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanOutcome {
    /// The Pod is patched.
    Patched {
        /// `add` operations only.
        patch: Patch,
        /// How the Pod gets its credentials.
        method: Method,
        /// Probable mistakes, as sentences for the Pod's author.
        warnings: Vec<String>,
    },
    /// The Pod is left alone.
    Skipped {
        /// Why.
        reason: SkipReason,
        /// Probable mistakes, as sentences for the Pod's author.
        warnings: Vec<String>,
    },
    /// The object is none that Kubernetes could read as a Pod, so there is no view to plan for; the sentence names the place
    /// ([`PodView::of`]). EKS denies it.
    Malformed(String),
}

/// How a Pod gets its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Delivery `web-identity`.
    WebIdentity,
    /// Delivery `sidecar`.
    Sidecar,
    /// EKS Pod Identity, for which there is no choice of delivery.
    PodIdentity,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 3] = [Self::WebIdentity, Self::Sidecar, Self::PodIdentity];

    /// A fixed word for logs, metric labels and the mark on the Pod.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebIdentity => Delivery::WebIdentity.as_str(),
            Self::Sidecar => Delivery::Sidecar.as_str(),
            Self::PodIdentity => "pod-identity",
        }
    }
}

impl From<Delivery> for Method {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::WebIdentity => Self::WebIdentity,
            Delivery::Sidecar => Self::Sidecar,
        }
    }
}

/// Why a Pod is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// Its ServiceAccount names no role.
    NoRoleArn,
    /// Its ServiceAccount does not exist (yet).
    NoServiceAccount,
    /// Whether its ServiceAccount names a role could not be found out.
    LookupFailed,
    /// The Pod has the label that switches injection off.
    SkipLabel,
    /// It is a mirror Pod of the kubelet.
    MirrorPod,
    /// Everything is there already.
    AlreadyInjected,
    /// Every container that delivery `sidecar` would serve is listed in `skip-containers`.
    AllContainersSkipped,
    /// The object has no containers.
    NotAPod,
    /// Delivery `sidecar` cannot serve a Pod on the host's network: its port would be the host's.
    HostNetwork,
    /// Delivery `sidecar` is the only one there is, and it does not run on Windows.
    Windows,
}

impl SkipReason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::NoRoleArn,
        Self::NoServiceAccount,
        Self::LookupFailed,
        Self::SkipLabel,
        Self::MirrorPod,
        Self::AlreadyInjected,
        Self::AllContainersSkipped,
        Self::NotAPod,
        Self::HostNetwork,
        Self::Windows,
    ];

    /// A fixed word for logs and metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRoleArn => "no-role-arn",
            Self::NoServiceAccount => "no-service-account",
            Self::LookupFailed => "lookup-failed",
            Self::SkipLabel => "skip-label",
            Self::MirrorPod => "mirror-pod",
            Self::AlreadyInjected => "already-injected",
            Self::AllContainersSkipped => "all-containers-skipped",
            Self::NotAPod => "not-a-pod",
            Self::HostNetwork => "host-network",
            Self::Windows => "windows",
        }
    }
}
