//! Bounds what one cause can make us write: in logs, and in Events. The rest is only counted.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A cause may speak so often within a window.
const OFTEN: usize = 10;
const WINDOW: Duration = Duration::from_secs(10);
/// Causes that are remembered; while there are as many, no other one speaks.
const MOST_CAUSES: usize = 1024;

/// Lets each cause speak ten times in ten seconds.
#[derive(Debug)]
pub(crate) struct Throttle<K>(Mutex<HashMap<K, Window>>);

#[derive(Debug)]
struct Window {
    since: Instant,
    said: usize,
    unsaid: usize,
}

impl<K> Default for Throttle<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Throttle<K> {
    /// Whether the cause may speak now; if so, how often it could not in its last window.
    pub(crate) fn admit(&self, cause: K, now: Instant) -> Option<usize> {
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if causes.len() >= MOST_CAUSES && !causes.contains_key(&cause) {
            causes.retain(|_, window| now < window.since + WINDOW);
            if causes.len() >= MOST_CAUSES {
                return None;
            }
        }
        let fresh = |unsaid| Window {
            since: now,
            said: 0,
            unsaid,
        };
        let window = causes.entry(cause).or_insert_with(|| fresh(0));
        if now >= window.since + WINDOW {
            *window = fresh(window.unsaid);
        }
        if window.said == OFTEN {
            window.unsaid += 1;
            return None;
        }
        window.said += 1;
        Some(std::mem::take(&mut window.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_speaks_ten_times_in_a_window_and_then_tells_how_often_it_could_not() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        let said = (0..25).filter(|_| throttle.admit("a", start).is_some()).count();
        assert_eq!(said, 10);
        assert_eq!(throttle.admit("b", start), Some(0));
        assert_eq!(throttle.admit("a", start + WINDOW), Some(15));
        assert_eq!(throttle.admit("a", start + WINDOW), Some(0));
    }

    #[test]
    fn causes_without_end_are_not_remembered_without_end() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        let said = (0..MOST_CAUSES * 2)
            .filter(|cause| throttle.admit(*cause, start).is_some())
            .count();
        assert_eq!(said, MOST_CAUSES);
        assert_eq!(throttle.admit(usize::MAX, start + WINDOW), Some(0));
    }
}
