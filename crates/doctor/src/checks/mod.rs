//! The doctor's checks: one check, one function; one phase, one file.

mod asked;
mod cluster;
pub mod emulator;
pub mod engine;
mod host;
mod identity;
mod images;
mod kms;
pub mod surroundings;
mod webhook;
mod workload;

use engine::Check;
use surroundings::Surroundings;

/// Every check, in the order in which they are shown.
#[must_use]
pub fn all<'x>() -> Vec<Check<Surroundings<'x>>> {
    [
        host::checks(),
        cluster::checks(),
        images::checks(),
        emulator::checks(),
        webhook::checks(),
        identity::checks(),
        kms::checks(),
        workload::checks(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const PAGE: &str = include_str!("../../../../docs/checks.md");

    #[test]
    fn every_check_has_its_section_on_the_page_and_every_section_its_check() {
        let ids: Vec<&str> = all().iter().map(|check| check.id).collect();
        let sections: Vec<&str> = PAGE
            .lines()
            .filter_map(|line| line.strip_prefix("### "))
            .collect();
        assert_eq!(sections, ids);
    }

    #[test]
    fn ids_are_unique_and_needs_go_in_no_circle() {
        let all = all();
        let ids: BTreeSet<&str> = all.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), all.len());
        let mut settled = BTreeSet::new();
        while settled.len() < all.len() {
            let before = settled.len();
            for check in &all {
                if check.needs.iter().all(|need| settled.contains(need)) {
                    settled.insert(check.id);
                }
            }
            let left: Vec<_> = ids.difference(&settled).collect();
            assert!(
                settled.len() > before,
                "these need each other, or what is not there: {left:?}"
            );
        }
    }
}
