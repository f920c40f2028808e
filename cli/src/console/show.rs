//! What progress looks like: a line that changes, lines, or events.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use irsa_emu_cluster::progress::{milliseconds, seconds};
use irsa_emu_core::paint::Paint;
use serde_json::json;

use crate::console::github;
use crate::console::printer::Printer;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// With its result.
    Done,
    /// Without one, as the next began.
    Left,
    /// It failed.
    Failed,
}

/// Shows steps.
pub(super) trait Show: Send + Sync {
    fn begin(&self, step: &str);
    fn detail(&self, step: &str, detail: &str);
    fn end(&self, step: &str, ending: Ending, result: &str, took: Duration);
    /// The step is still running. Only called if no changing line shows it.
    fn alive(&self, _step: &str, _detail: &str, _took: Duration) {}
}

/// The line of a step that has ended.
fn ended(printer: &Printer, step: &str, ending: Ending, result: &str, took: Duration) -> String {
    let (mark, paint) = match ending {
        Ending::Done => ("✓", Paint::Good),
        Ending::Left => ("-", Paint::Dim),
        Ending::Failed => ("✗", Paint::Bad),
    };
    let result = if result.is_empty() {
        String::new()
    } else {
        format!(": {result}")
    };
    let took = printer.paint_err(Paint::Dim, &format!("({})", seconds(took)));
    format!("{} {step}{result} {took}", printer.paint_err(paint, mark))
}

/// A line that changes.
pub(super) struct Spinner {
    pub(super) printer: Printer,
    pub(super) bar: Mutex<Option<ProgressBar>>,
}

impl Show for Spinner {
    fn begin(&self, step: &str) {
        let bar = self.printer.lines().add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.set_message(step.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        *lock(&self.bar) = Some(bar);
    }

    fn detail(&self, step: &str, detail: &str) {
        if let Some(bar) = lock(&self.bar).as_ref() {
            bar.set_message(format!("{step}: {detail}"));
        }
    }

    fn end(&self, step: &str, ending: Ending, result: &str, took: Duration) {
        if let Some(bar) = lock(&self.bar).take() {
            bar.finish_and_clear();
        }
        self.printer
            .talk(&ended(&self.printer, step, ending, result, took));
    }
}

/// A line for each change; in GitHub Actions those of a step are folded.
pub(super) struct Lines(pub(super) Printer);

impl Show for Lines {
    fn begin(&self, step: &str) {
        if self.0.folds() {
            self.0.talk(&github::group(step));
        } else {
            self.0.talk(&format!("  {step} ..."));
        }
    }

    fn detail(&self, _: &str, detail: &str) {
        self.0.talk(&format!("    {detail}"));
    }

    fn end(&self, step: &str, ending: Ending, result: &str, took: Duration) {
        if self.0.folds() {
            self.0.talk(github::END_GROUP);
        }
        self.0.talk(&ended(&self.0, step, ending, result, took));
    }

    fn alive(&self, step: &str, detail: &str, took: Duration) {
        let detail = if detail.is_empty() {
            String::new()
        } else {
            format!(": {detail}")
        };
        self.0
            .talk(&format!("    still {step}{detail} ({})", seconds(took)));
    }
}

/// A JSON object for each change.
pub(super) struct Events(pub(super) Printer);

impl Show for Events {
    fn begin(&self, step: &str) {
        self.0.event("begin", json!({ "step": step }));
    }

    fn detail(&self, step: &str, detail: &str) {
        self.0.event("detail", json!({ "step": step, "detail": detail }));
    }

    fn end(&self, step: &str, ending: Ending, result: &str, took: Duration) {
        let name = match ending {
            Ending::Done | Ending::Left => "done",
            Ending::Failed => "failed",
        };
        let fields = json!({ "step": step, "result": result, "seconds": milliseconds(took) });
        self.0.event(name, fields);
    }
}

/// The lock of a state that is still good to show after a panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
