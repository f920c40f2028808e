//! JSON that is changed in places: the order of members and the digits of numbers stay what they were.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

/// The text with U+FFFD for each half of a surrogate pair that stands alone, which Go reads so and Rust refuses. Its length
/// stays the same.
pub(super) fn without_lone_surrogates(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut out = text.to_owned();
    let mut at = 0;
    while let Some(found) = text[at..].find('\\') {
        at += found;
        at += match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                out.replace_range(at..at + 6, "\\ufffd");
                6
            }
            // What is escaped is no beginning.
            _ => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    Cow::Owned(out)
}

/// A JSON value in which numbers are as they were written.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// `null`, `true`, `false` or a number.
    Word(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// A JSON text with the value `before`, changed to the value `after`.
pub(super) fn changed(text: &str, before: &Value, after: &Value) -> String {
    let mut reader = Reader { rest: text };
    // The text was read before, so this fails only where we are wrong; then the digits of numbers are ours.
    let node = reader
        .node()
        .map_or_else(|| of(after), |node| updated(node, before, after));
    let mut out = String::new();
    write(&node, 0, &mut out);
    out
}

/// Reads a text that is known to be JSON.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn node(&mut self) -> Option<Node> {
        match self.peek()? {
            b'{' => self.map(),
            b'[' => self.list(),
            b'"' => self.text().map(Node::Text),
            _ => {
                let end = self
                    .rest
                    .find(|c: char| c.is_ascii_whitespace() || matches!(c, ',' | ']' | '}'))
                    .unwrap_or(self.rest.len());
                Some(Node::Word(self.cut(end).to_owned()))
            }
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_start();
        self.rest.bytes().next()
    }

    fn cut(&mut self, end: usize) -> &str {
        let (head, rest) = self.rest.split_at(end);
        self.rest = rest;
        head
    }

    fn text(&mut self) -> Option<String> {
        let mut escaped = false;
        let end = self.rest.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        })?;
        serde_json::from_str(self.cut(end + 2)).ok()
    }

    fn list(&mut self) -> Option<Node> {
        self.cut(1);
        let mut items = Vec::new();
        loop {
            match self.peek()? {
                b']' => break,
                b',' => {
                    self.cut(1);
                }
                _ => items.push(self.node()?),
            }
        }
        self.cut(1);
        Some(Node::List(items))
    }

    fn map(&mut self) -> Option<Node> {
        self.cut(1);
        let mut members: Vec<(String, Node)> = Vec::new();
        loop {
            match self.peek()? {
                b'}' => break,
                b',' => {
                    self.cut(1);
                }
                _ => {
                    let key = self.text()?;
                    (self.peek()? == b':').then(|| self.cut(1).len())?;
                    let value = self.node()?;
                    // Of equal keys the last one wins.
                    members.retain(|(known, _)| *known != key);
                    members.push((key, value));
                }
            }
        }
        self.cut(1);
        Some(Node::Map(members))
    }
}

fn of(value: &Value) -> Node {
    match value {
        Value::String(text) => Node::Text(text.clone()),
        Value::Array(items) => Node::List(items.iter().map(of).collect()),
        Value::Object(members) => Node::Map(
            members
                .iter()
                .map(|(key, value)| (key.clone(), of(value)))
                .collect(),
        ),
        word => Node::Word(word.to_string()),
    }
}

/// The node, if its content has changed.
fn updated(node: Node, before: &Value, after: &Value) -> Node {
    if before == after {
        return node;
    }
    match (node, before, after) {
        (Node::Map(members), Value::Object(before), Value::Object(after)) => {
            let mut kept: Vec<(String, Node)> = Vec::with_capacity(after.len());
            for (key, node) in members {
                if let (Some(before), Some(after)) = (before.get(&key), after.get(&key)) {
                    kept.push((key, updated(node, before, after)));
                }
            }
            let added = after.iter().filter(|(key, _)| !before.contains_key(*key));
            kept.extend(added.map(|(key, value)| (key.clone(), of(value))));
            Node::Map(kept)
        }
        (Node::List(items), Value::Array(before), Value::Array(after)) => {
            let mut old = items.into_iter().zip(before).peekable();
            let mut left = after.len();
            let mut kept = Vec::with_capacity(after.len());
            for value in after {
                let is_same =
                    |known: &Value| known == value || (is_named(known) && known["name"] == value["name"]);
                // Where as many are left on both sides, none was put before this one.
                let goes_on = old.len() == left || old.peek().is_some_and(|(_, known)| is_same(known));
                left -= 1;
                kept.push(match goes_on.then(|| old.next()).flatten() {
                    Some((node, known)) => updated(node, known, value),
                    None => of(value),
                });
            }
            Node::List(kept)
        }
        _ => of(after),
    }
}

