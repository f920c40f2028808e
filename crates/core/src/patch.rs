//! A JSONPatch that only adds, written as it is planned.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::pod_view::Texts;

/// A JSONPatch (RFC 6902) of `add` operations only, as JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct Patch {
    text: Vec<u8>,
    operations: usize,
}

impl Patch {
    /// The JSON.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// How many operations it has: one at least.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.operations
    }
}

impl fmt::Debug for Patch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.text))
    }
}

/// Collects `add` operations. It cannot remove or replace anything.
///
/// A place is a JSON pointer. Whether it exists is about the state before the patch.
#[derive(Debug, Default)]
pub(crate) struct Additions {
    text: Vec<u8>,
    operations: usize,
    made: Vec<&'static str>,
}

impl Additions {
    /// Appends items to a list.
    ///
    /// A list that is absent or null is made with the items; one that is there is added to, item by item.
    pub(crate) fn append(&mut self, list: &str, is_there: bool, items: &[impl Serialize]) {
        if items.is_empty() {
            return;
        }
        if !is_there {
            return self.add(list, items);
        }
        let end = [list, "/-"].concat();
        for item in items {
            self.add(&end, item);
        }
    }

    /// Inserts items into a list so that they stand, in their order, from `index` on.
    pub(crate) fn insert(&mut self, list: &str, is_there: bool, index: usize, items: &[impl Serialize]) {
        if items.is_empty() {
            return;
        }
        if !is_there {
            return self.add(list, items);
        }
        for (offset, item) in items.iter().enumerate() {
            self.add(&format!("{list}/{}", index + offset), item);
        }
    }

    /// Sets entries of a map where the map does not have them; `present` is `None` where it is absent or null.
    pub(crate) fn set_absent(&mut self, map: &str, present: Option<&Texts<'_>>, entries: &[(&str, &str)]) {
        match present {
            Some(present) => {
                let absent = entries.iter().filter(|(name, _)| !present.contains(name));
                for (name, value) in absent {
                    self.add(&format!("{map}/{}", escaped(name)), value);
                }
            }
            None if entries.is_empty() => {}
            None => self.add(map, &Members(entries)),
        }
    }

    /// Makes an empty object where there is none, once.
    pub(crate) fn make_object(&mut self, object: &'static str, is_there: bool) {
        if is_there || self.made.contains(&object) {
            return;
        }
        self.made.push(object);
        self.add(object, &Members(&[]));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.operations == 0
    }

    pub(crate) fn into_patch(mut self) -> Patch {
        self.text
            .extend_from_slice(if self.is_empty() { b"[]" } else { b"]" });
        Patch {
            text: self.text,
            operations: self.operations,
        }
    }

    fn add(&mut self, path: &str, value: &(impl Serialize + ?Sized)) {
        self.text.push(if self.is_empty() { b'[' } else { b',' });
        self.text.extend_from_slice(br#"{"op":"add","path":"#);
        self.write(path);
        self.text.extend_from_slice(br#","value":"#);
        self.write(value);
        self.text.push(b'}');
        self.operations += 1;
    }

    /// Writing into memory cannot fail, and no value of ours has keys that are no strings.
    fn write(&mut self, value: &(impl Serialize + ?Sized)) {
        let _ = serde_json::to_writer(&mut self.text, value);
    }
}

/// A JSON object of strings.
struct Members<'a>(&'a [(&'a str, &'a str)]);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// A name as a step of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize as _;
    use serde_json::{Value, json};

    fn applied(document: &Value, build: impl FnOnce(&mut Additions)) -> Value {
        let mut additions = Additions::default();
        build(&mut additions);
        let mut after = document.clone();
        let patch: json_patch::Patch = serde_json::from_slice(additions.into_patch().as_bytes()).unwrap();
        json_patch::patch(&mut after, &patch).unwrap();
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
            let is_there = before["env"].is_array();
            assert_eq!(applied(&before, |a| a.append("/env", is_there, &[1, 2])), after);
        }
    }

    #[test]
    fn inserted_items_keep_their_order() {
        let before = json!({"v": [0, 9]});
        assert_eq!(
            applied(&before, |a| a.insert("/v", true, 1, &[1, 2])),
            json!({"v": [0, 1, 2, 9]})
        );
    }

    #[test]
    fn map_entries_that_are_there_stay_and_names_are_escaped() {
        let before = json!({"m": {"a/b~c": "1"}});
        let present = Texts::deserialize(&before["m"]).unwrap();
        let entries = [("a/b~c", "2"), ("x/y~z\"", "3")];
        assert_eq!(
            applied(&before, |a| a.set_absent("/m", Some(&present), &entries)),
            json!({"m": {"a/b~c": "1", "x/y~z\"": "3"}})
        );
        assert_eq!(
            applied(&json!({}), |a| a.set_absent("/m", None, &entries)),
            json!({"m": {"a/b~c": "2", "x/y~z\"": "3"}})
        );
    }

    #[test]
    fn an_object_is_made_once_and_only_where_there_is_none() {
        let twice = |is_there| {
            move |a: &mut Additions| {
                a.make_object("/m", is_there);
                a.set_absent("/m/l", None, &[("a", "1")]);
                a.make_object("/m", is_there);
            }
        };
        assert_eq!(applied(&json!({}), twice(false)), json!({"m": {"l": {"a": "1"}}}));
        assert_eq!(
            applied(&json!({"m": {"x": 1}}), twice(true)),
            json!({"m": {"x": 1, "l": {"a": "1"}}})
        );
    }

    #[test]
    fn nothing_added_is_an_empty_patch() {
        assert_eq!(applied(&json!({"a": 1}), |_| {}), json!({"a": 1}));
    }
}
