//! Where documents end and begin in a text.

/// What stands between two lines that separate documents.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// The line that separates it from the part before, or what of it is no content.
    pub(super) lead: &'a str,
    /// What stands behind.
    pub(super) body: &'a str,
    /// Counted from 1. What stands above the first separator is a document only if it is not empty.
    pub(super) number: usize,
    /// The line of the text that the body begins in, from 1.
    pub(super) line: usize,
}

impl<'a> Part<'a> {
    pub(super) fn says_something(&self) -> bool {
        says_something(self.body)
    }

    /// The lines of comments above the document, and the document.
    pub(super) fn without_comments(&self) -> (&'a str, &'a str) {
        let mut at = 0;
        for line in self.body.split_inclusive('\n') {
            if !line.trim().is_empty() && !line.trim_start().starts_with('#') {
                break;
            }
            at += line.len();
        }
        self.body.split_at(at)
    }
}

/// Whether there is more than comments, directives (`%YAML 1.1`) and ends of documents.
pub(super) fn says_something(text: &str) -> bool {
    let says = |line: &str| {
        let trimmed = line.trim().trim_start_matches('\u{feff}');
        !trimmed.is_empty() && !trimmed.starts_with('#') && !line.starts_with('%') && trimmed != "..."
    };
    text.lines().any(says)
}

/// The parts of a text. A line that begins with `---` separates them wherever it stands (YAML 1.2, 9.1.4).
pub(super) fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = vec![Part {
        lead: "",
        body: "",
        number: 1,
        line: 1,
    }];
    let (mut begun, mut at) = (0, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if let Some(lead) = separator(line) {
            if let Some(part) = parts.last_mut() {
                part.body = &text[begun..at];
            }
            begun = at + lead;
            parts.push(Part {
                lead: &text[at..begun],
                body: "",
                number: 0,
                line: index + if line.len() == lead { 2 } else { 1 },
            });
        }
        at += line.len();
    }
    if let Some(part) = parts.last_mut() {
        part.body = &text[begun..];
    }
    let first = usize::from(parts.first().is_some_and(Part::says_something));
    for (index, part) in parts.iter_mut().enumerate() {
        part.number = (index + first).max(1);
    }
    parts
}

/// The length of what separates documents in this line, if it does: all of it, or what stands before the content.
fn separator(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("---")?;
    let begun = rest.trim_start();
    // kubectl takes a comment that follows at once, too.
    if begun.is_empty() || begun.starts_with('#') {
        return Some(line.len());
    }
    rest.starts_with([' ', '\t']).then(|| line.len() - begun.len())
}

/// Whether the first line that is no comment separates documents.
pub(super) fn begins_with_separator(text: &str) -> bool {
    let mut lines = text.lines();
    let first = lines.find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    first.is_none_or(|line| separator(line).is_some() || line.starts_with('%'))
}

/// A document up to its end (`...`), and what stands behind.
pub(super) fn end_of_document(text: &str) -> (&str, &str) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let rest = line.strip_prefix("...");
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace)) {
            return (&text[..at], &text[at + line.len()..]);
        }
        at += line.len();
    }
    (text, "")
}

/// A document without the directives at its end, which belong to the next one. kubectl does not read so far.
pub(super) fn without_directives(text: &str) -> &str {
    let mut end = text.len();
    for line in text.split_inclusive('\n').rev() {
        if !line.starts_with('%') && !line.trim().is_empty() {
            break;
        }
        end -= line.len();
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(text: &str) -> Vec<(usize, usize, &str)> {
        let parts = split(text);
        let whole: String = parts.iter().map(|part| [part.lead, part.body].concat()).collect();
        assert_eq!(whole, text);
        let said = parts.iter().filter(|part| part.says_something());
        said.map(|part| (part.number, part.line, part.body)).collect()
    }

    #[test]
    fn documents_are_counted_with_those_that_are_empty() {
        for (text, expected) in [
            ("a\n---\n---\nb\n", vec![(1, 1, "a\n"), (3, 4, "b\n")]),
            ("---\na\n---\n# no\n---\nb", vec![(1, 2, "a\n"), (3, 6, "b")]),
            ("# no\n---\na\n", vec![(1, 3, "a\n")]),
            ("%YAML 1.1\n---\r\na\r\n", vec![(1, 3, "a\r\n")]),
            (
                "--- {a: b}\n---#c\nb\n---\t\nc\n",
                vec![(1, 1, "{a: b}\n"), (2, 3, "b\n"), (3, 5, "c\n")],
            ),
            ("----\n---x\n", vec![(1, 1, "----\n---x\n")]),
            ("", vec![]),
            ("---", vec![]),
        ] {
            assert_eq!(bodies(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_document_ends_where_it_says_so() {
        assert_eq!(end_of_document("a\n...\nb\n"), ("a\n", "b\n"));
        assert_eq!(end_of_document("a\n... # c\n"), ("a\n", ""));
        assert_eq!(end_of_document("a\n....\n"), ("a\n....\n", ""));
    }
}
