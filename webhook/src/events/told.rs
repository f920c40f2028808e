//! One Event before it is written.

use k8s_openapi::api::core::v1::ObjectReference;

/// How much an Event matters, in the words of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventType {
    Normal,
    Warning,
}

impl EventType {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What is reported of an object.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) object: ObjectReference,
    pub(super) type_: EventType,
    pub(super) reason: String,
    pub(super) action: String,
    pub(super) note: String,
}
