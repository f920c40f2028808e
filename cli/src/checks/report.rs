//! What the doctor says: as a table, in short, or as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::engine::{Mark, Outcome};
use crate::printer::{Paint, Printer};
use crate::progress::seconds;

/// The page that explains every check.
pub const PAGE: &str = "docs/checks.md";

/// How many checks ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// As it should be.
    pub ok: usize,
    /// Worth a look.
    pub warning: usize,
    /// Wrong.
    pub error: usize,
    /// Not asked.
    pub skipped: usize,
}

/// Counts results.
#[must_use]
pub fn count(outcomes: &[Outcome]) -> Counts {
    let of = |mark: Mark| outcomes.iter().filter(|outcome| outcome.mark == mark).count();
    Counts {
        ok: of(Mark::Ok),
        warning: of(Mark::Warning),
        error: of(Mark::Error),
        skipped: of(Mark::Skipped),
    }
}

/// The results for people, phase by phase.
#[must_use]
pub fn table(outcomes: &[Outcome], took: Duration, printer: &Printer) -> String {
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
pub fn short(outcomes: &[Outcome], took: Duration, printer: &Printer) -> String {
    let mut text = format!("irsa-emu {}\n", env!("CARGO_PKG_VERSION"));
    for outcome in outcomes.iter().filter(|outcome| outcome.mark != Mark::Ok) {
        line(&mut text, outcome, printer);
    }
    text + &summary(outcomes, took)
}

fn line(text: &mut String, outcome: &Outcome, printer: &Printer) {
    let (mark, paint) = match outcome.mark {
        Mark::Ok => ("√", Paint::Good),
        Mark::Warning => ("‼", Paint::Warn),
        Mark::Error => ("×", Paint::Bad),
        Mark::Skipped => ("-", Paint::Dim),
    };
    let mark = printer.paint(paint, mark);
    let Outcome {
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
    let _ = writeln!(text, "  {mark} {id}: {}", object.as_deref().unwrap_or("failed"));
    let _ = writeln!(text, "      {}", message.replace('\n', "\n      "));
    let _ = writeln!(text, "      fix: {fix}   see {PAGE}#{id}");
}

fn summary(outcomes: &[Outcome], took: Duration) -> String {
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

/// The results for programs.
#[must_use]
pub fn json(outcomes: &[Outcome], cluster_version: Option<&str>) -> Value {
    let counts = count(outcomes);
    let checks: Vec<Value> = outcomes
        .iter()
        .map(|outcome| {
            json!({
                "id": outcome.id,
                "phase": outcome.phase,
                "result": outcome.mark,
                "message": outcome.message,
                "object": outcome.object,
                "fix": outcome.fix,
                "hint": format!("{PAGE}#{}", outcome.id),
                "duration_ms": u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
            })
        })
        .collect();
    json!({
        "schemaVersion": 1,
        "ok": counts.error == 0,
        "counts": {
            "ok": counts.ok, "warning": counts.warning, "error": counts.error, "skipped": counts.skipped,
        },
        "versions": { "irsa-emu": env!("CARGO_PKG_VERSION"), "kubernetes": cluster_version },
        "checks": checks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{ColorMode, ProgressMode};
    use crate::checks::engine::Phase;

    fn outcomes() -> Vec<Outcome> {
        let outcome = |id, phase, mark, message: &str| Outcome {
            id,
            phase,
            mark,
            message: message.into(),
            object: None,
            fix: None,
            took: Duration::from_millis(84),
        };
        vec![
            outcome(
                "host-docker-socket",
                Phase::Host,
                Mark::Ok,
                "unix:///var/run/docker.sock",
            ),
            Outcome {
                fix: Some("start irsa-emu up".into()),
                object: Some("Secret irsa-emu/irsa-emu-webhook-tls".into()),
                ..outcome("wh-ca-match", Phase::Webhook, Mark::Error, "another\nCA")
            },
            Outcome {
                fix: Some("irsa-emu up".into()),
                ..outcome("wh-cert-expiry", Phase::Webhook, Mark::Warning, "20 days left")
            },
            outcome("wh-dryrun", Phase::Webhook, Mark::Skipped, "needs wh-ca-match"),
        ]
    }

    fn printer() -> Printer {
        Printer::new(ColorMode::Never, ProgressMode::Quiet)
    }

    #[test]
    fn the_table_has_phases_causes_and_fixes() {
        insta::assert_snapshot!(table(&outcomes(), Duration::from_millis(4200), &printer()));
    }

    #[test]
    fn the_short_form_drops_what_is_well() {
        let text = short(&outcomes(), Duration::from_millis(4200), &printer());
        assert!(!text.contains("host-docker-socket"), "{text}");
        assert!(text.contains("wh-ca-match") && text.contains("1 ok, 1 warning, 1 error, 1 skipped (4.2 s)"));
    }

    #[test]
    fn the_json_form_is_stable() {
        let mut value = json(&outcomes(), Some("v1.34.4"));
        value["versions"]["irsa-emu"] = "[version]".into();
        insta::assert_json_snapshot!(value);
    }
}
