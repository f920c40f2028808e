//! The kinds that are, or make, Pods.

use serde_json::Value;

/// A kind that is, or makes, Pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectKind {
    /// Its name.
    pub name: &'static str,
    /// API group and version.
    pub api_version: &'static str,
    /// Its name in paths of the API server.
    pub plural: &'static str,
    /// Other names that users type.
    pub short: &'static [&'static str],
    /// Where its Pod template is; empty for the Pod itself.
    pub template: &'static str,
}

const fn kind(
    name: &'static str,
    api_version: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    template: &'static str,
) -> SubjectKind {
    SubjectKind {
        name,
        api_version,
        plural,
        short,
        template,
    }
}

/// The kinds that are, or make, Pods.
pub const KINDS: [SubjectKind; 9] = [
    kind("Pod", "v1", "pods", &["po"], ""),
    kind(
        "ReplicationController",
        "v1",
        "replicationcontrollers",
        &["rc"],
        "/spec/template",
    ),
    kind(
        "Deployment",
        "apps/v1",
        "deployments",
        &["deploy"],
        "/spec/template",
    ),
    kind(
        "StatefulSet",
        "apps/v1",
        "statefulsets",
        &["sts"],
        "/spec/template",
    ),
    kind("DaemonSet", "apps/v1", "daemonsets", &["ds"], "/spec/template"),
    kind("ReplicaSet", "apps/v1", "replicasets", &["rs"], "/spec/template"),
    kind("Job", "batch/v1", "jobs", &[], "/spec/template"),
    kind(
        "CronJob",
        "batch/v1",
        "cronjobs",
        &["cj"],
        "/spec/jobTemplate/spec/template",
    ),
    kind("PodTemplate", "v1", "podtemplates", &[], "/template"),
];

impl SubjectKind {
    /// The kind that a user means by a word.
    #[must_use]
    pub fn typed(word: &str) -> Option<&'static Self> {
        let word = word.to_ascii_lowercase();
        KINDS.iter().find(|kind| {
            kind.name.to_ascii_lowercase() == word
                || kind.plural == word
                || kind.short.contains(&word.as_str())
        })
    }

    /// The kind of an object.
    #[must_use]
    pub fn of(object: &Value) -> Option<&'static Self> {
        let (api_version, name) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
        KINDS
            .iter()
            .find(|kind| kind.name == name && kind.api_version == api_version)
    }
}
