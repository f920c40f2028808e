//! The results for people.

use std::fmt::Write as _;
use std::time::Duration;

use irsa_emu_cluster::progress::seconds;
use irsa_emu_core::paint::Paint;
use irsa_emu_doctor::checks::engine::{CheckResult, Mark};
use irsa_emu_doctor::checks::surroundings::versions::Versions;

use super::counts::{Counts, PAGE, count};
use crate::console::printer::Printer;

/// The results for people, phase by phase.
#[must_use]
pub fn table(outcomes: &[CheckResult], took: Duration, printer: &Printer) -> String {
    let mut text = String::new();
    let mut phase = None;
    for outcome in outcomes {
        if phase != Some(outcome.phase) {
            phase = Some(outcome.phase);
            let _ = writeln!(text, "{}", printer.paint(Paint::Strong, outcome.phase.name()));
        }
        line(&mut text, outcome, printer);
    }
    text + &summary(outcomes, took)
}

/// The results for a ticket: only what is not as it should be, and versions.
#[must_use]
pub fn short(outcomes: &[CheckResult], versions: &Versions, took: Duration, printer: &Printer) -> String {
    let known = |version: &Option<String>| version.clone().unwrap_or_else(|| "unknown".to_owned());
    let mut text = format!(
        "irsa-emu {}, Kubernetes {}, Docker {}\n",
        env!("CARGO_PKG_VERSION"),
        known(&versions.kubernetes),
        known(&versions.docker)
    );
    for outcome in outcomes.iter().filter(|outcome| outcome.mark != Mark::Ok) {
        line(&mut text, outcome, printer);
    }
    text + &summary(outcomes, took)
}

fn line(text: &mut String, outcome: &CheckResult, printer: &Printer) {
    let (mark, paint) = match outcome.mark {
        Mark::Ok => ("√", Paint::Good),
        Mark::Warning => ("‼", Paint::Warn),
        Mark::Error => ("×", Paint::Bad),
        Mark::Skipped => ("-", Paint::Dim),
    };
    let mark = printer.paint(paint, mark);
    let CheckResult {
        id,
        message,
        object,
        fix,
        ..
    } = outcome;
    let Some(fix) = fix else {
        let skipped = if outcome.mark == Mark::Skipped {
            format!("skipped ({message})")
        } else {
            message.clone()
        };
        let _ = writeln!(text, "  {mark} {id}: {skipped}");
        return;
    };
    let below = message.replace('\n', "\n      ");
    let _ = match object {
        Some(object) => writeln!(text, "  {mark} {id}: {object}\n      {below}"),
        None => writeln!(text, "  {mark} {id}: {below}"),
    };
    let _ = writeln!(text, "      fix: {fix}   see {PAGE}#{id}");
}

fn summary(outcomes: &[CheckResult], took: Duration) -> String {
    let Counts {
        ok,
        warning,
        error,
        skipped,
    } = count(outcomes);
    let many = |number: usize, word: &str| {
        let s = if number == 1 { "" } else { "s" };
        format!("{number} {word}{s}")
    };
    format!(
        "{ok} ok, {}, {}, {skipped} skipped ({})",
        many(warning, "warning"),
        many(error, "error"),
        seconds(took)
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::outcomes;
    use super::*;
    use crate::options::words::{ColorMode, ProgressMode};

    fn printer() -> Printer {
        Printer::new(ColorMode::Never, ProgressMode::Quiet)
    }

    #[test]
    fn the_table_has_phases_causes_and_fixes() {
        insta::assert_snapshot!(table(&outcomes(), Duration::from_millis(4200), &printer()));
    }

    #[test]
    fn the_short_form_drops_what_is_well_and_has_versions() {
        let versions = Versions {
            kubernetes: Some("v1.34.4".into()),
            docker: Some("28.1.0".into()),
        };
        let text = short(&outcomes(), &versions, Duration::from_millis(4200), &printer());
        insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "[version]"));
    }
}
