//! The objects of a document: those of a list one by one, as kubectl takes them out of it.

use std::borrow::Cow;

use serde_json::Value;

/// An object, and where it stands in its document.
#[derive(Debug, Clone, PartialEq)]
pub struct Object<'a> {
    /// The object, with what it has from its list.
    pub value: Cow<'a, Value>,
    /// Where it stands, as a JSON pointer.
    pub pointer: String,
}

/// The objects that a document holds.
pub(super) fn of(value: &Value) -> Vec<Object<'_>> {
    let mut found = Vec::new();
    take(Cow::Borrowed(value), String::new(), &mut found);
    found
}

fn take<'a>(value: Cow<'a, Value>, pointer: String, found: &mut Vec<Object<'a>>) {
    let Some(name) = list_of(&value) else {
        found.push(Object { value, pointer });
        return;
    };
    let (kind, api_version) = (&value["kind"], &value["apiVersion"]);
    // The items of a list of Pods may leave out that they are Pods.
    let kind = kind
        .as_str()
        .map(|kind| kind.strip_suffix("List").unwrap_or(kind).to_owned());
    let api_version = api_version.as_str().map(str::to_owned);
    let inherited = |item: Cow<'a, Value>| match (&kind, &api_version) {
        (Some(kind), Some(api_version))
            if item.is_object()
                && is_empty(&item["kind"])
                && is_empty(&item["apiVersion"])
                && !kind.is_empty() =>
        {
            let mut item = item.into_owned();
            item["kind"] = kind.as_str().into();
            item["apiVersion"] = api_version.as_str().into();
            Cow::Owned(item)
        }
        _ => item,
    };
    let items: Vec<Cow<'a, Value>> = match value {
        Cow::Borrowed(value) => match value[name].as_array() {
            Some(items) => items.iter().map(Cow::Borrowed).collect(),
            None => Vec::new(),
        },
        Cow::Owned(mut value) => match value[name].take() {
            Value::Array(items) => items.into_iter().map(Cow::Owned).collect(),
            _ => Vec::new(),
        },
    };
    for (index, item) in items.into_iter().enumerate() {
        take(inherited(item), format!("{pointer}/{name}/{index}"), found);
    }
}

/// The member that holds the objects of a list, or of an OpenShift Template.
fn list_of(value: &Value) -> Option<&'static str> {
    let has_kind = !is_empty(&value["kind"]);
    if has_kind && value["items"].is_array() {
        return Some("items");
    }
    let api_version = value["apiVersion"].as_str().unwrap_or_default();
    let is_template = value["kind"] == "Template"
        && (api_version == "v1" || api_version.starts_with("template.openshift.io/"));
    (is_template && value["objects"].is_array()).then_some("objects")
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value == ""
}

/// What keeps kubectl from taking a document as objects.
pub(super) fn remark(value: &Value, place: &str) -> Vec<String> {
    let mut remarks = Vec::new();
    for Object { value, pointer } in of(value) {
        let item = match pointer
            .rsplit_once('/')
            .and_then(|(_, index)| index.parse::<usize>().ok())
        {
            Some(index) => format!("item {} of ", index + 1),
            None => String::new(),
        };
        let what = if value.is_object() {
            let lacks = ["kind", "apiVersion"]
                .into_iter()
                .find(|name| value[*name].as_str().is_none_or(str::is_empty));
            let Some(lacks) = lacks else { continue };
            let mut keys = value.as_object().into_iter().flatten().map(|(key, _)| key);
            let begins = keys
                .next()
                .map_or_else(String::new, |key| format!(" (it has `{}`)", key.escape_debug()));
            format!("has no {lacks}{begins}")
        } else {
            "is no object".to_owned()
        };
        remarks.push(format!(
            "{item}{place} {what}: kubectl refuses it, and it was not looked into"
        ));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(value: &Value) -> Vec<(String, String)> {
        let objects = of(value);
        objects
            .iter()
            .map(|object| {
                let text = |name: &str| object.value[name].as_str().unwrap_or("-").to_owned();
                (
                    format!("{} {}", text("apiVersion"), text("kind")),
                    object.pointer.clone(),
                )
            })
            .collect()
    }

    #[test]
    fn lists_give_their_items_as_kubectl_takes_them() {
        let nested = json!({"kind": "List", "apiVersion": "v1", "items": [
            {"kind": "A", "apiVersion": "a/v1"},
            {"kind": "DeploymentList", "apiVersion": "apps/v1", "items": [{"metadata": {}}, {"kind": "B", "apiVersion": "b/v1"}]},
        ]});
        let expected = [
            ("a/v1 A", "/items/0"),
            ("apps/v1 Deployment", "/items/1/items/0"),
            ("b/v1 B", "/items/1/items/1"),
        ];
        assert_eq!(
            told(&nested),
            expected.map(|(kind, pointer)| (kind.to_owned(), pointer.to_owned()))
        );
        for (value, expected) in [
            (
                json!({"kind": "PodList", "apiVersion": "v1", "items": [{}]}),
                ("v1 Pod", "/items/0"),
            ),
            (json!({"kind": "A", "apiVersion": "v1"}), ("v1 A", "")),
            (
                json!({"kind": "AccessList", "apiVersion": "x/v1", "spec": {}}),
                ("x/v1 AccessList", ""),
            ),
            (
                json!({"kind": "Template", "apiVersion": "template.openshift.io/v1", "objects": [{"kind": "A", "apiVersion": "v1"}]}),
                ("v1 A", "/objects/0"),
            ),
            (
                json!({"kind": "Template", "apiVersion": "x/v1", "objects": [{}]}),
                ("x/v1 Template", ""),
            ),
        ] {
            assert_eq!(
                told(&value),
                [(expected.0.to_owned(), expected.1.to_owned())],
                "{value}"
            );
        }
        assert_eq!(
            told(&json!({"kind": "List", "apiVersion": "v1", "items": []})),
            []
        );
    }

    #[test]
    fn what_kubectl_refuses_is_told_with_its_place() {
        for (value, expected) in [
            (json!({"Pulled": "x"}), Some("P has no kind (it has `Pulled`)")),
            (json!({"kind": "A"}), Some("P has no apiVersion")),
            (json!({"kind": true, "apiVersion": "v1"}), Some("P has no kind")),
            (json!("text"), Some("P is no object")),
            (json!([{"kind": "A"}]), Some("P is no object")),
            (
                json!({"kind": "List", "apiVersion": "v1", "items": [1]}),
                Some("item 1 of P is no object"),
            ),
            (json!({"kind": "A", "apiVersion": "v1"}), None),
        ] {
            let remarks = remark(&value, "P");
            assert_eq!(remarks.len(), usize::from(expected.is_some()), "{remarks:?}");
            let begins = |remark: &String| expected.is_some_and(|expected| remark.starts_with(expected));
            assert!(remarks.iter().all(begins), "{remarks:?}");
        }
    }
}
