//! Manifests as users write them: files of several documents, YAML or JSON, lists among them.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::io::AsyncReadExt;

/// Why manifests cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The file cannot be read.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A document of it is neither YAML nor JSON.
    #[error("document {number} of {title} is not readable: {why}")]
    Broken {
        /// Counted from 1.
        number: usize,
        /// The file.
        title: String,
        /// What is wrong, and where.
        why: String,
    },
}

/// A document, as it was written and as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// As it was written, without the line that separates it from the one before.
    pub text: String,
    /// What it says.
    pub value: Value,
}

impl Document {
    /// The objects of the document: those of a list one by one, else itself.
    pub fn objects(&self) -> impl Iterator<Item = &Value> {
        let items = self.value["items"].as_array().filter(|_| is_list(&self.value));
        let itself = items.is_none().then_some(&self.value);
        items.into_iter().flatten().chain(itself)
    }
}

/// The objects of a document, to be changed.
pub fn objects_mut(value: &mut Value) -> Vec<&mut Value> {
    if !is_list(value) {
        return vec![value];
    }
    let items = value["items"].as_array_mut();
    items.into_iter().flatten().collect()
}

/// An object as YAML.
pub fn to_yaml(object: &Value) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(object)
}

/// A document that has changed, in the format that it was written in.
pub fn rewritten(before: &str, value: &Value) -> Result<String, serde_saphyr::ser::Error> {
    if before.trim_start().starts_with('{') {
        return Ok(format!("{value:#}\n"));
    }
    to_yaml(value)
}

/// Documents as one text.
#[must_use]
pub fn join(texts: &[impl AsRef<str>]) -> String {
    let texts = texts
        .iter()
        .map(|text| format!("---\n{}\n", text.as_ref().trim_end()));
    texts.collect()
}

