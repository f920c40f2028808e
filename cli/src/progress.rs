//! Progress as it happens: a spinner on a terminal, a line for each change elsewhere, and never silence.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::printer::{Paint, Printer};

/// How often a step that takes long shows, without a terminal, that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Takes reports. One step is under way at a time.
pub trait Progress: Send + Sync {
    /// A step begins; the one before, if it has no result, ends without one.
    fn step(&self, what: &str);
    /// Where the step stands; short, and replaced by the next.
    fn detail(&self, detail: &str);
    /// The step is done, with this result (`unchanged`, `3 loaded`).
    fn done(&self, result: &str);
    /// The step failed; the error itself is told later, once.
    fn failed(&self);
    /// Something to know.
    fn note(&self, text: &str);
    /// Something to mind.
    fn warn(&self, text: &str);
    /// The steps that have ended so far.
    fn taken(&self) -> Vec<StepTaken>;
}

/// A step that has ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepTaken {
    /// What was done.
    pub step: String,
    /// Its result.
    pub result: String,
    /// How long it took.
    pub seconds: f64,
}

#[derive(Debug)]
struct Step {
    what: String,
    detail: String,
    since: Instant,
    told: Instant,
    bar: Option<ProgressBar>,
}

/// Progress on the console.
#[derive(Debug)]
pub struct Console {
    printer: Printer,
    current: Arc<Mutex<Option<Step>>>,
    taken: Mutex<Vec<StepTaken>>,
}

impl Console {
    /// Begins to report, on the current tokio runtime.
    #[must_use]
    pub fn new(printer: Printer) -> Self {
        let current = Arc::new(Mutex::new(None));
        if !printer.redraws() && !printer.is_quiet() {
            tokio::spawn(heartbeat(printer.clone(), Arc::downgrade(&current)));
        }
        Self {
            printer,
            current,
            taken: Mutex::default(),
        }
    }

    fn end(&self, mark: &str, paint: Paint, result: &str) {
        let Some(step) = lock(&self.current).take() else {
            return;
        };
        if let Some(bar) = &step.bar {
            bar.finish_and_clear();
        }
        let elapsed = step.since.elapsed();
        lock(&self.taken).push(StepTaken {
            step: step.what.clone(),
            result: result.to_owned(),
            seconds: (elapsed.as_secs_f64() * 1000.0).round() / 1000.0,
        });
        let (mark, took) = (self.printer.paint_err(paint, mark), seconds(elapsed));
        let result = if result.is_empty() {
            String::new()
        } else {
            format!(": {result}")
        };
        let took = self.printer.paint_err(Paint::Dim, &format!("({took})"));
        self.printer.talk(&format!("{mark} {}{result} {took}", step.what));
    }
}

impl Progress for Console {
    fn step(&self, what: &str) {
        self.end("-", Paint::Dim, "");
        let bar = self.printer.redraws().then(|| spinner(&self.printer, what));
        if bar.is_none() {
            self.printer.talk(&format!("  {what} ..."));
        }
        let now = Instant::now();
        let step = Step {
            what: what.to_owned(),
            detail: String::new(),
            since: now,
            told: now,
            bar,
        };
        *lock(&self.current) = Some(step);
    }

    fn detail(&self, detail: &str) {
        let mut current = lock(&self.current);
        let Some(step) = current.as_mut() else { return };
        if step.detail == detail {
            return;
        }
        detail.clone_into(&mut step.detail);
        if let Some(bar) = &step.bar {
            bar.set_message(format!("{}: {detail}", step.what));
        } else {
            step.told = Instant::now();
            self.printer.talk(&format!("    {detail}"));
        }
    }

    fn done(&self, result: &str) {
        self.end("✓", Paint::Good, result);
    }

    fn failed(&self) {
        self.end("✗", Paint::Bad, "failed");
    }

    fn note(&self, text: &str) {
        self.printer.talk(&format!("  {text}"));
    }

    fn warn(&self, text: &str) {
        self.printer.warn(text);
    }

    fn taken(&self) -> Vec<StepTaken> {
        lock(&self.taken).clone()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.failed();
    }
}

/// Progress that nobody looks at.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: &str) {}
    fn detail(&self, _: &str) {}
    fn done(&self, _: &str) {}
    fn failed(&self) {}
    fn note(&self, _: &str) {}
    fn warn(&self, _: &str) {}
    fn taken(&self) -> Vec<StepTaken> {
        Vec::new()
    }
}

/// A duration for people: tenths of a second, whole seconds from ten on.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    let tenths = duration.as_millis() / 100;
    if tenths < 100 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else {
        format!("{} s", tenths / 10)
    }
}

fn spinner(printer: &Printer, what: &str) -> ProgressBar {
    let bar = printer.lines().add(ProgressBar::new_spinner());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

async fn heartbeat(printer: Printer, current: std::sync::Weak<Mutex<Option<Step>>>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Some(current) = current.upgrade() else { return };
        let mut current = lock(&current);
        let Some(step) = current.as_mut().filter(|step| step.told.elapsed() >= HEARTBEAT) else {
            continue;
        };
        step.told = Instant::now();
        let detail = if step.detail.is_empty() {
            String::new()
        } else {
            format!(": {}", step.detail)
        };
        printer.talk(&format!(
            "    still {}{detail} ({})",
            step.what,
            seconds(step.since.elapsed())
        ));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A reporter that panicked leaves a state that is still good to show.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (millis, text) in [
            (0, "0.0 s"),
            (950, "0.9 s"),
            (9_990, "9.9 s"),
            (10_000, "10 s"),
            (83_000, "83 s"),
        ] {
            assert_eq!(seconds(Duration::from_millis(millis)), text);
        }
    }
}
