//! Progress as it happens: a spinner on a terminal, a line for each change elsewhere, events for programs, and never
//! silence.

mod show;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde::Serialize;

use self::show::{Ending, Events, Lines, Show, Spinner};
use crate::args::ProgressMode;
use crate::printer::Printer;

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

struct Step {
    what: String,
    detail: String,
    since: Instant,
    told: Instant,
}

/// Progress on the console.
pub struct Console {
    printer: Printer,
    show: Arc<dyn Show>,
    current: Arc<Mutex<Option<Step>>>,
    taken: Mutex<Vec<StepTaken>>,
}

impl Console {
    /// Begins to report, on the current tokio runtime.
    #[must_use]
    pub fn new(printer: Printer) -> Self {
        let current = Arc::new(Mutex::new(None));
        let show: Arc<dyn Show> = match printer.mode() {
            ProgressMode::Tty => Arc::new(Spinner {
                printer: printer.clone(),
                bar: Mutex::default(),
            }),
            ProgressMode::Json => Arc::new(Events(printer.clone())),
            ProgressMode::Auto | ProgressMode::Plain | ProgressMode::Quiet => {
                Arc::new(Lines(printer.clone()))
            }
        };
        if printer.mode() == ProgressMode::Plain {
            tokio::spawn(heartbeat(Arc::clone(&show), Arc::downgrade(&current)));
        }
        Self {
            printer,
            show,
            current,
            taken: Mutex::default(),
        }
    }

    fn end(&self, ending: Ending, result: &str) {
        let Some(step) = lock(&self.current).take() else {
            return;
        };
        let took = step.since.elapsed();
        lock(&self.taken).push(StepTaken {
            step: step.what.clone(),
            result: result.to_owned(),
            seconds: milliseconds(took),
        });
        self.show.end(&step.what, ending, result, took);
    }
}

impl Progress for Console {
    fn step(&self, what: &str) {
        self.end(Ending::Left, "");
        self.show.begin(what);
        let now = Instant::now();
        let step = Step {
            what: what.to_owned(),
            detail: String::new(),
            since: now,
            told: now,
        };
        *lock(&self.current) = Some(step);
    }

    fn detail(&self, detail: &str) {
        let mut current = lock(&self.current);
        let Some(step) = current.as_mut().filter(|step| step.detail != detail) else {
            return;
        };
        detail.clone_into(&mut step.detail);
        step.told = Instant::now();
        self.show.detail(&step.what, detail);
    }

    fn done(&self, result: &str) {
        self.end(Ending::Done, result);
    }

    fn failed(&self) {
        self.end(Ending::Failed, "failed");
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

/// A duration for programs: seconds, to the millisecond.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

async fn heartbeat(show: Arc<dyn Show>, current: Weak<Mutex<Option<Step>>>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Some(current) = current.upgrade() else { return };
        let mut current = lock(&current);
        if let Some(step) = current.as_mut().filter(|step| step.told.elapsed() >= HEARTBEAT) {
            step.told = Instant::now();
            show.alive(&step.what, &step.detail, step.since.elapsed());
        }
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
        assert!((milliseconds(Duration::from_micros(1_234_567)) - 1.235).abs() < f64::EPSILON);
    }
}
