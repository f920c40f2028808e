//! Helm templates in a configuration. The charts run Vault's configuration through `tpl`; here the actions are taken out, so
//! that what stands around them can be read.

/// Stands in place of an action that prints something; its number follows, then [`END`].
pub(super) const BEGIN: char = '\u{e000}';
/// Ends what stands in place of an action.
pub(super) const END: char = '\u{e001}';

/// A configuration without its actions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Masked {
    /// The text, with as many lines as before.
    pub(super) text: String,
    /// The actions that print something, each with its braces.
    actions: Vec<String>,
}

/// Words that begin an action which prints nothing.
const SILENT: [&str; 9] = [
    "if", "else", "end", "range", "with", "define", "break", "continue", "block",
];

/// Takes the actions out of a text. `known` gives the text that an action prints, if that is known.
pub(super) fn mask(text: &str, known: impl Fn(&str) -> Option<String>) -> Masked {
    let mut masked = Masked {
        text: String::with_capacity(text.len()),
        actions: Vec::new(),
    };
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let Some(length) = action_length(&rest[start..]) else {
            break;
        };
        let action = &rest[start..start + length];
        masked.text.push_str(&rest[..start]);
        if let Some(pipeline) = printed(action) {
            if let Some(value) = known(pipeline) {
                masked.text.push_str(&value);
            } else {
                masked.text.push(BEGIN);
                masked.text.push_str(&masked.actions.len().to_string());
                masked.text.push(END);
                masked.actions.push(action.to_owned());
            }
        }
        // So that errors have the lines of the file.
        masked.text.extend(action.chars().filter(|c| *c == '\n'));
        rest = &rest[start + length..];
    }
    masked.text.push_str(rest);
    masked
}

impl Masked {
    /// The text with the actions in it again.
    pub(super) fn restored(&self, text: &str) -> String {
        let mut restored = text.to_owned();
        for (number, action) in self.actions.iter().enumerate() {
            restored = restored.replace(&format!("{BEGIN}{number}{END}"), action);
        }
        restored
    }

    /// What the marks stand for, without the text.
    pub(super) fn marks(&self) -> Self {
        Self {
            text: String::new(),
            actions: self.actions.clone(),
        }
    }
}

/// Whether a text was masked.
pub(super) fn is_masked(text: &str) -> bool {
    text.contains(BEGIN)
}

/// The pipeline of an action; `None` for one that prints nothing.
fn printed(action: &str) -> Option<&str> {
    let inner = action.trim_start_matches("{{").trim_end_matches("}}");
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let inner = inner.strip_suffix('-').unwrap_or(inner).trim();
    let word = inner
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default();
    let assigns = inner.starts_with('$') && (inner.contains(":=") || inner.contains(" = "));
    (!inner.starts_with("/*") && !SILENT.contains(&word) && !assigns).then_some(inner)
}

/// The length of the action that begins a text, as Go's `text/template` ends it: not in a string, nor in a comment.
fn action_length(text: &str) -> Option<usize> {
    let comment = text[2..].trim_start_matches('-').trim_start();
    if comment.starts_with("/*") {
        let end = text.find("*/")? + 2;
        return Some(end + text[end..].find("}}")? + 2);
    }
    let mut quoted = None;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(2) {
        match quoted {
            Some(_) if escaped => escaped = false,
            Some(quote) => {
                escaped = c == '\\' && quote != '`';
                if c == quote {
                    quoted = None;
                }
            }
            None if matches!(c, '"' | '`' | '\'') => quoted = Some(c),
            None if text[at..].starts_with("}}") => return Some(at + 2),
            None => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(text: &str) -> Masked {
        mask(text, |_| None)
    }

    #[test]
    fn control_and_comments_vanish_and_what_prints_leaves_a_mark() {
        let text = "a\n{{- if .Values.x }}\nb = \"{{ .y }}\"\n{{/* c \"}} */}}{{- end -}}\n{{ $z := 1 }}{{ template \"n\" $ }}\n";
        let masked = unknown(text);
        assert_eq!(
            masked.text,
            format!("a\n\nb = \"{BEGIN}0{END}\"\n\n{BEGIN}1{END}\n")
        );
        assert_eq!(
            masked.restored(&masked.text),
            "a\n\nb = \"{{ .y }}\"\n\n{{ template \"n\" $ }}\n"
        );
    }

    #[test]
    fn braces_in_strings_end_no_action() {
        let masked = unknown("x {{ printf \"}} \\\" %s\" `}}` '}' }} y");
        assert_eq!(masked.text, format!("x {BEGIN}0{END} y"));
    }

    #[test]
    fn lines_stay_where_they_were() {
        let masked = unknown("a\n{{- range\n $i }}\nb");
        assert_eq!(masked.text.lines().count(), 4);
    }

    #[test]
    fn what_is_no_action_stays() {
        assert_eq!(unknown("a {{ b").text, "a {{ b");
        assert_eq!(unknown("a { b }").text, "a { b }");
        assert!(!is_masked(&unknown("a").text) && is_masked(&unknown("{{ .a }}").text));
    }

    #[test]
    fn what_is_known_is_put_in() {
        let masked = mask("r = \"{{- .Values.region -}}\"", |pipeline| {
            (pipeline == ".Values.region").then(|| "eu-west-1".to_owned())
        });
        assert_eq!(masked.text, "r = \"eu-west-1\"");
    }
}
