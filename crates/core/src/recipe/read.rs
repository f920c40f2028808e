//! Reads a Recipe, so that an error names the field and reports what to do.

use serde_json::Value;

use super::Recipe;

/// Reads a Recipe. The error names the field.
pub fn read(object: &Value) -> Result<Recipe, String> {
    let found = |path: &str| {
        let parts: Vec<&str> = path
            .split(['.', '['])
            .map(|part| part.trim_end_matches(']'))
            .collect();
        let pointer = format!("/{}", parts.join("/"));
        object.pointer(&pointer).cloned().unwrap_or_default()
    };
    serde_path_to_error::deserialize(object).map_err(|error| {
        let path = error.path().to_string();
        let why = error.into_inner().to_string();
        if path == "." {
            return why;
        }
        if !why.ends_with("expected a string") {
            return format!("{path}: {why}");
        }
        let read = match found(&path) {
            Value::Number(number) => format!("a number ({number})"),
            Value::Bool(flag) => format!("a boolean ({flag})"),
            _ => return format!("{path}: {why}"),
        };
        let example = match path.rsplit('.').next() {
            Some("account") => ", as in account: \"000000000000\"",
            _ => "",
        };
        format!("{path} must be a string, and without quotes it is {read} to YAML: quote it{example}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_names_the_field_and_a_number_is_to_be_quoted() {
        let recipe = |account: Value, region: Value| {
            json!({"apiVersion": "irsa-emu.dev/v1alpha1", "kind": "Recipe", "metadata": {"name": "r"},
                "spec": {"account": account, "region": region, "iam": {"roles": [{"name": "r"}]}}})
        };
        for (object, expected) in [
            (
                recipe(json!(0), json!("x")),
                "spec.account must be a string, and without quotes it is a number (0) to YAML: quote it, as in account: \"000000000000\"",
            ),
            (
                recipe(json!("1"), json!(false)),
                "spec.region must be a string, and without quotes it is a boolean (false) to YAML: quote it",
            ),
            (
                recipe(json!("1"), json!([])),
                "spec.region: invalid type: sequence, expected a string",
            ),
            (json!({"spec": {"account": "1"}}), "missing field"),
        ] {
            let error = read(&object).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(read(&recipe(json!("1"), json!("x"))).is_ok());
    }
}
