//! The object that is explained, and the Pod that it is or would make.

use serde_json::{Value, json};

/// A kind that is, or makes, Pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
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
) -> Kind {
    Kind {
        name,
        api_version,
        plural,
        short,
        template,
    }
}

/// The kinds that are, or make, Pods.
pub const KINDS: [Kind; 9] = [
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

impl Kind {
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

/// What is explained.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Its kind.
    pub kind: String,
    /// Its Namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The Pod that it is, or that it would make.
    pub pod: Value,
    /// What is known of a Pod that runs.
    pub live: Option<Live>,
}

/// What is known of a Pod that runs beside itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Live {
    /// The Pod that its controller would make in its place.
    pub successor: Option<Value>,
    /// Kind and name of the workload that it belongs to in the end.
    pub workload: Option<(String, String)>,
    /// Whether its controller replaces Pods only when they are deleted (update strategy `OnDelete`).
    pub replaced_on_delete: bool,
}

impl Subject {
    /// The subject that an object of a file is; `None` for kinds that make no Pods.
    #[must_use]
    pub fn of_object(object: &Value, default_namespace: &str) -> Option<Self> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let namespace = text("/metadata/namespace")
            .unwrap_or(default_namespace)
            .to_owned();
        let name = text("/metadata/name").or_else(|| text("/metadata/generateName"));
        let name = name.unwrap_or_default().to_owned();
        let (kind, pod) = match Kind::of(object) {
            Some(kind) if kind.template.is_empty() => (kind.name, object.clone()),
            Some(kind) => (kind.name, of_template(object.pointer(kind.template)?, &namespace)),
            None if object["apiVersion"] == "v1" && object["kind"] == "ServiceAccount" => {
                return Some(Self::of_account(&namespace, &name));
            }
            None => return None,
        };
        Some(Self {
            kind: kind.to_owned(),
            namespace,
            name,
            pod,
            live: None,
        })
    }

    /// A ServiceAccount, explained by the plainest Pod that runs as it.
    #[must_use]
    pub fn of_account(namespace: &str, name: &str) -> Self {
        Self {
            kind: "ServiceAccount".to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            pod: json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace},
                "spec": {"serviceAccountName": name, "containers": [{"name": "app"}]},
            }),
            live: None,
        }
    }

    /// The ServiceAccount that its Pods run as.
    #[must_use]
    pub fn service_account(&self) -> &str {
        let named = self
            .pod
            .pointer("/spec/serviceAccountName")
            .and_then(Value::as_str);
        named.filter(|name| !name.is_empty()).unwrap_or("default")
    }
}

/// The Pod that a template makes in a Namespace.
#[must_use]
pub fn of_template(template: &Value, namespace: &str) -> Value {
    let mut pod = template.clone();
    if let Some(members) = pod.as_object_mut() {
        members.insert("apiVersion".to_owned(), json!("v1"));
        members.insert("kind".to_owned(), json!("Pod"));
        let metadata = members.entry("metadata").or_insert_with(|| json!({}));
        if metadata.is_null() {
            *metadata = json!({});
        }
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
    }
    pod
}
