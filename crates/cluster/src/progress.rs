//! How anything reports what it does while it does it.

use std::time::Duration;

use serde::Serialize;

/// Takes reports. One step is running at a time.
pub trait Progress: Send + Sync {
    /// A step begins; the one before, if it has no result, ends without one.
    fn step(&self, what: &str);
    /// Where the step stands; short, and replaced by the next.
    fn detail(&self, detail: &str);
    /// The step is done, with this result (`unchanged`, `3 loaded`).
    fn done(&self, result: &str);
    /// The step failed; the error itself is reported later, once.
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
