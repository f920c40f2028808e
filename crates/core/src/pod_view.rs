//! Reads of a Pod what decisions look at, borrowed from its text. Everything else is passed over, and so never lost: a
//! patch speaks of places, and what stands there stays what it is.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::grant::is_annotation;

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

/// A Pod, or whatever object was sent as one.
#[derive(Debug)]
pub struct PodView<'a>(Pod<'a>);

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Pod<'a> {
    #[serde(borrow, deserialize_with = "object")]
    metadata: Option<Metadata<'a>>,
    #[serde(borrow, deserialize_with = "object")]
    spec: Option<Spec<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    generate_name: Text<'a>,
    namespace: Text<'a>,
    labels: Option<Texts<'a>>,
    annotations: Option<Texts<'a>>,
    #[serde(borrow, deserialize_with = "list")]
    owner_references: Option<Vec<Owner<'a>>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow, deserialize_with = "list")]
    containers: Option<Vec<Container<'a>>>,
    #[serde(borrow, deserialize_with = "list")]
    init_containers: Option<Vec<Container<'a>>>,
    #[serde(borrow, deserialize_with = "list")]
    volumes: Option<Vec<Named<'a>>>,
    service_account_name: Text<'a>,
    host_network: Option<bool>,
    node_selector: Option<Texts<'a>>,
    #[serde(borrow, deserialize_with = "object")]
    os: Option<Named<'a>>,
    #[serde(deserialize_with = "object")]
    resources: Option<IgnoredAny>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Container<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow, deserialize_with = "list")]
    env: Option<Vec<Named<'a>>>,
    #[serde(borrow, deserialize_with = "list")]
    env_from: Option<Vec<Source<'a>>>,
    #[serde(borrow, deserialize_with = "list")]
    volume_mounts: Option<Vec<VolumeMount<'a>>>,
    #[serde(borrow, deserialize_with = "list")]
    volume_devices: Option<Vec<VolumeDevice<'a>>>,
}

/// An object of which only the name matters.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Named<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

/// An item of `envFrom`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Source<'a> {
    #[serde(borrow, deserialize_with = "object")]
    secret_ref: Option<Named<'a>>,
    #[serde(borrow, deserialize_with = "object")]
    config_map_ref: Option<Named<'a>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct VolumeMount<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    mount_path: Text<'a>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct VolumeDevice<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    device_path: Text<'a>,
}

/// Who a Pod belongs to.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Owner<'a> {
    /// API group and version of its kind.
    #[serde(borrow)]
    pub api_version: Text<'a>,
    /// Its kind.
    pub kind: Text<'a>,
    /// Its name.
    pub name: Text<'a>,
    /// Its uid.
    pub uid: Text<'a>,
    controller: Option<bool>,
}

// ---- reading ---------------------------------------------------------------------------------------------------

/// A string as a document has it: borrowed where it is written without escapes, empty where it is null.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text<'a>(Cow<'a, str>);

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E: Error>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// An object whose members are strings or null, in the order of the document. Of equal keys, the last one wins.
#[derive(Debug, Default)]
pub(crate) struct Texts<'a>(Vec<(Text<'a>, Option<Text<'a>>)>);

impl Texts<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.find(|other| other == key)
    }

    fn find(&self, is_it: impl Fn(&str) -> bool) -> Option<&str> {
        let member = self.0.iter().rev().find(|(key, _)| is_it(key));
        member?.1.as_deref()
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.0.iter().any(|(other, _)| &**other == key)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Texts<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Texts(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// What is written as an object, and not as a list of its fields, which serde takes for one too.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Object<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Reader(PhantomData))
    }
}

/// A list of objects.
struct List<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = List<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of objects")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(Object(item)) = seq.next_element()? {
                    items.push(item);
                }
                Ok(List(items))
            }
        }
        deserializer.deserialize_seq(Reader(PhantomData))
    }
}

fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|Object(object)| object))
}

fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Vec<T>>, D::Error> {
    Ok(Option::<List<T>>::deserialize(deserializer)?.map(|List(items)| items))
}

impl<'de: 'a, 'a> Deserialize<'de> for PodView<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Object::deserialize(deserializer).map(|Object(pod)| Self(pod))
    }
}

// ---- what cannot be read ---------------------------------------------------------------------------------------

/// What a field of a Pod may hold; null and absence are always allowed.
#[derive(Debug, Clone, Copy)]
enum FieldKind {
    Text,
    Flag,
    /// An object whose members are strings.
    Texts,
    Object(&'static [Member]),
    /// A list of objects.
    List(&'static [Member]),
}

type Member = (&'static str, FieldKind);

const NAMED: &[Member] = &[("name", FieldKind::Text)];
const CONTAINER: &[Member] = &[
    ("name", FieldKind::Text),
    ("env", FieldKind::List(NAMED)),
    (
        "envFrom",
        FieldKind::List(&[
            ("secretRef", FieldKind::Object(NAMED)),
            ("configMapRef", FieldKind::Object(NAMED)),
        ]),
    ),
    (
        "volumeMounts",
        FieldKind::List(&[("name", FieldKind::Text), ("mountPath", FieldKind::Text)]),
    ),
    (
        "volumeDevices",
        FieldKind::List(&[("name", FieldKind::Text), ("devicePath", FieldKind::Text)]),
    ),
];
const METADATA: &[Member] = &[
    ("annotations", FieldKind::Texts),
    ("labels", FieldKind::Texts),
    ("name", FieldKind::Text),
    ("generateName", FieldKind::Text),
    ("namespace", FieldKind::Text),
    (
        "ownerReferences",
        FieldKind::List(&[
            ("apiVersion", FieldKind::Text),
            ("kind", FieldKind::Text),
            ("name", FieldKind::Text),
            ("uid", FieldKind::Text),
            ("controller", FieldKind::Flag),
        ]),
    ),
];
const SPEC: &[Member] = &[
    ("containers", FieldKind::List(CONTAINER)),
    ("initContainers", FieldKind::List(CONTAINER)),
    ("volumes", FieldKind::List(NAMED)),
    ("nodeSelector", FieldKind::Texts),
    ("os", FieldKind::Object(NAMED)),
    ("serviceAccountName", FieldKind::Text),
    ("hostNetwork", FieldKind::Flag),
    ("resources", FieldKind::Object(&[])),
];
const POD: FieldKind = FieldKind::Object(&[
    ("metadata", FieldKind::Object(METADATA)),
    ("spec", FieldKind::Object(SPEC)),
]);

impl FieldKind {
    fn describe(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Flag => "true or false",
            Self::Texts => "an object of strings",
            Self::Object(_) => "an object",
            Self::List(_) => "a list of objects",
        }
    }

    /// The first place in a value, which stands at `place`, that is not of its kind.
    fn problem(self, place: &str, value: &Value) -> Option<String> {
        match (self, value) {
            (_, Value::Null) | (Self::Text, Value::String(_)) | (Self::Flag, Value::Bool(_)) => None,
            (Self::Texts, Value::Object(members))
                if members
                    .values()
                    .all(|member| member.is_string() || member.is_null()) =>
            {
                None
            }
            (Self::Object(known), Value::Object(members)) => known.iter().find_map(|(name, kind)| {
                let member = members.get(*name)?;
                kind.problem(&format!("{place}.{name}"), member)
            }),
            (Self::List(known), Value::Array(items)) if items.iter().all(Value::is_object) => {
                let mut numbered = items.iter().enumerate();
                numbered
                    .find_map(|(index, item)| Self::Object(known).problem(&format!("{place}[{index}]"), item))
            }
            _ => Some(format!("{place}: expected {}", self.describe())),
        }
    }
}

/// Why an object cannot be read as a [`PodView`], as a sentence that names a place and quotes nothing that stands there.
///
/// Slow, as it wants the whole document: for objects that could not be read.
#[must_use]
pub fn problem(object: &Value) -> String {
    let problem = match object {
        Value::Null => None,
        object => POD.problem("Pod", object),
    };
    problem.unwrap_or_else(|| match object {
        Value::Object(_) => "Pod: expected every field once".to_owned(),
        _ => format!("Pod: expected {}", POD.describe()),
    })
}

// ---- looking ---------------------------------------------------------------------------------------------------

/// One container of a Pod.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContainerView<'a> {
    /// The list it stands in.
    pub(crate) list: ContainerList,
    /// Its position in that list before the patch.
    pub(crate) index: usize,
    container: &'a Container<'a>,
}

impl<'a> PodView<'a> {
    /// Reads a document; the error is the sentence of [`problem`].
    pub fn of(object: &'a Value) -> Result<Self, String> {
        Self::deserialize(object).map_err(|_| problem(object))
    }

