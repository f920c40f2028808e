//! The seal stanzas of one configuration: HCL, JSON in a text, or a mapping.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::ValuesError;
use super::hcl;
use super::template::{Masked, is_masked};
use super::text::scalar;

/// A seal stanza.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stanza {
    /// Its type in lower case, as Vault compares it.
    pub(super) kind: String,
    /// Its fields that are texts, numbers or booleans.
    pub(super) fields: BTreeMap<String, String>,
}

/// The seals of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Config {
    /// Its stanzas, in its order.
    pub(super) stanzas: Vec<Stanza>,
    /// Whether it allows several seals at once.
    pub(super) multiseal: bool,
    /// A template that may print more of them.
    pub(super) unknown: Option<String>,
}

/// Blocks that hold a seal: both names are the same to Vault.
const BLOCKS: [&str; 2] = ["seal", "kms"];

impl Stanza {
    fn of(kind: &str, fields: BTreeMap<String, String>) -> Self {
        // A type that only Helm knows is that of AWS where the stanza names a key as only that one does.
        let kind = if is_masked(kind) && fields.contains_key("kms_key_id") {
            "awskms".to_owned()
        } else {
            kind.to_ascii_lowercase()
        };
        Self { kind, fields }
    }

    /// Whether it is there only to migrate away from. Vault reads the value leniently.
    pub(super) fn is_disabled(&self) -> bool {
        self.fields
            .get("disabled")
            .is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "true" | "t" | "1"))
    }

    /// Its name in a high-availability setup.
    pub(super) fn name(&self) -> Option<&str> {
        self.fields.get("name").map(String::as_str)
    }

    /// When Vault asks it: seals of the lowest number first.
    pub(super) fn priority(&self) -> u32 {
        let priority = self.fields.get("priority").and_then(|text| text.parse().ok());
        priority.unwrap_or(u32::MAX)
    }
}

/// Reads a configuration whose templates are masked, which stands at `place`.
pub(super) fn read(config: &Masked, place: &str) -> Result<Config, ValuesError> {
    let text = config
        .text
        .trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
    if text.starts_with('{') {
        let value: Value = serde_json::from_str(text).map_err(|error| ValuesError::Json {
            place: place.to_owned(),
            why: error.to_string(),
        })?;
        return Ok(of_json(&value));
    }
    let body = hcl::parse(&config.text).map_err(|source| ValuesError::Hcl {
        place: place.to_owned(),
        source,
    })?;
    let is_on = |item: &hcl::Item| {
        item.keys == ["enable_multiseal"] && item.value == hcl::Value::Text("true".to_owned())
    };
    Ok(Config {
        multiseal: body.items.iter().any(is_on),
        stanzas: body
            .items
            .iter()
            .flat_map(|item| of_item(&item.keys, &item.value))
            .collect(),
        unknown: body.unknown.map(|mark| config.restored(&mark)),
    })
}

/// The stanzas of an item: `seal "awskms" {}`, `seal { awskms {} }`, and lists of either.
fn of_item(keys: &[String], value: &hcl::Value) -> Vec<Stanza> {
    let [block, labels @ ..] = keys else {
        return Vec::new();
    };
    if !BLOCKS.contains(&block.as_str()) {
        return Vec::new();
    }
    match (labels, value) {
        (_, hcl::Value::List(values)) => values.iter().flat_map(|value| of_item(keys, value)).collect(),
        ([kind, ..], hcl::Value::Object(body)) => {
            let fields = body
                .iter()
                .filter_map(|field| match (&field.keys[..], &field.value) {
                    ([name], hcl::Value::Text(text)) => Some((name.clone(), text.clone())),
                    _ => None,
                });
            vec![Stanza::of(kind, fields.collect())]
        }
        ([], hcl::Value::Object(body)) => {
            let inner = |item: &hcl::Item| {
                let keys: Vec<String> = std::iter::once(block).chain(&item.keys).cloned().collect();
                of_item(&keys, &item.value)
            };
            body.iter().flat_map(inner).collect()
        }
        (_, hcl::Value::Text(_)) => Vec::new(),
    }
}

