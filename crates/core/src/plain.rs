//! Text of users inside of lines of ours.

use std::borrow::Cow;

/// The text with control characters escaped, so that it can neither break a line nor drive a terminal.
#[must_use]
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Control characters, separators of lines, and what turns the direction of text.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_line_or_drives_a_terminal_is_escaped() {
        for (text, expected) in [
            ("arn:aws:iam::1:role/é", "arn:aws:iam::1:role/é"),
            ("a\nb\r\t", "a\\nb\\r\\t"),
            ("\u{1b}[31m\u{9b}", "\\u{1b}[31m\\u{9b}"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("C:\\dir \"x\"", "C:\\dir \"x\""),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