/// Whether an object is a list of objects, of whatever kind.
#[must_use]
pub fn is_list(object: &Value) -> bool {
    let is_named = object["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    is_named && object["items"].is_array()
}

/// Reads files; `-` is stdin.
pub async fn read(paths: &[PathBuf]) -> Result<Vec<Document>, DocumentError> {
    let mut documents = Vec::new();
    for path in paths {
        let unreadable = |source| DocumentError::Unreadable {
            path: path.clone(),
            source,
        };
        let is_stdin = path == Path::new("-");
        let text = if is_stdin {
            let mut text = String::new();
            let mut stdin = tokio::io::stdin();
            stdin.read_to_string(&mut text).await.map_err(unreadable)?;
            text
        } else {
            tokio::fs::read_to_string(path).await.map_err(unreadable)?
        };
        let title = if is_stdin {
            "stdin".to_owned()
        } else {
            path.display().to_string()
        };
        documents.extend(parse(&text, &title)?);
    }
    Ok(documents)
}

/// Reads a text. Documents that say nothing are left out.
pub fn parse(text: &str, title: &str) -> Result<Vec<Document>, DocumentError> {
    let mut documents = Vec::new();
    for (index, part) in split(text).into_iter().enumerate() {
        let broken = |why: String| DocumentError::Broken {
            number: index + 1,
            title: title.to_owned(),
            why,
        };
        let value: Value = match serde_json::from_str(&part) {
            Ok(value) => value,
            // Of a text that begins as JSON, the JSON reader knows better what is wrong.
            Err(error) if part.trim_start().starts_with('{') && error.is_eof() => {
                return Err(broken(error.to_string()));
            }
            Err(_) => {
                // `defaultMode: 0644` means what it means to kubectl.
                let options = serde_saphyr::options! { legacy_octal_numbers: true };
                serde_saphyr::from_str_with_options(&part, options)
                    .map_err(|error| broken(error.to_string()))?
            }
        };
        if !value.is_null() {
            documents.push(Document { text: part, value });
        }
    }
    Ok(documents)
}

/// The documents of a text. A line that begins with `---` separates them wherever it stands (YAML 1.2, 9.1.4).
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        let marker = line.strip_prefix("---");
        let rest = marker.filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        let Some(part) = parts.last_mut() else { continue };
        if let Some(rest) = rest {
            let begun = rest.trim_start();
            let is_comment = begun.is_empty() || begun.starts_with('#');
            parts.push(if is_comment {
                String::new()
            } else {
                format!("{begun}\n")
            });
        } else {
            part.push_str(line);
            part.push('\n');
        }
    }
    parts.retain(|part| {
        // A directive (`%YAML 1.1`) stands before the line that begins its document.
        let says = |line: &str| {
            !line.trim().is_empty() && !line.trim_start().starts_with('#') && !line.starts_with('%')
        };
        part.lines().any(says)
    });
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<String> {
        let documents = parse(text, "t").unwrap();
        let objects = documents.iter().flat_map(Document::objects);
        objects
            .map(|object| object["kind"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn documents_and_lists_of_both_formats_are_read_in_order() {
        for (text, expected) in [
            ("kind: A\n---\n# nothing\n---\nkind: B\n", vec!["A", "B"]),
            ("---\nkind: A\n--- # a comment\nkind: B\n...\n", vec!["A", "B"]),
            (r#"{"kind": "A"}"#, vec!["A"]),
            ("{\n\t\"kind\": \"A\"\n}\n---\nkind: B", vec!["A", "B"]),
            ("kind: List\nitems:\n- kind: A\n- kind: B\n", vec!["A", "B"]),
            (r#"{"kind":"PodList","items":[{"kind":"A"}]}"#, vec!["A"]),
            ("kind: AccessList\nspec: {}\n", vec!["AccessList"]),
            ("%YAML 1.1\n---\nkind: A\n", vec!["A"]),
            ("", vec![]),
        ] {
            assert_eq!(kinds(text), expected, "{text}");
        }
    }

    #[test]
    fn a_document_keeps_its_own_text() {
        let documents = parse("# why\nkind: A\n---\nkind: B # so\n", "t").unwrap();
        assert_eq!(documents[0].text, "# why\nkind: A\n");
        assert_eq!(documents[1].text, "kind: B # so\n");
    }

    #[test]
    fn values_are_read_as_kubectl_reads_them() {
        let documents = parse(
            "a: yes\nmode: 0644\nversion: \"1.10\"\nn: 0x10\nport: 8080\nlabel: 1e3\ntext: |\n  a\n   b\n",
            "t",
        )
        .unwrap();
        let value = &documents[0].value;
        assert_eq!(value["a"], true);
        assert_eq!(value["mode"], 0o644);
        assert_eq!(value["version"], "1.10");
        assert_eq!(value["port"], 8080);
        assert_eq!(value["text"], "a\n b\n");
    }

    /// kubectl reads YAML 1.1, in which more words mean something than in YAML 1.2.
    #[test]
    fn texts_that_look_like_something_else_stay_texts() {
        for text in [
            "yes",
            "no",
            "on",
            "off",
            "y",
            "n",
            "Yes",
            "true",
            "null",
            "~",
            "",
            "1.10",
            "1e3",
            "0644",
            "0o17",
            "0x1F",
            "0b11",
            "1_000",
            "12:30:45",
            ".inf",
            ".nan",
            "=",
            "<<",
            "- a",
            "a: b",
            "a #b",
            "#a",
            " a",
            "a ",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "%a",
            "@a",
            "`a",
            "{a",
            "[a",
            "'a",
            "\"a",
            "a\nb\n",
            "a\tb",
            "2026-01-02",
            "?",
            ":",
            "---",
        ] {
            let value = serde_json::json!({ "a": text });
            let yaml = to_yaml(&value).unwrap();
            assert_eq!(parse(&yaml, "t").unwrap()[0].value, value, "{yaml}");
            let scalar = yaml.trim_start_matches("a:").trim_start();
            let is_quoted = scalar.starts_with(['"', '\'', '|', '>']);
            let means_nothing = ["a\tb", "2026-01-02"].contains(&text);
            assert!(is_quoted || means_nothing, "{yaml}");
        }
    }

    #[test]
    fn a_document_that_has_changed_keeps_its_format() {
        let value = serde_json::json!({"kind": "A", "mode": 420});
        assert_eq!(
            rewritten("kind: A # so\n", &value).unwrap(),
            "kind: A\nmode: 420\n"
        );
        let json = rewritten("\n{\"kind\": \"A\"}", &value).unwrap();
        assert!(json.starts_with("{\n  \"kind\""), "{json}");
        let joined = join(&["kind: A\n", "kind: B"]);
        assert_eq!(joined, "---\nkind: A\n---\nkind: B\n");
        assert_eq!(kinds(&joined), ["A", "B"]);
    }

    #[test]
    fn the_objects_of_a_list_can_be_changed() {
        for mut value in [
            serde_json::json!({"kind": "A"}),
            serde_json::json!({"kind": "List", "items": [{"kind": "A"}, {"kind": "B"}]}),
        ] {
            for object in objects_mut(&mut value) {
                object["seen"] = true.into();
            }
            let count = value.to_string().matches("seen").count();
            assert_eq!(count, value["items"].as_array().map_or(1, Vec::len));
            assert!(value["items"].is_null() || value["seen"].is_null(), "{value}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_document() {
        let error = parse("kind: A\n---\nkind: [\n", "app.yaml")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("document 2 of app.yaml is not readable"),
            "{error}"
        );
        let error = parse("{\"kind\": ", "-").unwrap_err().to_string();
        assert!(error.contains("EOF"), "{error}");
    }
}
