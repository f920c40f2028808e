//! What was seen lately: for a few seconds it is not asked for again. Short, as who mends something tries it at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long something counts.
const REMEMBER: Duration = Duration::from_secs(3);
/// More roles than any laptop has; past this, nothing is remembered.
const MOST: usize = 10_000;

/// Values that were seen lately, by what they belong to.
pub(super) struct Recent<K, V>(Mutex<HashMap<K, (Instant, Arc<V>)>>);

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V> Recent<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<Arc<V>> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, value) = seen.get(key)?;
        (at.elapsed() < REMEMBER).then(|| Arc::clone(value))
    }

    pub(super) fn remember(&self, key: K, value: &Arc<V>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, (at, _)| at.elapsed() < REMEMBER);
        if seen.len() < MOST {
            seen.insert(key, (Instant::now(), Arc::clone(value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_remembered_than_fits() {
        let recent = Recent::default();
        let value = Arc::new(());
        for key in 0..=MOST {
            recent.remember(key, &value);
        }
        assert!(recent.get(&(MOST - 1)).is_some());
        assert!(recent.get(&MOST).is_none());
    }
}