fn is_named(value: &Value) -> bool {
    value["name"].is_string()
}

/// Writes it as `kubectl -o json` does, with two blanks a level.
fn write(node: &Node, depth: usize, out: &mut String) {
    let line = |out: &mut String, depth: usize| {
        let _ = write!(out, "\n{:width$}", "", width = depth * 2);
    };
    match node {
        Node::Word(word) => out.push_str(word),
        Node::Text(text) => write_text(text, out),
        Node::List(items) if items.is_empty() => out.push_str("[]"),
        Node::Map(members) if members.is_empty() => out.push_str("{}"),
        Node::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                line(out, depth + 1);
                self::write(item, depth + 1, out);
            }
            line(out, depth);
            out.push(']');
        }
        Node::Map(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                line(out, depth + 1);
                write_text(key, out);
                out.push_str(": ");
                self::write(value, depth + 1, out);
            }
            line(out, depth);
            out.push('}');
        }
    }
}

/// What YAML takes for a line break, or not at all, is escaped: a document of JSON may stand among documents of YAML.
fn write_text(text: &str, out: &mut String) {
    let quoted = Value::from(text).to_string();
    for character in quoted.chars() {
        match character {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_change_keeps_its_order_and_its_digits() {
        let text = r#"{"b":{"huge":123456789012345678901234567890,"exp":1E3,"neg":-0.0,"t":"a\/\u00e9\"\\"},
 "a":[{"name":"x","n":1.0},{"name":"y"}], "e": [], "o": {}, "w": [true, null]}"#;
        let before: Value = serde_json::from_str(text).unwrap();
        let mut after = before.clone();
        after["a"] =
            json!([{"name": "new"}, {"name": "x", "n": 1.0, "more": 1}, {"name": "y"}, {"name": "z"}]);
        let expected = r#"{
  "b": {
    "huge": 123456789012345678901234567890,
    "exp": 1E3,
    "neg": -0.0,
    "t": "a/é\"\\"
  },
  "a": [
    {
      "name": "new"
    },
    {
      "name": "x",
      "n": 1.0,
      "more": 1
    },
    {
      "name": "y"
    },
    {
      "name": "z"
    }
  ],
  "e": [],
  "o": {},
  "w": [
    true,
    null
  ]
}"#;
        assert_eq!(changed(text, &before, &after), expected);
    }

    #[test]
    fn half_a_surrogate_pair_is_read_as_go_reads_it() {
        for (text, expected) in [
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""\ude00\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\\ud83d é\"""#, "\\ud83d é\""),
            (r#""\u00e9\ud83dx""#, "é\u{fffd}x"),
        ] {
            let read = without_lone_surrogates(text);
            assert_eq!(serde_json::from_str::<String>(&read).unwrap(), expected, "{text}");
            assert_eq!(read.len(), text.len());
        }
    }

    #[test]
    fn the_result_always_says_what_it_should() {
        for (text, after) in [
            (r#"{"a": 1, "a": 2}"#, json!({"a": 3})),
            (r#"{"a": [1, 2, 3]}"#, json!({"a": [0, 1, 2, 3, 4]})),
            (r#"{"a": [1, 2, 3]}"#, json!({"a": []})),
            (r#"{"a": {"b": 1}}"#, json!({"a": "text"})),
            (r"[[], {}]", json!([[1], {"a": null}])),
            (r#""x""#, json!("y\n\u{1}\u{85}\u{2028}")),
        ] {
            let before = serde_json::from_str(text).unwrap();
            let out = changed(text, &before, &after);
            assert!(!out.contains(['\u{85}', '\u{2028}']), "{out}");
            assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), after, "{out}");
            assert_eq!(
                out.matches("\"a\"").count(),
                usize::from(out.contains("\"a\"")),
                "{out}"
            );
        }
    }
}
