//! The webhook: registered as it must be, trusted by the API server, and at work.

mod certificates;
mod dry_run;
mod registration;

use futures::FutureExt;

use super::engine::{Check, Phase, Severity};
use crate::checks::surroundings::Surroundings;

pub(super) fn checks<'x>() -> Vec<Check<Surroundings<'x>>> {
    vec![
        Check {
            id: "wh-config",
            phase: Phase::Webhook,
            needs: &["k8s-core-ready"],
            severity: Severity::Error,
            title: "the webhook is registered as it must be",
            run: |s| registration::config(s).boxed(),
        },
        Check {
            id: "wh-cert-expiry",
            phase: Phase::Webhook,
            needs: &["k8s-core-ready"],
            severity: Severity::Error,
            title: "the webhook's certificates are valid for a while",
            run: |s| certificates::expiry(s).boxed(),
        },
        Check {
            id: "wh-ca-match",
            phase: Phase::Webhook,
            needs: &["wh-config", "wh-cert-expiry"],
            severity: Severity::Error,
            title: "the API server trusts the certificate in the Secret, and it is the one that is served",
            run: |s| certificates::ca_match(s).boxed(),
        },
        Check {
            id: "wh-ready",
            phase: Phase::Webhook,
            needs: &["wh-ca-match"],
            severity: Severity::Error,
            title: "the webhook has a Pod that is ready",
            run: |s| registration::ready(s).boxed(),
        },
        Check {
            id: "wh-dryrun",
            phase: Phase::Webhook,
            needs: &["wh-ready"],
            severity: Severity::Error,
            title: "a Pod of an annotated ServiceAccount gets what it gets on EKS, in both deliveries",
            run: |s| dry_run::injects(s).boxed(),
        },
        Check {
            id: "wh-conflict",
            phase: Phase::Webhook,
            needs: &["k8s-core-ready"],
            severity: Severity::Warning,
            title: "no other webhook gives Pods an identity",
            run: |s| registration::conflict(s).boxed(),
        },
    ]
}
