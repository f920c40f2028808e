//! Reads HCL as Vault does: version 1 of the language, where attributes need no line of their own.
//!
//! Version 2, which libraries of today read, refuses `seal "awskms" { region = "x" kms_key_id = "y" }`; Vault takes it.

use std::iter::Peekable;
use std::str::Chars;

use super::template::{BEGIN, END};

/// Deepest nesting that is read; Vault's own configuration has three levels.
const MAX_DEPTH: usize = 32;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A string, or a number or boolean as it is written.
    Text(String),
    /// A block or an object.
    Object(Vec<Item>),
    /// A list.
    List(Vec<Value>),
}

/// `name = value`, or `name "label" { ... }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// The name and the labels.
    pub(super) keys: Vec<String>,
    /// The value or body.
    pub(super) value: Value,
}

/// Why a text is not HCL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct HclError {
    /// Line of the text, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// A text, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    /// What it has at its top.
    pub(super) items: Vec<Item>,
    /// The mark of the first template that stands in place of an item, and may print some.
    pub(super) unknown: Option<String>,
}

/// Reads a text whose templates are masked.
pub(super) fn parse(text: &str) -> Result<Body, HclError> {
    let mut reader = Reader {
        rest: text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable(),
        line: 1,
        unknown: None,
    };
    let items = reader.items(None, 0)?;
    Ok(Body {
        items,
        unknown: reader.unknown,
    })
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    unknown: Option<String>,
}

