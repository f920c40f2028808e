//! Reads a Pod's raw JSON without ever turning it into typed objects, so that no field is lost.

use serde_json::Value;

/// The list a container stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContainerList {
    Init,
    App,
}

impl ContainerList {
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::App => "containers",
        }
    }
}

/// A Pod as raw JSON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PodView<'a>(&'a Value);

/// What a field of a Pod may hold; null and absence are always allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Flag,
    Object,
    /// An object whose members are texts.
    Texts,
    /// A list of objects.
    List,
}

impl Kind {
    fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Null)
            | (Self::Text, Value::String(_))
            | (Self::Flag, Value::Bool(_))
            | (Self::Object, Value::Object(_)) => true,
            (Self::Texts, Value::Object(members)) => members.values().all(|member| Self::Text.holds(member)),
            (Self::List, Value::Array(items)) => items.iter().all(Value::is_object),
            _ => false,
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Flag => "true or false",
            Self::Object => "an object",
            Self::Texts => "an object of strings",
            Self::List => "a list of objects",
        }
    }
}

const METADATA: [(&str, Kind); 4] = [
    ("annotations", Kind::Texts),
    ("labels", Kind::Texts),
    ("name", Kind::Text),
    ("generateName", Kind::Text),
];
const SPEC: [(&str, Kind); 7] = [
    ("containers", Kind::List),
    ("initContainers", Kind::List),
    ("volumes", Kind::List),
    ("nodeSelector", Kind::Texts),
    ("os", Kind::Object),
    ("serviceAccountName", Kind::Text),
    ("hostNetwork", Kind::Flag),
];
const CONTAINER: [(&str, Kind); 5] = [
    ("name", Kind::Text),
    ("env", Kind::List),
    ("envFrom", Kind::List),
    ("volumeMounts", Kind::List),
    ("volumeDevices", Kind::List),
];

/// The first field whose type is not the one that Kubernetes gives it, as a sentence; only fields that are read here.
pub(crate) fn wrong_type(pod: &Value) -> Option<String> {
    if !pod.is_object() {
        return Some("Pod: expected an object".to_owned());
    }
    fields("Pod", pod, &[("metadata", Kind::Object), ("spec", Kind::Object)])
        .or_else(|| fields("Pod.metadata", &pod["metadata"], &METADATA))
        .or_else(|| fields("Pod.spec", &pod["spec"], &SPEC))
        .or_else(|| {
            let mut containers = PodView(pod).all_containers();
            containers.find_map(|container| {
                let place = || format!("Pod.spec.{}[{}]", container.list.key(), container.index);
                let wrong = CONTAINER
                    .iter()
                    .find(|(name, kind)| container.raw.get(name).is_some_and(|value| !kind.holds(value)))?;
                Some(format!(
                    "{}.{}: expected {}",
                    place(),
                    wrong.0,
                    wrong.1.describe()
                ))
            })
        })
}

fn fields(place: &str, object: &Value, known: &[(&str, Kind)]) -> Option<String> {
    let wrong = known
        .iter()
        .find(|(name, kind)| object.get(name).is_some_and(|value| !kind.holds(value)))?;
    Some(format!("{place}.{}: expected {}", wrong.0, wrong.1.describe()))
}

/// One container of a Pod.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContainerView<'a> {
    /// The list it stands in.
    pub(crate) list: ContainerList,
    /// Its position in that list before the patch.
    pub(crate) index: usize,
    /// The container itself.
    pub(crate) raw: &'a Value,
}

impl<'a> PodView<'a> {
    /// A view of a Pod, or `None` where the value has no list of containers.
    pub(crate) fn new(pod: &'a Value) -> Option<Self> {
        pod.get("spec")?.get("containers")?.as_array()?;
        Some(Self(pod))
    }

    pub(crate) fn raw(self) -> &'a Value {
        self.0
    }

    pub(crate) fn spec(self) -> &'a Value {
        &self.0["spec"]
    }

    pub(crate) fn annotation(self, name: &str) -> Option<&'a str> {
        self.0.get("metadata")?.get("annotations")?.get(name)?.as_str()
    }

    pub(crate) fn annotations(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let annotations = self
            .0
            .get("metadata")
            .and_then(|metadata| metadata.get("annotations"))
            .and_then(Value::as_object);
        annotations
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    pub(crate) fn has_annotation(self, name: &str) -> bool {
        self.0["metadata"]["annotations"].get(name).is_some()
    }

    pub(crate) fn has_label(self, name: &str) -> bool {
        self.0["metadata"]["labels"].get(name).is_some()
    }

    pub(crate) fn containers(self, list: ContainerList) -> impl Iterator<Item = ContainerView<'a>> {
        let items = self
            .spec()
            .get(list.key())
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        items
            .iter()
            .enumerate()
            .map(move |(index, raw)| ContainerView { list, index, raw })
    }

    pub(crate) fn all_containers(self) -> impl Iterator<Item = ContainerView<'a>> {
        self.containers(ContainerList::Init)
            .chain(self.containers(ContainerList::App))
    }

    pub(crate) fn has_volume(self, name: &str) -> bool {
        named(&self.spec()["volumes"], name)
    }

    pub(crate) fn is_host_network(self) -> bool {
        self.spec()["hostNetwork"] == Value::Bool(true)
    }

    /// Whether EKS would take the Pod for a Windows one: by node selector only.
    pub(crate) fn selects_windows(self) -> bool {
        ["kubernetes.io/os", "beta.kubernetes.io/os"]
            .iter()
            .any(|key| self.spec()["nodeSelector"][*key] == "windows")
    }

    /// Whether the Pod is a Windows one.
    pub(crate) fn is_windows(self) -> bool {
        self.selects_windows() || self.spec()["os"]["name"] == "windows"
    }

    /// Whether the Pod has resources of its own beside those of its containers, which then may not ask for more.
    pub(crate) fn has_own_resources(self) -> bool {
        self.spec().get("resources").is_some_and(Value::is_object)
    }
}

