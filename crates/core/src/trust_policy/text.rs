//! Texts of others, for a log line.

/// A text out of a policy or a token, cut and escaped so that it cannot break or flood a log line.
pub(crate) fn shorten(text: &str) -> String {
    const KEEP: usize = 160;
    let mut characters = text.chars();
    let head: String = characters.by_ref().take(KEEP).collect();
    let more = if characters.next().is_some() { "…" } else { "" };
    format!("{}{more}", head.escape_debug())
}
