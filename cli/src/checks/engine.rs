//! Runs checks: each after those it needs, independent ones at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::ValueEnum;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;
use tokio::time::Instant;

/// How long one check may take.
const LIMIT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 20 });

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// This machine
    Host,
    /// The cluster
    Cluster,
    /// Images on the nodes
    Images,
    /// The emulator
    Emulator,
    /// The webhook
    Webhook,
    /// Tokens and roles
    Identity,
    /// Recipes and their keys
    Kms,
}

impl Phase {
    /// Its name, as `--phase` takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Cluster => "cluster",
            Self::Images => "images",
            Self::Emulator => "emulator",
            Self::Webhook => "webhook",
            Self::Identity => "identity",
            Self::Kms => "kms",
        }
    }
}

/// How much a check that does not pass matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something does not work.
    Error,
    /// Something may not work, or is inconvenient.
    Warning,
}

/// Something to ask about surroundings of type `C`.
pub struct Check<C> {
    /// Its name, for flags and for its section in `docs/checks.md`.
    pub id: &'static str,
    /// What it is about.
    pub phase: Phase,
    /// Checks without whose success it makes no sense.
    pub needs: &'static [&'static str],
    /// How much it matters.
    pub severity: Severity,
    /// What it asks, in a few words.
    pub title: &'static str,
    /// Asks.
    pub run: for<'a> fn(&'a C) -> BoxFuture<'a, Verdict>,
}

/// What a check found out.
pub type Verdict = Result<Fine, Trouble>;

/// Nothing is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fine {
    /// It is as it should be; what was seen.
    Ok(String),
    /// There is nothing to ask about; why.
    Skipped(String),
}

/// Something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Whether it is only worth a warning.
    pub warning: bool,
    /// What is wrong, and why.
    pub message: String,
    /// The object it is about.
    pub object: Option<String>,
    /// The one command that mends it, or tells more.
    pub fix: String,
}

impl Trouble {
    /// Something is wrong, and this command mends it or tells more.
    pub fn new(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            warning: false,
            message: message.into(),
            object: None,
            fix: fix.into(),
        }
    }

    /// Something is worth a warning.
    pub fn warning(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            warning: true,
            ..Self::new(message, fix)
        }
    }

    /// Names the object.
    #[must_use]
    pub fn about(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }
}

/// A short way to say that all is well.
pub fn fine(seen: impl Into<String>) -> Verdict {
    Ok(Fine::Ok(seen.into()))
}

/// A short way to say that there is nothing to ask about.
pub fn nothing(why: impl Into<String>) -> Verdict {
    Ok(Fine::Skipped(why.into()))
}