impl<'a> ContainerView<'a> {
    pub(crate) fn name(self) -> &'a str {
        self.raw.get("name").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether the container sets a variable, whatever its value or source. `envFrom` is not looked at, as in EKS.
    pub(crate) fn sets(self, variable: &str) -> bool {
        named(&self.raw["env"], variable)
    }

    pub(crate) fn sets_any(self, variables: &[&str]) -> bool {
        variables.iter().any(|variable| self.sets(variable))
    }

    pub(crate) fn mounts_volume(self, name: &str) -> bool {
        named(&self.raw["volumeMounts"], name)
    }

    /// The volume that is mounted, or the device that is, at a path, if any.
    pub(crate) fn volume_at(self, path: &str) -> Option<&'a str> {
        let at = |list: &str, key: &str| {
            let items = self.raw.get(list)?.as_array()?;
            let there = items
                .iter()
                .find(|item| item[key].as_str().is_some_and(|other| same_path(other, path)));
            Some(there?.get("name")?.as_str().unwrap_or_default())
        };
        at("volumeMounts", "mountPath").or_else(|| at("volumeDevices", "devicePath"))
    }

    /// Sources of `envFrom` whose name suggests that they hold keys of AWS, as `kind name`.
    pub(crate) fn suspicious_sources(self) -> impl Iterator<Item = String> {
        let sources = self
            .raw
            .get("envFrom")
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let named = |source: &Value, key: &str, kind: &str| {
            let name = source.get(key)?.get("name")?.as_str()?;
            let suspicious = name.to_ascii_lowercase().contains("aws");
            suspicious.then(|| format!("{kind} {name}"))
        };
        sources.iter().filter_map(move |source| {
            named(source, "secretRef", "Secret").or_else(|| named(source, "configMapRef", "ConfigMap"))
        })
    }
}

/// Whether two paths are one place, however many slashes they are written with.
fn same_path(a: &str, b: &str) -> bool {
    fn steps(path: &str) -> impl Iterator<Item = &str> {
        path.split('/').filter(|step| !step.is_empty() && *step != ".")
    }
    steps(a).eq(steps(b))
}

/// Whether a list of objects has one of this name.
fn named(list: &Value, name: &str) -> bool {
    list.as_array()
        .is_some_and(|items| items.iter().any(|item| item["name"] == name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_kubernetes_would_not_decode_is_told_by_its_place() {
        for (pod, told) in [
            (json!([]), "Pod: expected an object"),
            (json!({"spec": "x"}), "Pod.spec: expected an object"),
            (
                json!({"metadata": {"labels": {"a": 1}}}),
                "Pod.metadata.labels: expected an object of strings",
            ),
            (
                json!({"spec": {"containers": {}}}),
                "Pod.spec.containers: expected a list of objects",
            ),
            (
                json!({"spec": {"containers": [null]}}),
                "Pod.spec.containers: expected a list of objects",
            ),
            (
                json!({"spec": {"hostNetwork": "true"}}),
                "Pod.spec.hostNetwork: expected true or false",
            ),
            (
                json!({"spec": {"initContainers": [{}, {"env": "x"}]}}),
                "Pod.spec.initContainers[1].env: expected a list of objects",
            ),
        ] {
            assert_eq!(wrong_type(&pod).as_deref(), Some(told), "{pod}");
        }
        for pod in [
            json!({}),
            json!({"metadata": null, "spec": null}),
            json!({"spec": {"containers": [{"env": null}], "other": 1}}),
        ] {
            assert_eq!(wrong_type(&pod), None, "{pod}");
        }
    }

    #[test]
    fn one_place_has_many_spellings() {
        for path in ["/a/b", "/a/b/", "/a//b", "/a/./b"] {
            assert!(same_path(path, "/a/b"), "{path}");
        }
        assert!(!same_path("/a/bc", "/a/b") && !same_path("/a", "/a/b"));
    }
}
