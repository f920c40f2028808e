//! Long lines on narrow terminals.

use textwrap::{Options, WordSplitter};

/// The narrowest width that lines are broken for.
const NARROWEST: usize = 40;

/// Breaks lines at spaces, and indents what goes on. Without a width (no terminal) every line stays whole; so does a
/// line to copy, for a command that is broken cannot be copied.
pub(super) fn wrapped(text: &str, width: Option<usize>) -> String {
    let Some(width) = width.map(|width| width.max(NARROWEST)) else {
        return text.to_owned();
    };
    let lines: Vec<String> = text.lines().map(|line| wrapped_line(line, width)).collect();
    lines.join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    let content = line.trim_start();
    if textwrap::core::display_width(line) <= width || is_to_copy(content) {
        return line.to_owned();
    }
    let (indent, _) = line.split_at(line.len() - content.len());
    let further = format!("{indent}  ");
    let options = Options::new(width)
        .initial_indent(indent)
        .subsequent_indent(&further)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(content, options)
}

fn is_to_copy(content: &str) -> bool {
    content.starts_with("next: ") || content.starts_with("fix: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "error: creating the kind cluster x: `kind create cluster` failed, as there is no space left on \
                        the device\n  cause: no space left\n  next: irsa-emu up --name x --with-a-line --that-is-longer-than-sixty-columns";

    #[test]
    fn prose_is_broken_and_a_command_is_not() {
        let expected = "error: creating the kind cluster x: `kind create cluster`\n  failed, as there is no space left on the device\n  \
                        cause: no space left\n  next: irsa-emu up --name x --with-a-line --that-is-longer-than-sixty-columns";
        assert_eq!(wrapped(TEXT, Some(60)), expected);
        assert_eq!(wrapped(TEXT, Some(200)), TEXT);
        assert_eq!(wrapped(TEXT, None), TEXT);
    }

    #[test]
    fn colour_takes_no_room_and_a_long_word_stays_whole() {
        let painted = format!("\x1b[31;1merror:\x1b[0m {}", "x".repeat(33));
        assert_eq!(wrapped(&painted, Some(40)), painted);
        let arn = format!("  arn:{} and more of it", "x".repeat(60));
        assert_eq!(
            wrapped(&arn, Some(40)),
            format!("  arn:{}\n    and more of it", "x".repeat(60))
        );
    }
}
