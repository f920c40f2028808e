//! Takes secrets out of text: those that are known, and what looks like one.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// What stands in the place of a secret.
const MASK: &str = "***";
/// Shorter values are left: they would mask ordinary words.
const SHORTEST: usize = 8;
/// Parts of names whose values are secret.
const SECRET_NAMES: [&str; 5] = ["SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL"];
/// Names that look like those, and only name a place.
const PLAIN_ENDS: [&str; 4] = ["_FILE", "_PATH", "_URI", "_URL"];

/// Secrets that must not be printed.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Remembers a value in every form in which it may be written.
    pub fn learn(&mut self, value: &[u8]) {
        if value.len() < SHORTEST {
            return;
        }
        let mut forms = vec![
            STANDARD.encode(value),
            STANDARD_NO_PAD.encode(value),
            URL_SAFE_NO_PAD.encode(value),
        ];
        if let Ok(text) = std::str::from_utf8(value) {
            forms.push(text.trim().to_owned());
            // Of a key in several lines, each line would still be a part of it.
            forms.extend(text.lines().map(|line| line.trim().to_owned()));
        }
        forms.retain(|form| form.len() >= SHORTEST && !form.starts_with("-----"));
        self.0.extend(forms);
        // The longest first, so that no part of one is left.
        self.0.sort_by_key(|form| std::cmp::Reverse(form.len()));
        self.0.dedup();
    }

    /// Masks an object in its place, and remembers what was in it.
    pub fn mask(&mut self, object: &mut Value) {
        if object.get("kind").and_then(Value::as_str) == Some("Secret") {
            self.mask_secret(object);
        }
        self.mask_variables(object);
    }

    fn mask_secret(&mut self, object: &mut Value) {
        if let Some(annotations) = object.pointer_mut("/metadata/annotations") {
            // Tools keep the whole object there, with its data.
            *annotations = Value::from(MASK);
        }
        for part in ["data", "stringData"] {
            let Some(entries) = object.get_mut(part).and_then(Value::as_object_mut) else {
                continue;
            };
            // Certificates are public, and worth a look.
            let is_certificate = |name: &str| Path::new(name).extension().is_some_and(|end| end == "crt");
            let secret = entries.iter_mut().filter(|(name, _)| !is_certificate(name));
            for (_, value) in secret {
                let text = value.as_str().unwrap_or_default().to_owned();
                match STANDARD.decode(&text) {
                    Ok(bytes) if part == "data" => self.learn(&bytes),
                    _ => self.learn(text.as_bytes()),
                }
                *value = Value::from(MASK);
            }
        }
    }

    /// Masks values of variables with names of secrets, wherever they are in the object.
    fn mask_variables(&mut self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_variables(item)),
            Value::Object(entries) => {
                let name = entries.get("name").and_then(Value::as_str).map(str::to_uppercase);
                let secret = name.is_some_and(|name| is_secret(&name));
                if let Some(Value::String(text)) = entries.get_mut("value").filter(|_| secret) {
                    self.learn(text.as_bytes());
                    MASK.clone_into(text);
                }
                entries.values_mut().for_each(|value| self.mask_variables(value));
            }
            _ => {}
        }
    }

    /// Text without any secret.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), MASK);
            }
        }
        without_tokens(&text)
    }
}

fn is_secret(name: &str) -> bool {
    let says_so = SECRET_NAMES.iter().any(|part| name.contains(part));
    says_so && !PLAIN_ENDS.iter().any(|end| name.ends_with(end))
}

/// Text without JSON Web Tokens: three parts of base64, the first of which begins an object.
fn without_tokens(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("eyJ") {
        let (before, from) = rest.split_at(at);
        masked.push_str(before);
        let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let end = from.find(|c| !inner(c)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        if word.matches('.').count() >= 2 {
            masked.push_str(MASK);
        } else {
            masked.push_str(word);
        }
        rest = after;
    }
    masked.push_str(rest);
    masked
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_masked_and_found_wherever_else_it_is() {
        let mut secrets = Secrets::default();
        let mut object = json!({"kind": "Secret", "metadata": {"name": "s",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "c2VjcmV0LXZhbHVl"}},
            "data": {"k": "c2VjcmV0LXZhbHVl", "ca.crt": "cHVibGljLXZhbHVl"}, "stringData": {"p": "other-secret"}});
        secrets.mask(&mut object);
        let text = object.to_string();
        for part in ["c2VjcmV0LXZhbHVl", "secret-value", "other-secret"] {
            assert!(!text.contains(part), "{text}");
        }
        assert!(text.contains("cHVibGljLXZhbHVl"), "{text}");
        let log = "a secret-value, c2VjcmV0LXZhbHVl, and other-secret";
        assert_eq!(secrets.scrub(log), "a ***, ***, and ***");
    }

    #[test]
    fn secret_variables_are_masked_and_places_are_not() {
        let mut secrets = Secrets::default();
        let mut pod = json!({"kind": "Pod", "spec": {"containers": [{"env": [
            {"name": "AWS_SECRET_ACCESS_KEY", "value": "abcdefgh"},
            {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/token"},
            {"name": "AWS_REGION", "value": "us-east-1"}]}]}});
        secrets.mask(&mut pod);
        let values: Vec<&str> = pod["spec"]["containers"][0]["env"]
            .as_array()
            .unwrap()
            .iter()
            .map(|variable| variable["value"].as_str().unwrap())
            .collect();
        assert_eq!(values, ["***", "/var/run/token", "us-east-1"]);
    }

    #[test]
    fn every_line_of_a_key_is_a_secret() {
        let mut secrets = Secrets::default();
        secrets.learn(b"-----BEGIN KEY-----\nMIGHAgEAMBMGByqG\nSM49AgEGCCqGSM49\n-----END KEY-----\n");
        assert_eq!(secrets.scrub("x SM49AgEGCCqGSM49 y"), "x *** y");
        assert_eq!(secrets.scrub("-----BEGIN KEY-----"), "-----BEGIN KEY-----");
    }

    #[test]
    fn tokens_are_masked_and_words_are_not() {
        let secrets = Secrets::default();
        assert_eq!(
            secrets.scrub("token=eyJhbGciOi.eyJzdWIi.c2ln, eyJ and eyJx.y"),
            "token=***, eyJ and eyJx.y"
        );
    }
}
