//! JSON in which no object has a key twice.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::text::shorten;

/// A JSON value.
///
/// Not `serde_json::Value`, which keeps the last of two equal keys without a word. Two `StringEquals` blocks in one
/// `Condition` would then check half of what their author wrote, where AWS refuses the policy ("Grammar of the IAM
/// JSON policy language": an element must not contain the same key twice).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    /// A number as text: no policy computes with it before an operator reads it.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        let mut seen = BTreeSet::new();
        while let Some((key, value)) = entries.next_entry::<String, Node>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("`{}` stands twice", shorten(&key))));
            }
            map.push((key, value));
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_read_in_its_order() {
        let node: Node = serde_json::from_str(r#"{"b": [null, true, 1, -2, 1.5, "x"], "a": {}}"#).unwrap();
        let list = vec![
            Node::Null,
            Node::Bool(true),
            Node::Number("1".into()),
            Node::Number("-2".into()),
            Node::Number("1.5".into()),
            Node::Text("x".into()),
        ];
        assert_eq!(
            node,
            Node::Map(vec![
                ("b".into(), Node::List(list)),
                ("a".into(), Node::Map(vec![]))
            ])
        );
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_by_its_name() {
        let error = serde_json::from_str::<Node>(r#"{"a": {"k": 1, "k": 2}}"#).unwrap_err();
        assert!(error.to_string().starts_with("`k` stands twice"), "{error}");
        serde_json::from_str::<Node>(r#"[{"k": 1}, {"k": 2}]"#).unwrap();
    }

    #[test]
    fn depth_has_a_bound() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(serde_json::from_str::<Node>(&deep).is_err());
    }
}