impl Reader<'_> {
    fn fail<T>(&self, message: impl Into<String>) -> Result<T, HclError> {
        Err(HclError {
            line: self.line,
            message: message.into(),
        })
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        if next == Some('\n') {
            self.line += 1;
        }
        next
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest.peek() == Some(&wanted);
        if found {
            self.next();
        }
        found
    }

    fn skip_line(&mut self) {
        while self.rest.peek().is_some_and(|c| *c != '\n') {
            self.next();
        }
    }

    /// Skips white space and comments.
    fn skip(&mut self) -> Result<(), HclError> {
        loop {
            match self.rest.peek() {
                Some(c) if c.is_whitespace() => {
                    self.next();
                }
                Some('#') => self.skip_line(),
                Some('/') => {
                    self.next();
                    if self.take('/') {
                        self.skip_line();
                    } else if self.take('*') {
                        self.skip_comment()?;
                    } else {
                        return self.fail("unexpected `/`");
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn skip_comment(&mut self) -> Result<(), HclError> {
        loop {
            match self.next() {
                Some('*') if self.take('/') => return Ok(()),
                Some(_) => {}
                None => return self.fail("the comment has no end"),
            }
        }
    }

    /// Items up to the end of the body, or of the text.
    fn items(&mut self, opened: Option<usize>, depth: usize) -> Result<Vec<Item>, HclError> {
        if depth > MAX_DEPTH {
            return self.fail("nested too deep");
        }
        let mut items = Vec::new();
        loop {
            self.skip()?;
            match (self.rest.peek(), opened) {
                (None, None) => return Ok(items),
                (None, Some(line)) => return self.fail(format!("the `{{` of line {line} is never closed")),
                (Some('}'), Some(_)) => {
                    self.next();
                    return Ok(items);
                }
                (Some(','), Some(_)) => {
                    self.next();
                }
                (Some(&BEGIN), _) => {
                    let mark = self.word();
                    self.unknown.get_or_insert(mark);
                }
                _ => items.push(self.item(depth)?),
            }
        }
    }

    fn item(&mut self, depth: usize) -> Result<Item, HclError> {
        let mut keys = Vec::new();
        loop {
            self.skip()?;
            match self.rest.peek() {
                Some('{') if !keys.is_empty() => break,
                Some('=') if !keys.is_empty() => {
                    self.next();
                    break;
                }
                Some('"') => keys.push(self.string()?),
                Some(c) if is_word(*c) => keys.push(self.word()),
                Some(c) => {
                    let message = format!("unexpected `{c}`, expected a name or a block");
                    return self.fail(message);
                }
                None => return self.fail("the text ends in the middle of an item"),
            }
        }
        let value = self.value(depth)?;
        Ok(Item { keys, value })
    }

    fn value(&mut self, depth: usize) -> Result<Value, HclError> {
        self.skip()?;
        match self.rest.peek() {
            Some('"') => self.string().map(Value::Text),
            Some('{') => {
                self.next();
                let opened = self.line;
                self.items(Some(opened), depth + 1).map(Value::Object)
            }
            Some('[') => {
                self.next();
                self.list(depth + 1).map(Value::List)
            }
            Some('<') => self.heredoc().map(Value::Text),
            Some(c) if is_word(*c) => Ok(Value::Text(self.word())),
            Some(c) => {
                let message = format!("unexpected `{c}`, expected a value");
                self.fail(message)
            }
            None => self.fail("the text ends where a value is expected"),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value>, HclError> {
        if depth > MAX_DEPTH {
            return self.fail("nested too deep");
        }
        let mut values = Vec::new();
        loop {
            self.skip()?;
            match self.rest.peek() {
                Some(']') => {
                    self.next();
                    return Ok(values);
                }
                Some(',') => {
                    self.next();
                }
                None => return self.fail("the list has no end"),
                Some(_) => values.push(self.value(depth)?),
            }
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.rest.peek().copied().filter(|c| is_word(*c)) {
            word.push(c);
            self.next();
        }
        word
    }

    fn string(&mut self) -> Result<String, HclError> {
        self.next();
        let mut text = String::new();
        let mut braces = 0_usize;
        loop {
            match self.next() {
                Some('"') if braces == 0 => return Ok(text),
                Some('$') if self.rest.peek() == Some(&'{') => {
                    self.next();
                    text.push_str("${");
                    braces += 1;
                }
                Some('\n') if braces == 0 => return self.fail("the string before this line has no end"),
                Some('\\') => text.push(match self.next() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some(c) => c,
                    None => return self.fail("the string has no end"),
                }),
                Some(c) => {
                    braces = match c {
                        '{' if braces > 0 => braces + 1,
                        '}' if braces > 0 => braces - 1,
                        _ => braces,
                    };
                    text.push(c);
                }
                None => return self.fail("the string has no end"),
            }
        }
    }

    fn heredoc(&mut self) -> Result<String, HclError> {
        self.next();
        if !self.take('<') {
            return self.fail("unexpected `<`");
        }
        self.take('-');
        let mark = self.word();
        self.skip_line();
        self.next();
        let mut text = String::new();
        loop {
            let mut line = String::new();
            let ended = loop {
                match self.next() {
                    Some('\n') => break false,
                    Some(c) => line.push(c),
                    None => break true,
                }
            };
            if line.trim() == mark {
                return Ok(text);
            }
            if ended {
                return self.fail(format!("the text up to `{mark}` has no end"));
            }
            text.push_str(&line);
            text.push('\n');
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || "_-.+".contains(c) || matches!(c, BEGIN | END)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(text: &str) -> usize {
        parse(text).unwrap_err().line
    }

    #[test]
    fn blocks_attributes_lists_comments_and_heredocs_are_read() {
        let text = r#"
# one
ui = true  // two
listener "tcp" { address = "[::]:8200" tls_disable = 1 }
/* three
   four */
"quoted" = ["a", {b = 1}, ]
text <<-EOT
"#;
        assert!(parse(text).is_err());
        let text = text.replace("text <<-EOT", "text = <<-EOT\n  a {\n  EOT");
        let items = parse(&text).unwrap().items;
        let keys: Vec<String> = items.iter().map(|item| item.keys.join(" ")).collect();
        assert_eq!(keys, ["ui", "listener tcp", "quoted", "text"]);
        let attribute = |name: &str, text: &str| Item {
            keys: vec![name.into()],
            value: Value::Text(text.into()),
        };
        let body = vec![attribute("address", "[::]:8200"), attribute("tls_disable", "1")];
        assert_eq!(items[1].value, Value::Object(body));
        assert_eq!(items[3].value, Value::Text("  a {\n".into()));
    }

    #[test]
    fn strings_have_escapes_and_interpolations() {
        let items = parse(r#"a = "x\"\n${f("z")}y""#).unwrap().items;
        assert_eq!(items[0].value, Value::Text("x\"\n${f(\"z\")}y".into()));
    }

    #[test]
    fn a_template_in_place_of_an_item_is_passed_over_and_remembered() {
        let body =
            parse("\u{e000}3\u{e001}\na \"b\" {\n  \u{e000}4\u{e001}\n  c = \u{e000}5\u{e001}\n}").unwrap();
        assert_eq!(body.unknown.as_deref(), Some("\u{e000}3\u{e001}"));
        let inner = Item {
            keys: vec!["c".into()],
            value: Value::Text("\u{e000}5\u{e001}".into()),
        };
        assert_eq!(body.items[0].value, Value::Object(vec![inner]));
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        assert_eq!(line_of("a = 1\nb = \"x\nc = 2\n"), 3);
        assert_eq!(line_of("a = 1\n}\n"), 2);
        assert_eq!(line_of("a = 1\n\n= 3"), 3);
        assert_eq!(line_of("seal \"awskms\" {\n  region = \n}"), 3);
        let unclosed = parse("seal \"awskms\" {\n region = \"x\"\n").unwrap_err();
        assert!(unclosed.message.contains("line 1"), "{unclosed}");
        for text in [
            "a",
            "/* x",
            "a = [1",
            "a = \"${",
            "a = <<X\nb",
            "a = <b",
            "\"",
            "a = \"\\",
            "/x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_and_no_overflow() {
        assert!(parse(&"a {".repeat(100_000)).is_err());
        assert!(parse(&format!("a = {}", "[".repeat(100_000))).is_err());
    }
}