    /// The Namespace that the object itself names, empty where it names none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata().map_or("", |metadata| &metadata.namespace)
    }

    /// The Pod's name, or what its name will begin with; empty where it has neither.
    #[must_use]
    pub fn name(&self) -> &str {
        let Some(metadata) = self.metadata() else {
            return "";
        };
        if metadata.name.is_empty() {
            &metadata.generate_name
        } else {
            &metadata.name
        }
    }

    /// The Pod's ServiceAccount: `default` where it names none.
    #[must_use]
    pub fn service_account(&self) -> &str {
        match self.spec() {
            Some(spec) if !spec.service_account_name.is_empty() => &spec.service_account_name,
            _ => "default",
        }
    }

    /// The controller that made the Pod.
    #[must_use]
    pub fn controller(&self) -> Option<&Owner<'a>> {
        let mut owners = self.metadata()?.owner_references.iter().flatten();
        owners.find(|owner| owner.controller == Some(true))
    }

    fn metadata(&self) -> Option<&Metadata<'a>> {
        self.0.metadata.as_ref()
    }

    fn spec(&self) -> Option<&Spec<'a>> {
        self.0.spec.as_ref()
    }

    /// Whether the object has what makes it a Pod: a list of containers.
    pub(crate) fn is_pod(&self) -> bool {
        self.spec().is_some_and(|spec| spec.containers.is_some())
    }

    pub(crate) fn has_metadata(&self) -> bool {
        self.metadata().is_some()
    }

    pub(crate) fn annotations(&self) -> Option<&Texts<'a>> {
        self.metadata()?.annotations.as_ref()
    }

    pub(crate) fn labels(&self) -> Option<&Texts<'a>> {
        self.metadata()?.labels.as_ref()
    }

    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations()?.get(key)
    }

    /// The annotation `<prefix>/<name>`.
    pub(crate) fn annotation_of(&self, prefix: &str, name: &str) -> Option<&str> {
        self.annotations()?.find(|key| is_annotation(key, prefix, name))
    }

    /// The annotations whose value is not null.
    pub(crate) fn all_annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        let members = self.annotations().into_iter().flat_map(|texts| &texts.0);
        members.filter_map(|(key, value)| Some((&**key, value.as_deref()?)))
    }

    pub(crate) fn has_annotation(&self, key: &str) -> bool {
        self.annotations().is_some_and(|texts| texts.contains(key))
    }

    pub(crate) fn has_label(&self, key: &str) -> bool {
        self.labels().is_some_and(|texts| texts.contains(key))
    }

    pub(crate) fn has_list(&self, list: ContainerList) -> bool {
        self.list(list).is_some()
    }

    fn list(&self, list: ContainerList) -> Option<&[Container<'a>]> {
        let spec = self.spec()?;
        match list {
            ContainerList::Init => spec.init_containers.as_deref(),
            ContainerList::App => spec.containers.as_deref(),
        }
    }

    pub(crate) fn containers(&self, list: ContainerList) -> impl Iterator<Item = ContainerView<'_>> {
        let containers = self.list(list).unwrap_or_default();
        containers
            .iter()
            .enumerate()
            .map(move |(index, container)| ContainerView {
                list,
                index,
                container,
            })
    }

    pub(crate) fn all_containers(&self) -> impl Iterator<Item = ContainerView<'_>> {
        self.containers(ContainerList::Init)
            .chain(self.containers(ContainerList::App))
    }

    pub(crate) fn has_volumes(&self) -> bool {
        self.spec().is_some_and(|spec| spec.volumes.is_some())
    }

    pub(crate) fn has_volume(&self, name: &str) -> bool {
        self.spec().is_some_and(|spec| named(spec.volumes.as_ref(), name))
    }

    pub(crate) fn is_host_network(&self) -> bool {
        self.spec().is_some_and(|spec| spec.host_network == Some(true))
    }

    /// Whether EKS would take the Pod for a Windows one: by node selector only.
    pub(crate) fn selects_windows(&self) -> bool {
        let selector = self.spec().and_then(|spec| spec.node_selector.as_ref());
        selector.is_some_and(|selector| {
            ["kubernetes.io/os", "beta.kubernetes.io/os"]
                .iter()
                .any(|key| selector.get(key) == Some("windows"))
        })
    }

    /// Whether the Pod is a Windows one.
    pub(crate) fn is_windows(&self) -> bool {
        let os = self.spec().and_then(|spec| spec.os.as_ref());
        self.selects_windows() || os.is_some_and(|os| &*os.name == "windows")
    }

    /// Whether the Pod has resources of its own beside those of its containers, which then may not ask for more.
    pub(crate) fn has_own_resources(&self) -> bool {
        self.spec().is_some_and(|spec| spec.resources.is_some())
    }
}

