//! Where an object of a kind that irsa-emu does not know holds Pod templates, and what of it cannot be looked into.

use serde_json::Value;

use irsa_emu_cluster::kubernetes::kinds::SubjectKind;

/// API groups whose objects speak of Pods, and make none of what they write down.
const ABOUT_OTHERS: &[&str] = &[
    "admissionregistration.k8s.io/",
    "apiextensions.k8s.io/",
    "constraints.gatekeeper.sh/",
    "kyverno.io/",
    "mutations.gatekeeper.sh/",
    "policies.kyverno.io/",
    "rbac.authorization.k8s.io/",
    "templates.gatekeeper.sh/",
];
/// API groups of Kubernetes itself whose names have a dot. All of its kinds that make Pods are known.
const OF_KUBERNETES: &[&str] = &[
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];
/// How deep to look.
const DEEPEST: usize = 40;

/// What was found in an object.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Templates {
    /// JSON pointers to its Pod templates; empty text is the object itself.
    pub found: Vec<String>,
    /// Why it may make Pods that were not looked into.
    pub missed: Option<String>,
}

/// Looks for the Pod templates of an object.
#[must_use]
pub fn of(object: &Value) -> Templates {
    let mut templates = all_of(object);
    // In a Template of OpenShift, which account is meant is known when it is processed.
    let is_open = |pointer: &String| {
        let spec = object.pointer(pointer).map(|template| &template["spec"]);
        let accounts = spec.map(|spec| [&spec["serviceAccountName"], &spec["serviceAccount"]]);
        let mut names = accounts.into_iter().flatten().filter_map(Value::as_str);
        names.any(|name| name.contains("${"))
    };
    let (open, found) = templates.found.into_iter().partition(is_open);
    templates.found = found;
    let open: Vec<String> = open;
    if let Some(pointer) = open.first() {
        let why = format!(
            "the ServiceAccount of {} is a parameter",
            dotted(&format!("{pointer}/spec"))
        );
        templates.missed.get_or_insert(why);
    }
    templates
}

fn all_of(object: &Value) -> Templates {
    if let Some(kind) = SubjectKind::of(object) {
        return of_known(object, kind);
    }
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let is_about_others = ABOUT_OTHERS.iter().any(|group| api_version.starts_with(group));
    // The history of a StatefulSet or DaemonSet is data.
    if api_version.is_empty() || is_about_others || object["kind"] == "ControllerRevision" {
        return Templates::default();
    }
    let mut search = Search {
        is_foreign: api_version
            .split_once('/')
            .is_some_and(|(group, _)| group.contains('.') && !OF_KUBERNETES.contains(&group)),
        templates: Templates::default(),
    };
    search.look(object, "", 0);
    search.templates
}

fn of_known(object: &Value, kind: &SubjectKind) -> Templates {
    if object.pointer(kind.template).is_some_and(Value::is_object) {
        return Templates {
            found: vec![kind.template.to_owned()],
            missed: None,
        };
    }
    Templates {
        found: Vec::new(),
        missed: Some(format!("it has no Pod template at {}", dotted(kind.template))),
    }
}

struct Search {
    is_foreign: bool,
    templates: Templates,
}

impl Search {
    fn look(&mut self, value: &Value, pointer: &str, depth: usize) {
        match value {
            _ if depth > DEEPEST => {}
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.look(item, &format!("{pointer}/{index}"), depth + 1);
                }
            }
            Value::Object(members) => {
                if pointer.ends_with("/template") && is_list_of_containers(&value["spec"]["containers"]) {
                    self.templates.found.push(pointer.to_owned());
                    return;
                }
                let is_embedded = depth > 0 && value["kind"].is_string() && value["apiVersion"].is_string();
                if is_embedded && !of(value).found.is_empty() {
                    let kind = value["kind"].as_str().unwrap_or_default();
                    return self.miss(pointer, &format!("holds a {kind}"));
                }
                for (name, member) in members {
                    let below = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                    self.look_at_member(name, member, &below);
                    self.look(member, &below, depth + 1);
                }
            }
            _ => {}
        }
    }

    fn look_at_member(&mut self, name: &str, member: &Value, pointer: &str) {
        match name {
            "containers" if is_list_of_containers(member) => self.miss(pointer, "lists containers"),
            "container" if self.is_foreign && member["image"].is_string() => {
                self.miss(pointer, "has a container");
            }
            "serviceAccountName" | "serviceAccount" if self.is_foreign => {
                if let Some(account) = member.as_str().filter(|account| !account.is_empty()) {
                    self.miss(pointer, &format!("names the ServiceAccount {account}"));
                }
            }
            _ => {}
        }
    }

    fn miss(&mut self, pointer: &str, what: &str) {
        let why = || {
            format!(
                "{} {what}, and is not a Pod template that irsa-emu knows",
                dotted(pointer)
            )
        };
        self.templates.missed.get_or_insert_with(why);
    }
}

