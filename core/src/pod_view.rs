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
    pub(crate) fn is_windows(self) -> bool {
        ["kubernetes.io/os", "beta.kubernetes.io/os"]
            .iter()
            .any(|key| self.spec()["nodeSelector"][*key] == "windows")
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

    /// The volume that is mounted at a path, if any.
    pub(crate) fn volume_at(self, path: &str) -> Option<&'a str> {
        let mounts = self.raw.get("volumeMounts")?.as_array()?;
        let same = |mount: &&Value| {
            mount["mountPath"]
                .as_str()
                .is_some_and(|p| p.trim_end_matches('/') == path)
        };
        mounts.iter().find(same)?.get("name")?.as_str()
    }
}

/// Whether a list of objects has one of this name.
fn named(list: &Value, name: &str) -> bool {
    list.as_array()
        .is_some_and(|items| items.iter().any(|item| item["name"] == name))
}
