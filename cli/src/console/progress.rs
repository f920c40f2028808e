//! Progress as it happens: a spinner on a terminal, a line for each change elsewhere, events for programs, and never
//! silence.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use irsa_emu_cluster::progress::{Progress, StepTaken, milliseconds};

use super::printer::Printer;
use super::show::{Ending, Events, Lines, Show, Spinner, lock};
use crate::options::words::ProgressMode;

/// How often a step that takes long shows, without a terminal, that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

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
