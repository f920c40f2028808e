//! The volumes of a Pod and the mount of each container.

use serde_json::{Value, json};

use super::{Method, Plan, env};
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
    Add(Value),
    /// Another volume is mounted where ours belongs; adding ours would make an invalid Pod.
    Clash {
        /// The path.
        path: &'static str,
        /// The volume that is there.
        volume: String,
    },
}

/// Adds the volumes that the Pod lacks, the token first, where EKS puts it.
pub(super) fn add_volumes(plan: &Plan<'_>, additions: &mut Additions) {
    let mut volumes = Vec::new();
    if !plan.pod.has_volume(plan.method.token().volume) {
        volumes.push(token_volume(plan));
    }
    if plan.method == Method::Sidecar && !plan.pod.has_volume(CREDENTIALS_VOLUME) {
        volumes
            .push(json!({"name": CREDENTIALS_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}));
    }
    additions.insert(&["spec".to_owned()], plan.pod.spec(), "volumes", 0, volumes);
}

/// The mount that a container of the app lacks.
pub(super) fn mount_for(plan: &Plan<'_>, container: ContainerView<'_>) -> Mount {
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
        None => Mount::Add(mount(volume, path, true)),
    }
}

/// A volumeMount, with the fields in EKS's order.
pub(super) fn mount(volume: &str, path: &str, read_only: bool) -> Value {
    if read_only {
        json!({"name": volume, "readOnly": true, "mountPath": path})
    } else {
        json!({"name": volume, "mountPath": path})
    }
}

fn token_volume(plan: &Plan<'_>) -> Value {
    let token = json!({"serviceAccountToken": {
        "audience": plan.grant.audience,
        "expirationSeconds": plan.token_expiration(),
        "path": plan.method.token().file,
    }});
    json!({"name": plan.method.token().volume, "projected": {"sources": [token]}})
}
