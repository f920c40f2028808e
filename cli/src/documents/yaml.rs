//! Reads one document of YAML as kubectl does: the events of the parser, the scalars of [`super::scalar`], the last of equal
//! keys, and merge keys where they stand.

use std::collections::{BTreeSet, HashMap};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};
use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, Tag};

use super::scalar::{self, Unfit};

/// How many nodes the aliases of one document may stand for.
const MOST_NODES: usize = 1_000_000;
/// How deep a document may be with what its aliases stand for.
const DEEPEST: usize = 300;

/// A document.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Read {
    /// Its content.
    pub(super) value: Value,
    /// The keys that stand twice in one mapping, each with the line of the second.
    pub(super) twice: Vec<(usize, String)>,
}

/// Why a document cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// The line, from 1.
    pub(super) line: usize,
    /// Why.
    pub(super) why: String,
}

fn unreadable<T>(line: usize, why: impl Into<String>) -> Result<T, Unreadable> {
    Err(Unreadable {
        line,
        why: why.into(),
    })
}

/// Reads a document. What stands behind its end is not looked at.
pub(super) fn read(text: &str) -> Result<Read, Unreadable> {
    if let Some((line, character)) = control_character(text) {
        let code = u32::from(character);
        return unreadable(line, format!("YAML allows no control character (U+{code:04X})"));
    }
    let mut options = granit_parser::options! {
        bom_inside_document_as_content: true,
    };
    options.set_emit_comments(false);
    let mut builder = Builder::default();
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| Unreadable {
            line: error.marker().line(),
            why: error.info(),
        })?;
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref();
                if builder.wants_key() && tag.is_none() && style == ScalarStyle::Plain && text == "<<" {
                    builder.key(Key::Merge);
                    continue;
                }
                let value = scalar_value(&text, style, tag, line)?;
                builder.anchored(anchor, &value);
                builder.take(value, line)?;
            }
            Event::SequenceStart(_, anchor, _) => builder.open(Frame::list(anchor), line)?,
            Event::MappingStart(_, anchor, _) => builder.open(Frame::map(anchor), line)?,
            Event::SequenceEnd | Event::MappingEnd => builder.close(line)?,
            Event::Alias(anchor) => {
                let value = builder.alias(anchor, line)?;
                builder.take(value, line)?;
            }
            Event::DocumentEnd => break,
            _ => {}
        }
    }
    Ok(builder.read)
}

/// The first character that YAML does not allow, and its line.
fn control_character(text: &str) -> Option<(usize, char)> {
    let allowed = |character: char| {
        matches!(character, '\t' | '\n' | '\r' | '\u{85}')
            || !(character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}'))
    };
    let (at, character) = text.char_indices().find(|(_, character)| !allowed(*character))?;
    Some((text[..at].matches('\n').count() + 1, character))
}

fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>, line: usize) -> Result<Value, Unreadable> {
    let read = match tag {
        None if style == ScalarStyle::Plain => scalar::plain(text),
        None => return Ok(text.into()),
        Some(tag) => match tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() {
            Some("binary") => {
                let packed: String = text.split_whitespace().collect();
                let Ok(bytes) = BASE64_STANDARD.decode(packed) else {
                    return unreadable(line, "the text is not base64, as its tag !!binary has it");
                };
                return Ok(String::from_utf8_lossy(&bytes).into_owned().into());
            }
            Some(name) => scalar::tagged(name, text),
            None => return Ok(text.into()),
        },
    };
    read.or_else(|unfit| {
        let text = text.escape_debug();
        match unfit {
            Unfit::NoNumber => unreadable(line, format!("`{text}` is a number that JSON does not have")),
            Unfit::Tag => unreadable(line, format!("`{text}` does not fit its tag")),
        }
    })
}

#[derive(Debug)]
enum Key {
    Text(String),
    /// `<<`
    Merge,
}

#[derive(Debug)]
enum Node {
    List(Vec<Value>),
    Map {
        members: Map<String, Value>,
        written: BTreeSet<String>,
        key: Option<Key>,
    },
}

