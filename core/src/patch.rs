//! Builds a JSONPatch that only adds.

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::{Map, Value};

/// Collects `add` operations. There is no way to make it remove or replace something.
#[derive(Debug, Default)]
pub(crate) struct Additions {
    operations: Vec<PatchOperation>,
}

impl Additions {
    /// Appends items to the list `key` of the object at `parent`, which is `object` as it is now.
    ///
    /// A list that is absent or null is made with the items; one that is there is added to, item by item.
    pub(crate) fn append(&mut self, parent: &[String], object: &Value, key: &str, items: Vec<Value>) {
        if items.is_empty() {
            return;
        }
        let path = child(parent, key);
        if object.get(key).is_some_and(Value::is_array) {
            for item in items {
                self.add(&child(&path, "-"), item);
            }
        } else {
            self.add(&path, Value::Array(items));
        }
    }

    /// Inserts items into the list `key` of the object at `parent` so that they stand, in their order, from `index` on.
    pub(crate) fn insert(
        &mut self,
        parent: &[String],
        object: &Value,
        key: &str,
        index: usize,
        items: Vec<Value>,
    ) {
        if items.is_empty() {
            return;
        }
        let path = child(parent, key);
        if object.get(key).is_some_and(Value::is_array) {
            for (offset, item) in items.into_iter().enumerate() {
                self.add(&child(&path, &(index + offset).to_string()), item);
            }
        } else {
            self.add(&path, Value::Array(items));
        }
    }

    /// Sets entries of the map `key` of the object at `parent` where the map does not have them.
    pub(crate) fn set_absent(
        &mut self,
        parent: &[String],
        object: &Value,
        key: &str,
        entries: Vec<(String, Value)>,
    ) {
        let path = child(parent, key);
        match object.get(key).and_then(Value::as_object) {
            Some(present) => {
                for (name, value) in entries
                    .into_iter()
                    .filter(|(name, _)| !present.contains_key(name))
                {
                    self.add(&child(&path, &name), value);
                }
            }
            None if entries.is_empty() => {}
            None => self.add(&path, Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        }
    }

    /// Makes an empty object at `key` of the object at `parent` where there is none, once.
    pub(crate) fn make_object(&mut self, parent: &[String], object: &Value, key: &str) {
        let path = PointerBuf::from_tokens(child(parent, key));
        let made =
            |operation: &PatchOperation| matches!(operation, PatchOperation::Add(add) if add.path == path);
        if object.get(key).is_some_and(Value::is_object) || self.operations.iter().any(made) {
            return;
        }
        self.operations.push(PatchOperation::Add(AddOperation {
            path,
            value: Value::Object(Map::new()),
        }));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    pub(crate) fn into_patch(self) -> Patch {
        Patch(self.operations)
    }

    fn add(&mut self, path: &[String], value: Value) {
        let path = PointerBuf::from_tokens(path);
        self.operations
            .push(PatchOperation::Add(AddOperation { path, value }));
    }
}

/// The tokens of a path, one step further down.
fn child(parent: &[String], token: &str) -> Vec<String> {
    parent
        .iter()
        .map(String::as_str)
        .chain([token])
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn applied(document: &Value, build: impl FnOnce(&mut Additions)) -> Value {
        let mut additions = Additions::default();
        build(&mut additions);
        let mut after = document.clone();
        json_patch::patch(&mut after, &additions.into_patch()).unwrap();
        after
    }

    #[test]
    fn lists_that_are_absent_null_or_there_all_end_with_the_items() {
        for (before, after) in [
            (json!({}), json!({"env": [1, 2]})),
            (json!({"env": null}), json!({"env": [1, 2]})),
            (json!({"env": []}), json!({"env": [1, 2]})),
            (json!({"env": [0]}), json!({"env": [0, 1, 2]})),
        ] {
            assert_eq!(
                applied(&before, |a| a.append(
                    &[],
                    &before,
                    "env",
                    vec![json!(1), json!(2)]
                )),
                after
            );
        }
    }

    #[test]
    fn inserted_items_keep_their_order() {
        let before = json!({"v": [0, 9]});
        assert_eq!(
            applied(&before, |a| a.insert(
                &[],
                &before,
                "v",
                1,
                vec![json!(1), json!(2)]
            )),
            json!({"v": [0, 1, 2, 9]})
        );
    }

    #[test]
    fn map_entries_that_are_there_stay_and_names_are_escaped() {
        let before = json!({"m": {"a/b~c": 1}});
        let entries = || vec![("a/b~c".to_owned(), json!(2)), ("x/y~z".to_owned(), json!(3))];
        assert_eq!(
            applied(&before, |a| a.set_absent(&[], &before, "m", entries())),
            json!({"m": {"a/b~c": 1, "x/y~z": 3}})
        );
        assert_eq!(
            applied(&json!({}), |a| a.set_absent(&[], &json!({}), "m", entries())),
            json!({"m": {"a/b~c": 2, "x/y~z": 3}})
        );
    }
}
