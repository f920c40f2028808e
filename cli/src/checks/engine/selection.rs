//! Which checks are wanted.

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
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, id));
        (self.only.is_empty() || any(&self.only))
            && !any(&self.skip)
            && (self.phases.is_empty() || self.phases.contains(&phase))
    }

    /// A pattern that fits none of the ids.
    #[must_use]
    pub fn idle_pattern(&self, ids: &[&str]) -> Option<&str> {
        let fits_none = |pattern: &&String| !ids.iter().any(|id| matches(pattern, id));
        self.only
            .iter()
            .chain(&self.skip)
            .find(fits_none)
            .map(String::as_str)
    }
}

/// Whether a pattern with `*` and `?` fits the whole of a text.
#[must_use]
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            // The star takes one more character.
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_ids() {
        for (pattern, text, fits) in [
            ("wh-*", "wh-config", true),
            ("wh-*", "x-wh-config", false),
            ("*-config", "wh-config", true),
            ("*", "", true),
            ("wh-c?-match", "wh-ca-match", true),
            ("wh", "wh-config", false),
            ("*a*b", "xaybxb", true),
            ("*a*b", "xayb-", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

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