#[derive(Debug)]
struct Frame {
    anchor: usize,
    node: Node,
}

impl Frame {
    fn list(anchor: usize) -> Self {
        Self {
            anchor,
            node: Node::List(Vec::new()),
        }
    }

    fn map(anchor: usize) -> Self {
        Self {
            anchor,
            node: Node::Map {
                members: Map::new(),
                written: BTreeSet::new(),
                key: None,
            },
        }
    }
}

#[derive(Debug)]
struct Anchored {
    value: Value,
    nodes: usize,
    depth: usize,
}

#[derive(Debug, Default)]
struct Builder {
    read: Read,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
}

impl Builder {
    fn wants_key(&self) -> bool {
        self.stack
            .last()
            .is_some_and(|frame| matches!(frame.node, Node::Map { key: None, .. }))
    }

    fn key(&mut self, found: Key) {
        if let Some(Frame {
            node: Node::Map { key, .. },
            ..
        }) = self.stack.last_mut()
        {
            *key = Some(found);
        }
    }

    fn open(&mut self, frame: Frame, line: usize) -> Result<(), Unreadable> {
        if self.wants_key() {
            return unreadable(line, "a list or a mapping cannot be the key of a mapping in JSON");
        }
        self.stack.push(frame);
        Ok(())
    }

    fn close(&mut self, line: usize) -> Result<(), Unreadable> {
        let Some(Frame { anchor, node }) = self.stack.pop() else {
            return Ok(());
        };
        let value = match node {
            Node::List(items) => Value::Array(items),
            Node::Map { members, .. } => Value::Object(members),
        };
        self.anchored(anchor, &value);
        self.take(value, line)
    }

    fn anchored(&mut self, anchor: usize, value: &Value) {
        if anchor != 0 {
            let (nodes, depth) = size(value);
            let value = value.clone();
            self.anchors.insert(anchor, Anchored { value, nodes, depth });
        }
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<Value, Unreadable> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return unreadable(line, "the alias is inside of what it refers to");
        };
        self.nodes += anchored.nodes;
        if self.nodes > MOST_NODES || self.stack.len() + anchored.depth > DEEPEST {
            return unreadable(line, "its aliases expand to more than a document may hold");
        }
        Ok(anchored.value.clone())
    }

    /// Takes a node where it stands: as the document, an item, a key or a value.
    fn take(&mut self, value: Value, line: usize) -> Result<(), Unreadable> {
        let Some(frame) = self.stack.last_mut() else {
            self.read.value = value;
            return Ok(());
        };
        match &mut frame.node {
            Node::List(items) => items.push(value),
            Node::Map {
                members,
                written,
                key,
            } => match key.take() {
                None => {
                    let Some(text) = scalar::key(value) else {
                        return unreadable(line, "the key of a mapping must be text in JSON");
                    };
                    if !written.insert(text.clone()) {
                        self.read.twice.push((line, text.clone()));
                    }
                    *key = Some(Key::Text(text));
                }
                Some(Key::Text(text)) => {
                    members.insert(text, value);
                }
                Some(Key::Merge) => merge(members, value, line)?,
            },
        }
        Ok(())
    }
}

/// Merges a mapping, or a list of them of which the first precede. What is there already is replaced, as by
/// kubectl.
fn merge(members: &mut Map<String, Value>, value: Value, line: usize) -> Result<(), Unreadable> {
    match value {
        Value::Object(merged) => members.extend(merged),
        Value::Array(items) => {
            for item in items.into_iter().rev() {
                let Value::Object(merged) = item else {
                    return unreadable(line, "a merge key takes a mapping, or a list of mappings");
                };
                members.extend(merged);
            }
        }
        _ => return unreadable(line, "a merge key takes a mapping, or a list of mappings"),
    }
    Ok(())
}