impl<'a> ContainerView<'a> {
    /// A container in the same place that is as good as empty.
    pub(crate) fn emptied<'b>(self, nothing: &'b Container<'b>) -> ContainerView<'b> {
        ContainerView {
            list: self.list,
            index: self.index,
            container: nothing,
        }
    }

    pub(crate) fn name(self) -> &'a str {
        &self.container.name
    }

    pub(crate) fn has_env(self) -> bool {
        self.container.env.is_some()
    }

    pub(crate) fn has_volume_mounts(self) -> bool {
        self.container.volume_mounts.is_some()
    }

    /// Whether the container sets a variable, whatever its value or source. `envFrom` is not looked at, as in EKS.
    pub(crate) fn sets(self, variable: &str) -> bool {
        named(self.container.env.as_ref(), variable)
    }

    pub(crate) fn sets_any(self, variables: &[&str]) -> bool {
        variables.iter().any(|variable| self.sets(variable))
    }

    pub(crate) fn mounts_volume(self, name: &str) -> bool {
        let mut mounts = self.container.volume_mounts.iter().flatten();
        mounts.any(|mount| &*mount.name == name)
    }

    /// The volume that is mounted, or the device that is, at a path, if any. Paths are compared as Kubernetes compares
    /// them: as texts.
    pub(crate) fn volume_at(self, path: &str) -> Option<&'a str> {
        let mut mounts = self.container.volume_mounts.iter().flatten();
        let mut devices = self.container.volume_devices.iter().flatten();
        let mount = mounts.find(|mount| *mount.mount_path == *path);
        mount.map(|mount| &*mount.name).or_else(|| {
            let device = devices.find(|device| *device.device_path == *path);
            device.map(|device| &*device.name)
        })
    }

    /// Sources of `envFrom` whose name suggests that they hold keys of AWS, as `kind name`.
    pub(crate) fn suspicious_sources(self) -> impl Iterator<Item = String> {
        let suspicious = |source: Option<&Named<'_>>, kind: &str| {
            let name: &str = &source?.name;
            name.to_ascii_lowercase()
                .contains("aws")
                .then(|| format!("{kind} {name}"))
        };
        let sources = self.container.env_from.iter().flatten();
        sources.filter_map(move |source| {
            suspicious(source.secret_ref.as_ref(), "Secret")
                .or_else(|| suspicious(source.config_map_ref.as_ref(), "ConfigMap"))
        })
    }
}

