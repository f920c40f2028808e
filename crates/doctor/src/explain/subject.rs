//! The object that is explained, and the Pod that it is or would make.

use irsa_emu_cluster::kubernetes::workload::{Workload, WorkloadKind};
use irsa_emu_core::plain::plain;
use serde_json::{Value, json};

use super::templates;

/// What is explained.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Its kind.
    pub kind: String,
    /// Its Namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where its Pod template is, as a JSON pointer; empty for the Pod itself.
    pub template: String,
    /// Whether its object has more than this one.
    pub is_one_of_several: bool,
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
    /// The subject that an object is; `None` for kinds that make no Pods.
    #[must_use]
    pub fn of_object(object: &Value, default_namespace: &str) -> Option<Self> {
        Self::all_of(object, default_namespace).into_iter().next()
    }

    /// The subjects that an object of a file is: one for each of its Pod templates.
    #[must_use]
    pub fn all_of(object: &Value, default_namespace: &str) -> Vec<Self> {
        let namespace = namespace_of(object, default_namespace).to_owned();
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let name = text("/metadata/name").or_else(|| text("/metadata/generateName"));
        let name = name.unwrap_or_default().to_owned();
        if object["apiVersion"] == "v1" && object["kind"] == "ServiceAccount" {
            return vec![Self::of_account(&namespace, &name)];
        }
        let found = templates::of(object).found;
        let is_one_of_several = found.len() > 1;
        let subject = |template: String| {
            let mut pod = if template.is_empty() {
                object.clone()
            } else {
                of_template(object.pointer(&template)?, &namespace)
            };
            // Of the Pod itself; that of a template is made with it.
            default_service_account(&mut pod);
            Some(Self {
                kind: text("/kind").unwrap_or_default().to_owned(),
                namespace: namespace.clone(),
                name: name.clone(),
                template,
                is_one_of_several,
                pod,
                live: None,
            })
        };
        found.into_iter().filter_map(subject).collect()
    }

    /// A ServiceAccount, explained by the plainest Pod that runs as it.
    #[must_use]
    pub fn of_account(namespace: &str, name: &str) -> Self {
        Self {
            kind: "ServiceAccount".to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            template: String::new(),
            is_one_of_several: false,
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

    /// Whether a container sets a variable of AWS by itself.
    #[must_use]
    pub fn sets_aws_variables(&self) -> bool {
        let spec = &self.pod["spec"];
        let lists = [&spec["containers"], &spec["initContainers"]];
        let containers = lists.into_iter().filter_map(Value::as_array).flatten();
        let mut variables = containers
            .filter_map(|container| container["env"].as_array())
            .flatten();
        variables.any(|variable| {
            variable["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("AWS_"))
        })
    }

    /// The workload that a Pod belongs to in the end, where it is one whose Pods can be replaced.
    #[must_use]
    pub fn workload(&self) -> Option<Workload> {
        let (kind, name) = self.live.as_ref()?.workload.as_ref()?;
        Some(Workload {
            kind: WorkloadKind::named(kind)?,
            namespace: self.namespace.clone(),
            name: name.clone(),
        })
    }

    /// What it is, for people: its kind, Namespace and name, and its Pod template where there are several.
    #[must_use]
    pub fn title(&self) -> String {
        titled(
            &self.kind,
            &self.namespace,
            &self.name,
            self.template_name().as_deref(),
        )
    }

    /// Its Pod template, where its object has several.
    #[must_use]
    pub fn template_name(&self) -> Option<String> {
        self.is_one_of_several.then(|| templates::dotted(&self.template))
    }
}

/// An object as lines name it.
#[must_use]
pub fn titled(kind: &str, namespace: &str, name: &str, template: Option<&str>) -> String {
    let template = template.map_or_else(String::new, |template| format!(" ({template})"));
    plain(&format!("{kind} {namespace}/{name}{template}")).into_owned()
}

/// An object of any kind as lines name it.
#[must_use]
pub fn object_title(object: &Value, default_namespace: &str) -> String {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let namespace = namespace_of(object, default_namespace);
    titled(text("/kind"), namespace, text("/metadata/name"), None)
}

/// The Namespace of an object; an empty one is none, as in kubectl.
#[must_use]
pub fn namespace_of<'a>(object: &'a Value, default_namespace: &'a str) -> &'a str {
    let named = object.pointer("/metadata/namespace").and_then(Value::as_str);
    named
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or(default_namespace)
}

/// Copies the old field `serviceAccount` into an empty `serviceAccountName`, as the API server does before any webhook sees
/// the Pod.
fn default_service_account(pod: &mut Value) {
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    let is_empty = spec
        .get("serviceAccountName")
        .is_none_or(|name| name.is_null() || name == "");
    if is_empty
        && let Some(alias) = spec
            .get("serviceAccount")
            .filter(|alias| alias.is_string())
            .cloned()
    {
        spec.insert("serviceAccountName".to_owned(), alias);
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
    default_service_account(&mut pod);
    pod
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_server_defaults_before_the_webhook_is_defaulted() {
        for (spec, account) in [
            (json!({"serviceAccount": "old"}), "old"),
            (json!({"serviceAccount": "old", "serviceAccountName": ""}), "old"),
            (
                json!({"serviceAccount": "old", "serviceAccountName": null}),
                "old",
            ),
            (
                json!({"serviceAccount": "old", "serviceAccountName": "new"}),
                "new",
            ),
            (json!({"serviceAccount": ""}), "default"),
            (json!({}), "default"),
        ] {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": ""}, "spec": spec});
            let subject = Subject::of_object(&pod, "shop").unwrap();
            assert_eq!(
                (subject.namespace.as_str(), subject.service_account()),
                ("shop", account),
                "{pod}"
            );
            let job = json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": spec}}});
            assert_eq!(
                Subject::of_object(&job, "shop").unwrap().service_account(),
                account,
                "{job}"
            );
        }
    }

    #[test]
    fn every_pod_template_of_an_object_is_a_subject() {
        let template = json!({"spec": {"containers": [{"name": "c"}]}});
        let object = json!({"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "r\n"},
            "spec": {"headGroupSpec": {"template": template}, "workerGroupSpecs": [{"template": template}]}});
        let titles: Vec<String> = Subject::all_of(&object, "ml")
            .iter()
            .map(Subject::title)
            .collect();
        assert_eq!(
            titles,
            [
                "RayCluster ml/r\\n (spec.headGroupSpec.template)",
                "RayCluster ml/r\\n (spec.workerGroupSpecs.0.template)"
            ]
        );
    }
}
