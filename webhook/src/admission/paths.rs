//! By which paths reviews are taken: the one with the secret segment of this install, and those of the registration as
//! the cluster has it now. Nobody but the API server, and those who may read registrations, knows them.

use irsa_emu_core::contract::{
    WEBHOOK_NAME, WEBHOOK_NAME_ENFORCED, WEBHOOK_NAME_SYSTEM, WEBHOOK_PATH_ENFORCED,
};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;

use super::registration::Registered;
use crate::tls::PathSecret;

/// What happens to a Pod that cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It runs as it is, as on EKS.
    Lenient,
    /// It is refused.
    Enforced,
}

/// The paths by which reviews are taken.
#[derive(Clone)]
pub(crate) struct Paths {
    secret: PathSecret,
    registered: Registered,
}

impl Paths {
    pub(crate) fn new(secret: PathSecret, registered: Registered) -> Self {
        Self { secret, registered }
    }

    /// What a request by this path asks for; `None` where nobody registered it.
    pub(super) fn mode(&self, path: &str) -> Option<Mode> {
        let (prefix, mode) = match path.strip_suffix(WEBHOOK_PATH_ENFORCED) {
            Some(prefix) => (prefix, Mode::Enforced),
            None => (path, Mode::Lenient),
        };
        let known = self.secret.is_prefix(prefix)
            // While an older version leads, the registration is still its own.
            || self
                .registered
                .borrow()
                .as_ref()
                .is_some_and(|found| names(found, path));
        known.then_some(mode)
    }
}

/// Whether a webhook of ours is registered with this path.
fn names(found: &MutatingWebhookConfiguration, path: &str) -> bool {
    let own = [WEBHOOK_NAME, WEBHOOK_NAME_ENFORCED, WEBHOOK_NAME_SYSTEM];
    found
        .webhooks
        .iter()
        .flatten()
        .filter(|hook| own.contains(&hook.name.as_str()))
        .filter_map(|hook| hook.client_config.service.as_ref()?.path.as_deref())
        .any(|known| known == path)
}

#[cfg(test)]
impl Paths {
    /// `/mutate/secret`, and what an older version registered: `/old`.
    pub(crate) fn sample() -> Self {
        let old = serde_json::json!({"webhooks": [
            {"name": WEBHOOK_NAME, "clientConfig": {"service": {"name": "w", "namespace": "n", "path": "/old"}},
                "admissionReviewVersions": ["v1"], "sideEffects": "None"},
            {"name": "foreign.example.org", "clientConfig": {"service": {"name": "w", "namespace": "n", "path": "/foreign"}},
                "admissionReviewVersions": ["v1"], "sideEffects": "None"}]});
        let registered = serde_json::from_value(old).unwrap();
        let (_, registered) = tokio::sync::watch::channel(Some(std::sync::Arc::new(registered)));
        Self::new(PathSecret::sample(), registered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_installs_own_or_a_registered_one() {
        for (path, mode) in [
            ("/mutate/secret", Some(Mode::Lenient)),
            ("/mutate/secret/enforced", Some(Mode::Enforced)),
            ("/old", Some(Mode::Lenient)),
            ("/mutate", None),
            ("/mutate/enforced", None),
            ("/mutate/other", None),
            ("/mutate/secret/x", None),
            ("/foreign", None),
            ("", None),
        ] {
            assert_eq!(Paths::sample().mode(path), mode, "{path}");
        }
    }
}
