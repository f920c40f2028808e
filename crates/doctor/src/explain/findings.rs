//! What keeps a Pod from credentials, or deserves a look: each with one word for programs, a sentence, and the fix.

use irsa_emu_core::contract::{DELIVERY, INJECTION_LABEL, SKIP_CONTAINERS, SKIP_LABEL};
use irsa_emu_core::plan::SkipReason;
use irsa_emu_core::reach::OutOfReach;
use serde::Serialize;

/// Finding of Pods that are explained, or patched, without a cluster.
pub const ADDRESS_UNKNOWN: &str = "emulator-address-unknown";
/// Findings of a Pod that ought to have been injected.
pub const MISSED: [&str; 3] = [
    "created-before-webhook",
    "created-before-annotation",
    "not-injected",
];
/// Findings of a Pod that was injected with what no longer holds.
pub const STALE: [&str; 3] = ["role-changed", "grant-gone", "stale"];

/// Something to be reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// One word for it.
    pub id: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What is so, and why.
    pub message: String,
    /// The one command, or the one change, that fixes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It keeps the Pod from its credentials.
    Error,
    /// It is probably a mistake.
    Warning,
    /// It is good to know.
    Note,
}

impl Finding {
    /// Something that keeps the Pod from its credentials.
    pub fn error(id: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            id,
            level: Level::Error,
            message: message.into(),
            fix: Some(fix.into()),
        }
    }

    /// A probable mistake.
    pub fn warning(id: &'static str, message: impl Into<String>) -> Self {
        Self {
            id,
            level: Level::Warning,
            message: message.into(),
            fix: None,
        }
    }

    /// Something good to know.
    pub fn note(id: &'static str, message: impl Into<String>) -> Self {
        Self {
            id,
            level: Level::Note,
            message: message.into(),
            fix: None,
        }
    }

    /// Adds the fix.
    #[must_use]
    pub fn fixed_by(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Whom a finding is about, for its words and its commands.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) kubectl: &'a str,
    pub(super) namespace: &'a str,
    pub(super) account: &'a str,
    pub(super) prefix: &'a str,
    /// Whether documents are all that is known.
    pub(super) is_offline: bool,
}

impl About<'_> {
    /// Why no webhook sees the Pod.
    pub(super) fn out_of_reach(&self, why: OutOfReach) -> Finding {
        let Self {
            kubectl, namespace, ..
        } = self;
        match why {
            OutOfReach::SkipLabel => skip_label(),
            OutOfReach::DisabledNamespace => Finding::error(
                "namespace-disabled",
                format!(
                    "the label {INJECTION_LABEL}=disabled of the Namespace {namespace} switches injection off"
                ),
                format!("{kubectl} label namespace {namespace} {INJECTION_LABEL}-"),
            ),
            OutOfReach::OwnNamespace => Finding::error(
                "own-namespace",
                format!("{namespace} is the Namespace of irsa-emu itself, whose Pods are never injected"),
                "run it in a Namespace of its own",
            ),
        }
    }

    /// Why the webhook leaves the Pod alone; `None` where that is no obstacle.
    pub(super) fn skipped(&self, reason: SkipReason, annotate: &str) -> Option<Finding> {
        let Self {
            kubectl,
            namespace,
            account,
            prefix,
            is_offline,
        } = self;
        let (message, fix) = match reason {
            SkipReason::AlreadyInjected => return None,
            SkipReason::SkipLabel => return Some(skip_label()),
            SkipReason::NoRoleArn => (
                format!("the ServiceAccount {namespace}/{account} grants no role: nothing names one for it"),
                annotate.to_owned(),
            ),
            SkipReason::NoServiceAccount if *is_offline => (
                format!("the ServiceAccount {namespace}/{account} is not among the documents, and no cluster was asked"),
                "add the document of the ServiceAccount".to_owned(),
            ),
            SkipReason::NoServiceAccount => (
                format!("the ServiceAccount {namespace}/{account} does not exist"),
                format!("{kubectl} -n {namespace} create serviceaccount {account} && {annotate}"),
            ),
            SkipReason::LookupFailed => (
                format!("whether the ServiceAccount {namespace}/{account} grants a role could not be found out"),
                format!("{kubectl} -n {namespace} get serviceaccount {account} -o yaml"),
            ),
            SkipReason::MirrorPod => (
                "it is a mirror Pod: the kubelet created it from a file of the node, and no webhook can change it".to_owned(),
                "run it as a Deployment or DaemonSet".to_owned(),
            ),
            SkipReason::AllContainersSkipped => (
                format!("every container that delivery sidecar would serve is listed in {prefix}/{SKIP_CONTAINERS}"),
                format!("take a container out of the Pod's annotation {prefix}/{SKIP_CONTAINERS}"),
            ),
            SkipReason::NotAPod => (
                "it has no list of containers, so Kubernetes would not run it".to_owned(),
                "give it spec.containers".to_owned(),
            ),
            SkipReason::Windows => (
                "delivery sidecar is the only one that serves real AWS, and it does not run on Windows".to_owned(),
                "run it on Linux, or use the emulator".to_owned(),
            ),
            SkipReason::HostNetwork => (
                "delivery sidecar cannot serve a Pod on the host's network: its port would be the host's".to_owned(),
                format!("annotate the Pod, or the Pod template of its workload, with {DELIVERY}=web-identity"),
            ),
        };
        Some(Finding::error(reason.as_str(), message, fix))
    }
}

fn skip_label() -> Finding {
    Finding::error(
        SkipReason::SkipLabel.as_str(),
        format!("the Pod's label {SKIP_LABEL} switches injection off, whatever its value is"),
        "remove the label from the Pod, or from the Pod template of its workload",
    )
}