/// Number of nodes, and depth.
fn size(value: &Value) -> (usize, usize) {
    let of = |children: &mut dyn Iterator<Item = &Value>| {
        let (nodes, depth) = children.map(size).fold((0, 0), |(nodes, depth), (more, below)| {
            (nodes + more, depth.max(below))
        });
        (nodes + 1, depth + 1)
    };
    match value {
        Value::Array(items) => of(&mut items.iter()),
        Value::Object(members) => of(&mut members.values()),
        _ => (1, 1),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Value {
        read(text).unwrap().value
    }

    #[test]
    fn texts_keep_what_their_style_keeps() {
        for (text, expected) in [
            ("a: |+\n  x\n\n\n", json!({"a": "x\n\n\n"})),
            ("a: |\n  x\n\n\n", json!({"a": "x\n"})),
            ("a: |-\n  x\n\n", json!({"a": "x"})),
            ("a: >-\n  x\n  y\n", json!({"a": "x y"})),
            // kubectl reads line by line, and ends the last one, too.
            ("a: |\n  x", json!({"a": "x\n"})),
            ("a: |\r\n  x\r\n  y\r\n", json!({"a": "x\ny\n"})),
            ("a: 'it''s'\nb: \"\\x41\\n\"\n", json!({"a": "it's", "b": "A\n"})),
            ("a: 1 # no\n# no\nb: 'c # yes'\n", json!({"a": 1, "b": "c # yes"})),
        ] {
            assert_eq!(value(text), expected, "{text:?}");
        }
    }

    #[test]
    fn anchors_merge_keys_and_tags_are_those_of_kubectl() {
        let text = "x: &x {a: 1, b: 2}\nm1: {a: 9, <<: *x}\nm2: {<<: *x, a: 9}\nm3: {<<: [*x, {a: 5, c: 6}]}\n\
s: !!str 12\ni: !!int \"3\"\nc: !Own 12\nbin: !!binary aGVsbG8=\ne: !!str\nset: !!set {a, b}\nz: '<<'\ny: {1.10: x, on: z}\n";
        let expected = json!({
            "x": {"a": 1, "b": 2}, "m1": {"a": 1, "b": 2}, "m2": {"a": 9, "b": 2}, "m3": {"a": 1, "b": 2, "c": 6},
            "s": "12", "i": 3, "c": "12", "bin": "hello", "e": "", "set": {"a": null, "b": null}, "z": "<<",
            "true": {"1.1": "x", "true": "z"},
        });
        assert_eq!(value(text), expected);
    }

    #[test]
    fn of_equal_keys_the_last_counts_and_is_told() {
        let read = read("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n").unwrap();
        assert_eq!(read.value, json!({"a": 3, "b": {"c": 2}}));
        assert_eq!(read.twice, [(4, "c".to_owned()), (5, "a".to_owned())]);
    }

    #[test]
    fn what_cannot_be_read_has_its_line() {
        for (text, line, why) in [
            ("a: 1\nb: [", 2, ""),
            ("a: 1\nb:\n\t- x\n", 3, ""),
            ("a: 1\nb: .inf\n", 2, "`.inf` is a number that JSON does not have"),
            ("a: 1\nb: \0\n", 2, "YAML allows no control character (U+0000)"),
            ("a: 1\n? [x]\n: y\n", 2, "a list or a mapping cannot be the key"),
            ("a: 1\n~: y\n", 2, "the key of a mapping must be text"),
            ("a: &a [*a]\n", 1, "the alias is inside of what it refers to"),
            ("a: !!int x\n", 1, "`x` does not fit its tag"),
            ("a: 1\n<<: 2\n", 2, "a merge key takes a mapping"),
        ] {
            let error = read(text).unwrap_err();
            assert!(
                error.line == line && error.why.contains(why),
                "{text:?}: {error:?}"
            );
        }
    }

    #[test]
    fn aliases_cannot_make_a_small_text_a_large_document() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            text = format!("{text}a{level}: &a{level} [{items}]\n");
        }
        let error = read(&text).unwrap_err();
        assert!(error.why.contains("more than a document may hold"), "{error:?}");
    }
}