/// Whether a list of objects has one of this name.
fn named(list: Option<&Vec<Named<'_>>>, name: &str) -> bool {
    list.into_iter().flatten().any(|item| &*item.name == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_kubernetes_would_not_decode_is_told_by_its_place() {
        for (pod, told) in [
            (json!([]), "Pod: expected an object"),
            (json!(null), "Pod: expected an object"),
            (json!({"spec": "x"}), "Pod.spec: expected an object"),
            (json!({"spec": []}), "Pod.spec: expected an object"),
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
                json!({"spec": {"containers": [["name"]]}}),
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
            (
                json!({"spec": {"containers": [{"env": [{"name": "A", "value": "hush"}, {"name": 5}]}]}}),
                "Pod.spec.containers[0].env[1].name: expected a string",
            ),
            (
                json!({"spec": {"containers": [{"envFrom": [{"secretRef": "hush"}]}]}}),
                "Pod.spec.containers[0].envFrom[0].secretRef: expected an object",
            ),
        ] {
            assert_eq!(PodView::of(&pod).err().as_deref(), Some(told), "{pod}");
            assert!(
                serde_json::from_str::<PodView<'_>>(&pod.to_string()).is_err(),
                "{pod}"
            );
        }
        for pod in [
            json!({}),
            json!({"metadata": null, "spec": null}),
            json!({"metadata": {"name": null, "labels": null, "annotations": {"a": null}, "ownerReferences": null}}),
            json!({"spec": {"containers": [{"env": null}], "other": 1, "os": null, "resources": null}}),
        ] {
            assert!(PodView::of(&pod).is_ok(), "{pod}");
            assert!(
                serde_json::from_str::<PodView<'_>>(&pod.to_string()).is_ok(),
                "{pod}"
            );
        }
    }

    #[test]
    fn text_is_borrowed_unless_it_is_escaped() {
        let pod: PodView<'_> =
            serde_json::from_str(r#"{"metadata": {"name": "a\u0062", "namespace": "n"}}"#).unwrap();
        assert_eq!((pod.name(), pod.namespace()), ("ab", "n"));
        let metadata = pod.metadata().unwrap();
        assert!(matches!(metadata.name.0, Cow::Owned(_)) && matches!(metadata.namespace.0, Cow::Borrowed(_)));
    }

    #[test]
    fn of_equal_annotations_the_last_counts_and_a_field_that_is_there_twice_is_an_error() {
        let pod: PodView<'_> =
            serde_json::from_str(r#"{"metadata": {"annotations": {"p/a": "1", "p/a": "2"}}}"#).unwrap();
        assert_eq!(
            (pod.annotation("p/a"), pod.annotation_of("p", "a")),
            (Some("2"), Some("2"))
        );
        let twice = r#"{"spec": {}, "spec": {}}"#;
        assert!(serde_json::from_str::<PodView<'_>>(twice).is_err());
        let last: Value = serde_json::from_str(twice).unwrap();
        assert_eq!(problem(&last), "Pod: expected every field once");
    }

    #[test]
    fn only_the_controller_of_a_pod_is_its_owner() {
        let pod = json!({"metadata": {"ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "1"},
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "app-1", "uid": "2", "controller": true}]}});
        let view = PodView::of(&pod).unwrap();
        assert_eq!(view.controller().map(|owner| &*owner.name), Some("app-1"));
        for pod in [
            json!({}),
            json!({"metadata": {"ownerReferences": [{"kind": "x"}]}}),
        ] {
            assert!(PodView::of(&pod).unwrap().controller().is_none(), "{pod}");
        }
    }
}
