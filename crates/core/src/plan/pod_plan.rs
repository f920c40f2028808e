//! The plan for one Pod, from which every part of the patch is made.

use super::input::{Method, PlanInput};
use crate::contract::{
    DEFAULT_TOKEN_EXPIRATION, MAX_TOKEN_EXPIRATION, MIN_TOKEN_EXPIRATION, POD_IDENTITY_MIN_EXPIRATION,
    TOKEN_EXPIRATION,
};
use crate::grant::{Grant, parse_seconds};
use crate::pod_view::PodView;

/// One Pod's plan: what every part of the patch is made from.
pub(super) struct PodPlan<'a> {
    pub(super) pod: &'a PodView<'a>,
    pub(super) grant: &'a Grant,
    pub(super) method: Method,
    /// Path of the token as containers see it.
    pub(super) token_path: String,
    pub(super) input: &'a PlanInput<'a>,
}

impl PodPlan<'_> {
    /// Lifetime of the Pod's token in seconds: the Pod's own annotation wins over the ServiceAccount's.
    pub(super) fn token_expiration(&self) -> i64 {
        let prefix = &self.input.config.annotation_prefix;
        let own = self.pod.annotation_of(prefix, TOKEN_EXPIRATION);
        let seconds = own
            .and_then(parse_seconds)
            .unwrap_or(self.grant.token_expiration)
            .clamp(MIN_TOKEN_EXPIRATION, MAX_TOKEN_EXPIRATION);
        if self.method == Method::PodIdentity && seconds == DEFAULT_TOKEN_EXPIRATION {
            let span = DEFAULT_TOKEN_EXPIRATION - POD_IDENTITY_MIN_EXPIRATION + 1;
            POD_IDENTITY_MIN_EXPIRATION + i64::from(self.input.jitter) % span
        } else {
            seconds
        }
    }
}