fn is_list_of_containers(value: &Value) -> bool {
    let is_container = |item: &Value| item["image"].is_string() || item["name"].is_string();
    value
        .as_array()
        .is_some_and(|items| items.iter().any(is_container))
}

/// A JSON pointer as people write paths.
#[must_use]
pub fn dotted(pointer: &str) -> String {
    let parts = pointer.split('/').skip(1);
    let parts = parts.map(|part| part.replace("~1", "/").replace("~0", "~"));
    parts.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template() -> Value {
        json!({"spec": {"serviceAccountName": "a", "containers": [{"name": "c", "image": "i"}]}})
    }

    #[test]
    fn kinds_that_are_not_known_are_served_where_they_have_a_pod_template() {
        for (object, expected) in [
            (
                json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "spec": {"template": template()}}),
                &["/spec/template"][..],
            ),
            (
                json!({"apiVersion": "extensions/v1beta1", "kind": "Deployment", "spec": {"template": template()}}),
                &["/spec/template"],
            ),
            (
                json!({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "spec": {"template": {"spec": {"containers": [{"image": "i"}]}}}}),
                &["/spec/template"],
            ),
            (
                json!({"apiVersion": "batch/v1beta1", "kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": template()}}}}),
                &["/spec/jobTemplate/spec/template"],
            ),
            (
                json!({"apiVersion": "ray.io/v1", "kind": "RayCluster", "spec": {
                    "headGroupSpec": {"template": template()}, "workerGroupSpecs": [{"template": template()}]}}),
                &[
                    "/spec/headGroupSpec/template",
                    "/spec/workerGroupSpecs/0/template",
                ],
            ),
            (
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {}}}),
                &["/spec/template"],
            ),
            (json!({"apiVersion": "v1", "kind": "Pod"}), &[""]),
        ] {
            let expected = Templates {
                found: expected.iter().map(|pointer| (*pointer).to_owned()).collect(),
                missed: None,
            };
            assert_eq!(of(&object), expected, "{object}");
        }
    }

    #[test]
    fn what_may_make_pods_otherwise_is_named() {
        for (object, expected) in [
            (
                json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "spec": {"serviceAccountName": "p"}}),
                "spec.serviceAccountName names the ServiceAccount p",
            ),
            (
                json!({"apiVersion": "sparkoperator.k8s.io/v1beta2", "kind": "SparkApplication", "spec": {"driver": {"serviceAccount": "s"}}}),
                "spec.driver.serviceAccount names the ServiceAccount s",
            ),
            (
                json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {"templates": [{"container": {"image": "i"}}]}}),
                "spec.templates.0.container has a container",
            ),
            (
                json!({"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "spec": {"podTemplate": template()}}),
                "spec.podTemplate.spec.containers lists containers",
            ),
            (
                json!({"apiVersion": "work.open-cluster-management.io/v1", "kind": "ManifestWork", "spec": {"workload": {"manifests": [
                    {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": template()}}]}}}),
                "spec.workload.manifests.0 holds a Deployment",
            ),
            (
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {}}),
                "it has no Pod template at spec.template",
            ),
            (
                json!({"apiVersion": "v1", "kind": "Pod", "spec": {"serviceAccountName": "${NAME}-web", "containers": []}}),
                "the ServiceAccount of spec is a parameter",
            ),
        ] {
            let templates = of(&object);
            assert!(templates.found.is_empty(), "{object}");
            assert!(
                templates
                    .missed
                    .as_ref()
                    .is_some_and(|why| why.starts_with(expected)),
                "{templates:?}"
            );
        }
    }

    #[test]
    fn what_only_speaks_of_pods_is_passed_over() {
        for object in [
            json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "spec": {"rules": [{"mutate": {"x": {"template": template()}}}]}}),
            json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "data": {"spec": {"template": template()}}}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "subjects": [{"kind": "ServiceAccount", "name": "a"}]}),
            json!({"apiVersion": "v1", "kind": "ServiceAccount"}),
            json!({"kind": "Deployment", "spec": {"template": template()}}),
            json!("text"),
        ] {
            assert_eq!(of(&object), Templates::default(), "{object}");
        }
    }
}
