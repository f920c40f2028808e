//! Values files laid over each other, as Helm does.

use serde_json::{Map, Value};

/// Reads one file. Helm takes its first document, and of two keys that are the same the later one.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        legacy_octal_numbers: true,
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let documents: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| error.to_string())?;
    Ok(documents.into_iter().next().unwrap_or(Value::Null))
}

/// Lays values over others: mappings key by key, everything else whole. `null` stays, as it takes a default away.
pub(super) fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Object(under)), Value::Object(over)) => merge(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(files: &[&str]) -> Value {
        let mut all = Map::new();
        for file in files {
            let values = parse(file).unwrap();
            merge(&mut all, values.as_object().expect("a mapping").clone());
        }
        Value::Object(all)
    }

    #[test]
    fn later_files_win_key_by_key_and_null_takes_away() {
        let files = [
            "a: {b: 1, c: [1, 2], d: {e: 1}}",
            "a: {c: [3], d: null}",
            "a: {b: {f: 1}}",
        ];
        assert_eq!(merged(&files), json!({"a": {"b": {"f": 1}, "c": [3], "d": null}}));
    }

    #[test]
    fn files_are_read_as_helm_reads_them() {
        for (text, expected) in [
            ("a: 1\na: 2\n", json!({"a": 2})),
            ("a: yes\n", json!({"a": true})),
            (
                "x: &x {b: 1}\na:\n  <<: *x\n  c: 2\n",
                json!({"x": {"b": 1}, "a": {"b": 1, "c": 2}}),
            ),
            ("a: 1\n---\na: 2\n", json!({"a": 1})),
            ("\u{feff}a: 1\r\n", json!({"a": 1})),
            ("{\"a\": 1}", json!({"a": 1})),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        assert_eq!(parse("# nothing\n").unwrap(), Value::Null);
    }
}
