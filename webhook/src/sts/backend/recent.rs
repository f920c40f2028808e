//! What was seen lately: for a few seconds it is not asked for again. Short, as who fixes something tries it at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long something is valid.
const REMEMBER: Duration = Duration::from_secs(3);
/// More roles than any laptop has; past this, nothing is remembered.
const MOST: usize = 10_000;

/// Values that were seen lately, by what they belong to.
pub(super) struct Recent<K, V> {
    seen: Mutex<HashMap<K, (Instant, Arc<V>)>>,
    most: usize,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self {
            seen: Mutex::default(),
            most: MOST,
        }
    }
}

impl<K: Eq + Hash, V> Recent<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<Arc<V>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, value) = seen.get(key)?;
        (at.elapsed() < REMEMBER).then(|| Arc::clone(value))
    }

    pub(super) fn remember(&self, key: K, value: &Arc<V>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, (at, _)| at.elapsed() < REMEMBER);
        if seen.len() < self.most {
            seen.insert(key, (Instant::now(), Arc::clone(value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_remembered_than_fits() {
        let recent = Recent {
            most: 2,
            ..Recent::default()
        };
        let value = Arc::new(());
        for key in 0..=2 {
            recent.remember(key, &value);
        }
        assert!(recent.get(&1).is_some());
        assert!(recent.get(&2).is_none());
    }
}
