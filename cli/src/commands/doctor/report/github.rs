//! The results for a job of GitHub Actions: an annotation for each trouble, and a summary page.

use std::fmt::Write as _;

use irsa_emu_doctor::checks::engine::{CheckResult, Mark};

use super::counts::{Counts, PAGE, count};

/// A workflow command for each warning and each error.
#[must_use]
pub fn annotations(outcomes: &[CheckResult]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let level = match outcome.mark {
            Mark::Warning => "warning",
            Mark::Error => "error",
            Mark::Ok | Mark::Skipped => continue,
        };
        let message = format!(
            "{}\nfix: {}",
            said(outcome),
            outcome.fix.as_deref().unwrap_or_default()
        );
        let _ = writeln!(text, "::{level} title={}::{}", outcome.id, escaped(&message));
    }
    let Counts {
        ok,
        warning,
        error,
        skipped,
    } = count(outcomes);
    text + &format!("irsa-emu doctor: {ok} ok, {warning} warning(s), {error} error(s), {skipped} skipped")
}

/// A table in Markdown of what is not as it should be.
#[must_use]
pub fn summary(outcomes: &[CheckResult]) -> String {
    let mut text = "### irsa-emu doctor\n\n| Check | Result | What | Fix |\n|---|---|---|---|\n".to_owned();
    let bad = |outcome: &&CheckResult| matches!(outcome.mark, Mark::Warning | Mark::Error);
    for outcome in outcomes.iter().filter(bad) {
        let mark = if outcome.mark == Mark::Error {
            "❌"
        } else {
            "⚠️"
        };
        let (what, fix) = (
            cell(&said(outcome)),
            cell(outcome.fix.as_deref().unwrap_or_default()),
        );
        let _ = writeln!(text, "| `{}` | {mark} | {what} | `{fix}` |", outcome.id);
    }
    let Counts { ok, skipped, .. } = count(outcomes);
    let _ = writeln!(
        text,
        "\n{ok} ok, {skipped} skipped. What each check asks: `{PAGE}`."
    );
    text
}

fn said(outcome: &CheckResult) -> String {
    let object = outcome
        .object
        .as_ref()
        .map_or_else(String::new, |object| format!("{object}: "));
    format!("{object}{}", outcome.message)
}

/// A text as the data of a workflow command takes it.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A text as the cell of a table takes it.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::super::tests::outcomes;
    use super::*;

    #[test]
    fn every_trouble_is_an_annotation_in_one_line() {
        insta::assert_snapshot!(annotations(&outcomes()));
    }

    #[test]
    fn the_summary_is_a_table() {
        insta::assert_snapshot!(summary(&outcomes()));
    }
}
