//! The volumes of a Pod and the mount of each container.

use serde::Serialize;

use super::env;
use super::input::Method;
use super::pod_plan::PodPlan;
use crate::contract::{
    CREDENTIALS_MOUNT, CREDENTIALS_VOLUME, POD_IDENTITY_MOUNT, POD_IDENTITY_TOKEN, TOKEN_FILE, TOKEN_MOUNT,
    TOKEN_VOLUME,
};
use crate::patch::Additions;
use crate::pod_view::ContainerView;

/// Where the token of a method is.
pub(super) struct TokenPlace {
    pub(super) volume: &'static str,
    pub(super) mount: &'static str,
    pub(super) file: &'static str,
}

impl Method {
    pub(super) fn token(self) -> TokenPlace {
        match self {
            Self::WebIdentity | Self::Sidecar => TokenPlace {
                volume: TOKEN_VOLUME,
                mount: TOKEN_MOUNT,
                file: TOKEN_FILE,
            },
            Self::PodIdentity => TokenPlace {
                volume: POD_IDENTITY_TOKEN,
                mount: POD_IDENTITY_MOUNT,
                file: POD_IDENTITY_TOKEN,
            },
        }
    }
}

/// What a container needs of our volume.
pub(super) enum Mount {
    /// It is mounted already, or the container needs none.
    Nothing,
    /// This mount is to be added.
    Add(VolumeMount),
    /// Another volume is mounted where ours belongs; adding ours would make an invalid Pod.
    Clash {
        /// The path.
        path: &'static str,
        /// The volume that is there.
        volume: String,
    },
}

/// Adds the volumes that the Pod lacks, the token first, where EKS puts it.
pub(super) fn add_volumes(plan: &PodPlan<'_>, additions: &mut Additions) {
    let mut volumes = Vec::with_capacity(2);
    if !plan.pod.has_volume(plan.method.token().volume) {
        volumes.push(token_volume(plan));
    }
    if plan.method == Method::Sidecar && !plan.pod.has_volume(CREDENTIALS_VOLUME) {
        volumes.push(CREDENTIALS);
    }
    additions.insert("/spec/volumes", plan.pod.has_volumes(), 0, &volumes);
}

/// The mount that a container of the app lacks.
pub(super) fn mount_for(plan: &PodPlan<'_>, container: ContainerView<'_>) -> Mount {
    let (volume, path, needless) = match plan.method {
        Method::WebIdentity | Method::PodIdentity => {
            let place = plan.method.token();
            (
                place.volume,
                place.mount,
                env::eks_leaves_alone(plan.method, container),
            )
        }
        Method::Sidecar => (
            CREDENTIALS_VOLUME,
            CREDENTIALS_MOUNT,
            env::has_own_identity(container),
        ),
    };
    if needless || container.mounts_volume(volume) {
        return Mount::Nothing;
    }
    match container.volume_at(path) {
        Some(other) => Mount::Clash {
            path,
            volume: other.to_owned(),
        },
        None => Mount::Add(VolumeMount {
            name: volume,
            read_only: true,
            mount_path: path,
        }),
    }
}

/// A volumeMount, with the fields in EKS's order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VolumeMount {
    pub(super) name: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) read_only: bool,
    pub(super) mount_path: &'static str,
}

#[derive(Serialize)]
struct Volume<'a> {
    name: &'static str,
    #[serde(flatten)]
    source: Source<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Source<'a> {
    Projected {
        sources: [Projection<'a>; 1],
    },
    EmptyDir {
        medium: &'static str,
        size_limit: &'static str,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Projection<'a> {
    ServiceAccountToken {
        audience: &'a str,
        expiration_seconds: i64,
        path: &'static str,
    },
}

/// The volume that the sidecar writes: in memory, and larger than it will ever be.
const CREDENTIALS: Volume<'static> = Volume {
    name: CREDENTIALS_VOLUME,
    source: Source::EmptyDir {
        medium: "Memory",
        size_limit: "1Mi",
    },
};

fn token_volume<'a>(plan: &'a PodPlan<'_>) -> Volume<'a> {
    let place = plan.method.token();
    let token = Projection::ServiceAccountToken {
        audience: &plan.grant.audience,
        expiration_seconds: plan.token_expiration(),
        path: place.file,
    };
    Volume {
        name: place.volume,
        source: Source::Projected { sources: [token] },
    }
}
