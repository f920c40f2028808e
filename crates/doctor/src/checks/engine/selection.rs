//! Which checks are wanted.

use irsa_emu_core::trust_policy::is_like;

use super::Phase;

/// Which checks are wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Patterns of ids; empty for all.
    pub only: Vec<String>,
    /// Patterns of ids that are not wanted.
    pub skip: Vec<String>,
    /// Phases; empty for all.
    pub phases: Vec<Phase>,
}

impl Selection {
    /// Whether a check is wanted.
    #[must_use]
    pub fn wants(&self, id: &str, phase: Phase) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| is_like(pattern, id));
        (self.only.is_empty() || any(&self.only))
            && !any(&self.skip)
            && (self.phases.is_empty() || self.phases.contains(&phase))
    }

    /// A pattern that fits none of the ids.
    #[must_use]
    pub fn idle_pattern(&self, ids: &[&str]) -> Option<&str> {
        let fits_none = |pattern: &&String| !ids.iter().any(|id| is_like(pattern, id));
        self.only
            .iter()
            .chain(&self.skip)
            .find(fits_none)
            .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_joins_ids_and_phases() {
        let selection = Selection {
            only: vec!["wh-*".into(), "kms-key".into()],
            skip: vec!["*-dryrun".into()],
            phases: vec![],
        };
        assert!(selection.wants("wh-config", Phase::Webhook));
        assert!(selection.wants("kms-key", Phase::Kms));
        assert!(!selection.wants("wh-dryrun", Phase::Webhook));
        assert!(!selection.wants("emu-ready", Phase::Emulator));
        let only_kms = Selection {
            phases: vec![Phase::Kms],
            ..selection.clone()
        };
        assert!(!only_kms.wants("wh-config", Phase::Webhook));
        assert_eq!(
            selection.idle_pattern(&["wh-config", "kms-key"]),
            Some("*-dryrun")
        );
        assert_eq!(selection.idle_pattern(&["wh-dryrun", "kms-key"]), None);
    }
}