/// The result of a check in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// As it should be.
    Ok,
    /// Worth a look.
    Warning,
    /// Wrong.
    Error,
    /// Not asked.
    Skipped,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its id.
    pub id: &'static str,
    /// Its phase.
    pub phase: Phase,
    /// Its result in one word.
    pub mark: Mark,
    /// Its result in a sentence.
    pub message: String,
    /// The object it is about.
    pub object: Option<String>,
    /// The command that helps.
    pub fix: Option<String>,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// Whether those that need the check can be asked.
    fn is_good(&self) -> bool {
        matches!(self.mark, Mark::Ok | Mark::Warning)
    }
}

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
pub fn matches(pattern: &str, text: &str) -> bool {
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

/// Runs checks. Answers in their order, whatever the order in which they end.
///
/// A need that is not among the checks counts as met.
pub async fn run<C: Sync>(
    checks: &[&Check<C>],
    surroundings: &C,
    on_begin: &(dyn Fn(&str) + Sync),
) -> Vec<Outcome> {
    let mut outcomes: BTreeMap<usize, Outcome> = BTreeMap::new();
    let mut waiting: Vec<usize> = (0..checks.len()).collect();
    let mut running = FuturesUnordered::new();
    loop {
        let mut still = Vec::new();
        let mut settled = false;
        for index in waiting {
            let check = checks[index];
            let mut needs = check
                .needs
                .iter()
                .filter_map(|need| checks.iter().position(|other| other.id == *need));
            // A check that comes later cannot be waited for; the list is in order.
            if let Some(bad) = needs
                .clone()
                .find_map(|need| outcomes.get(&need).filter(|outcome| !outcome.is_good()))
            {
                outcomes.insert(index, skipped(check, bad.id));
                settled = true;
            } else if needs.all(|need| outcomes.contains_key(&need)) {
                on_begin(check.id);
                running.push(one(index, check, surroundings));
            } else {
                still.push(index);
            }
        }
        waiting = still;
        if settled {
            continue;
        }
        match running.next().await {
            Some((index, outcome)) => {
                outcomes.insert(index, outcome);
            }
            None => return outcomes.into_values().collect(),
        }
    }
}

async fn one<C: Sync>(index: usize, check: &Check<C>, surroundings: &C) -> (usize, Outcome) {
    let since = Instant::now();
    let verdict = tokio::time::timeout(LIMIT, (check.run)(surroundings)).await;
    let verdict = verdict.unwrap_or_else(|_| {
        let message = format!("no answer within {} s", LIMIT.as_secs());
        let fix = format!("irsa-emu doctor --only {} --verbose", check.id);
        Err(Trouble::new(message, fix))
    });
    (index, outcome(check, verdict, since.elapsed()))
}

fn outcome<C>(check: &Check<C>, verdict: Verdict, took: Duration) -> Outcome {
    let (mark, message, object, fix) = match verdict {
        Ok(Fine::Ok(message)) => (Mark::Ok, message, None, None),
        Ok(Fine::Skipped(why)) => (Mark::Skipped, why, None, None),
        Err(trouble) => {
            let mild = trouble.warning || check.severity == Severity::Warning;
            let mark = if mild { Mark::Warning } else { Mark::Error };
            (mark, trouble.message, trouble.object, Some(trouble.fix))
        }
    };
    Outcome {
        id: check.id,
        phase: check.phase,
        mark,
        message,
        object,
        fix,
        took,
    }
}

fn skipped<C>(check: &Check<C>, need: &str) -> Outcome {
    outcome(check, nothing(format!("needs {need}")), Duration::ZERO)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{LazyLock, Mutex};

    use futures::FutureExt;
    use tokio::sync::Barrier;

    use super::*;

    /// Surroundings that keep the order of what was asked.
    #[derive(Default)]
    pub(in crate::checks) struct Asked(Mutex<Vec<&'static str>>);

    fn check(id: &'static str, needs: &'static [&'static str]) -> Check<Asked> {
        Check {
            id,
            phase: Phase::Host,
            needs,
            severity: Severity::Error,
            title: "a fake",
            run: |_| async { fine("seen") }.boxed(),
        }
    }

    pub(in crate::checks) fn failing(id: &'static str, needs: &'static [&'static str]) -> Check<Asked> {
        Check {
            run: |asked| {
                async {
                    asked.0.lock().unwrap().push("failing");
                    Err(Trouble::new("it is broken", "mend it").about("Thing a/b"))
                }
                .boxed()
            },
            ..check(id, needs)
        }
    }

    async fn marks(checks: &[Check<Asked>]) -> Vec<(&'static str, Mark, String)> {
        let all: Vec<&Check<Asked>> = checks.iter().collect();
        let outcomes = run(&all, &Asked::default(), &|_| ()).await;
        outcomes.into_iter().map(|o| (o.id, o.mark, o.message)).collect()
    }

    #[tokio::test]
    async fn what_needs_a_failed_check_is_skipped_and_so_is_what_needs_that() {
        let found = marks(&[
            failing("a", &[]),
            check("b", &["a"]),
            check("c", &["b"]),
            check("d", &[]),
        ])
        .await;
        let expected = [
            ("a", Mark::Error, "it is broken"),
            ("b", Mark::Skipped, "needs a"),
            ("c", Mark::Skipped, "needs b"),
            ("d", Mark::Ok, "seen"),
        ];
        assert_eq!(
            found,
            expected.map(|(id, mark, message)| (id, mark, message.to_owned()))
        );
    }

    #[tokio::test]
    async fn a_warning_does_not_stop_what_needs_it() {
        let mild = Check {
            severity: Severity::Warning,
            ..failing("a", &[])
        };
        let found = marks(&[mild, check("b", &["a"])]).await;
        assert_eq!((found[0].1, found[1].1), (Mark::Warning, Mark::Ok));
    }

    #[tokio::test]
    async fn a_need_that_is_not_asked_counts_as_met() {
        assert_eq!(marks(&[check("b", &["a"])]).await[0].1, Mark::Ok);
    }

    #[tokio::test]
    async fn independent_checks_run_together_and_a_need_runs_before() {
        static BOTH: LazyLock<Barrier> = LazyLock::new(|| Barrier::new(2));
        // Each of the two ends only when the other runs, too.
        let meeting = |id| Check {
            run: |asked: &Asked| {
                async {
                    BOTH.wait().await;
                    asked.0.lock().unwrap().push("met");
                    fine("met")
                }
                .boxed()
            },
            ..check(id, &[])
        };
        let after = Check {
            run: |asked: &Asked| async { fine(asked.0.lock().unwrap().len().to_string()) }.boxed(),
            ..check("c", &["a", "b"])
        };
        let found = marks(&[meeting("a"), meeting("b"), after]).await;
        assert_eq!((found[0].1, found[1].1), (Mark::Ok, Mark::Ok));
        assert_eq!(found[2].2, "2");
    }

    #[tokio::test]
    async fn a_check_that_hangs_is_an_error() {
        let hanging = Check {
            run: |_: &Asked| std::future::pending().boxed(),
            ..check("a", &[])
        };
        let found = marks(&[hanging, check("b", &[])]).await;
        assert_eq!(
            (found[0].1, found[0].2.as_str()),
            (Mark::Error, "no answer within 1 s")
        );
        assert_eq!(found[1].1, Mark::Ok);
    }

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