/// The stanzas of `{"seal": {"awskms": {...}}}`, with lists wherever HCL allows repetition.
pub(super) fn of_json(config: &Value) -> Config {
    fn each(value: &Value) -> Vec<&Value> {
        match value {
            Value::Array(items) => items.iter().collect(),
            other => vec![other],
        }
    }
    let blocks = BLOCKS
        .iter()
        .filter_map(|block| config.get(*block))
        .flat_map(each);
    let kinds = blocks.filter_map(Value::as_object).flatten();
    let stanzas = kinds.flat_map(|(kind, stanzas)| {
        each(stanzas)
            .into_iter()
            .filter_map(Value::as_object)
            .map(move |fields| {
                let fields = fields.iter();
                let fields = fields.filter_map(|(name, value)| Some((name.clone(), scalar(value)?)));
                Stanza::of(kind, fields.collect())
            })
    });
    Config {
        stanzas: stanzas.collect(),
        multiseal: config.get("enable_multiseal").and_then(scalar).as_deref() == Some("true"),
        unknown: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::template::mask;
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let config = read(&mask(text, |_| None), "here").unwrap();
        let key = |stanza: &Stanza| stanza.fields.get("kms_key_id").cloned().unwrap_or_default();
        let line = |stanza: &Stanza| {
            let disabled = if stanza.is_disabled() { " disabled" } else { "" };
            format!("{} {}{disabled}", stanza.kind, key(stanza))
        };
        config.stanzas.iter().map(line).collect()
    }

    #[test]
    fn every_form_of_a_stanza_is_read() {
        for text in [
            r#"seal "awskms" { kms_key_id = "a" }"#,
            r#"seal "AWSKMS" { "kms_key_id" = "a" }"#,
            r"seal awskms { kms_key_id = a }",
            r#"kms "awskms" { kms_key_id = "a" purpose = ["x"] }"#,
            r#"seal = { awskms = { kms_key_id = "a" } }"#,
            r#"seal { awskms { kms_key_id = "a" } }"#,
            r#"seal = [{ awskms = { kms_key_id = "a" } }]"#,
            "# seal \"awskms\" { kms_key_id = \"z\" }\nseal \"awskms\" {\n  kms_key_id = \"a\" # b\n}",
            "/* seal \"awskms\" { kms_key_id = \"z\" } */ seal \"awskms\" { // c\n kms_key_id = \"a\" }",
            "\u{feff}seal \"awskms\" {\r\n  kms_key_id = \"a\"\r\n}\r\n",
            r#"{"seal": {"awskms": {"kms_key_id": "a"}}}"#,
            r#" {"seal": [{"awskms": [{"kms_key_id": "a"}]}], "ui": true}"#,
            r#"{"kms": {"AwsKms": {"kms_key_id": "a", "priority": 1}}}"#,
        ] {
            assert_eq!(found(text), ["awskms a"], "{text}");
        }
    }

    #[test]
    fn several_stanzas_are_all_read_in_their_order() {
        let hcl = "seal \"awskms\" { disabled = \"true\" kms_key_id = \"a\" }\nseal \"shamir\" {}\nseal \"awskms\" { kms_key_id = \"b\" }";
        assert_eq!(found(hcl), ["awskms a disabled", "shamir ", "awskms b"]);
        let json = r#"{"seal": [{"awskms": {"kms_key_id": "a", "disabled": true}}, {"awskms": {"kms_key_id": "b"}}]}"#;
        assert_eq!(found(json), ["awskms a disabled", "awskms b"]);
        let list = r#"{"seal": {"awskms": [{"kms_key_id": "a"}, {"kms_key_id": "b"}]}}"#;
        assert_eq!(found(list), ["awskms a", "awskms b"]);
    }

    #[test]
    fn vault_reads_disabled_leniently() {
        for (text, expected) in [
            ("true", true),
            ("\"true\"", true),
            ("\"TRUE\"", true),
            ("1", true),
            ("\"1\"", true),
            ("false", false),
            ("\"\"", false),
            ("0", false),
        ] {
            let config = read(
                &mask(&format!("seal \"awskms\" {{ disabled = {text} }}"), |_| None),
                "x",
            )
            .unwrap();
            assert_eq!(config.stanzas[0].is_disabled(), expected, "{text}");
        }
    }

    #[test]
    fn a_heredoc_of_another_field_hides_nothing() {
        let text = "x = <<EOT\nseal \"awskms\" { kms_key_id = \"z\" }\nEOT\nseal \"awskms\" {\n  kms_key_id = <<-E\n    a\n    E\n}";
        assert_eq!(found(text), ["awskms     a\n"]);
    }

    #[test]
    fn templates_around_a_stanza_hide_nothing() {
        let text = "{{- range $i := until 3 }}\nretry_join { leader = \"{{ template \"n\" $ }}-{{ $i }}\" }\n{{- end }}\n\
seal \"{{ .type }}\" { kms_key_id = \"a\" }\n{{ include \"more\" . }}";
        assert_eq!(found(text), ["awskms a"]);
        let config = read(&mask(text, |_| None), "x").unwrap();
        assert_eq!(config.unknown.as_deref(), Some("{{ include \"more\" . }}"));
    }
}
