//! Runs checks: each after those it needs, independent ones at the same time.

mod check;
mod selection;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::time::Instant;

pub use self::check::{
    Check, CheckResult, Fine, Kubectl, Mark, Phase, Severity, Trouble, Verdict, fine, nothing,
};
pub use self::selection::Selection;

/// How long one check may take.
const LIMIT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 20 });

/// Runs checks. Returns the results in their order, whatever the order in which they end.
///
/// A need that is not among the checks is taken as met.
pub async fn run<C: Kubectl + Sync>(
    checks: &[&Check<C>],
    context: &C,
    on_begin: &(dyn Fn(&str) + Sync),
) -> Vec<CheckResult> {
    let mut outcomes: BTreeMap<usize, CheckResult> = BTreeMap::new();
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
            if let Some(bad) = needs
                .clone()
                .find_map(|need| outcomes.get(&need).filter(|outcome| !outcome.is_good()))
            {
                outcomes.insert(index, skipped(check, bad.id, context));
                settled = true;
            } else if needs.all(|need| outcomes.contains_key(&need)) {
                on_begin(check.id);
                running.push(one(index, check, context));
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

async fn one<C: Kubectl + Sync>(index: usize, check: &Check<C>, context: &C) -> (usize, CheckResult) {
    let since = Instant::now();
    let verdict = tokio::time::timeout(LIMIT, (check.run)(context)).await;
    let verdict = verdict.unwrap_or_else(|_| {
        let message = format!("no response within {} s", LIMIT.as_secs());
        let fix = format!("irsa-emu doctor --only {} --verbose", check.id);
        Err(Trouble::new(message, fix))
    });
    (index, outcome(check, verdict, context, since.elapsed()))
}

fn outcome<C: Kubectl>(check: &Check<C>, verdict: Verdict, surroundings: &C, took: Duration) -> CheckResult {
    let without = |mark, message| CheckResult {
        id: check.id,
        phase: check.phase,
        mark,
        message,
        object: None,
        fix: None,
        remedy: None,
        took,
    };
    match verdict {
        Ok(Fine::Ok(message)) => without(Mark::Ok, message),
        Ok(Fine::Skipped(why)) => without(Mark::Skipped, why),
        Err(trouble) => {
            let mild = trouble.warning || check.severity == Severity::Warning;
            let mark = if mild { Mark::Warning } else { Mark::Error };
            let fix = if trouble.is_kubectl {
                surroundings.kubectl(&trouble.fix)
            } else {
                trouble.fix
            };
            CheckResult {
                object: trouble.object,
                fix: Some(fix),
                remedy: trouble.remedy.map(|remedy| *remedy),
                ..without(mark, trouble.message)
            }
        }
    }
}

fn skipped<C: Kubectl>(check: &Check<C>, need: &str, surroundings: &C) -> CheckResult {
    outcome(
        check,
        nothing(format!("needs {need}")),
        surroundings,
        Duration::ZERO,
    )
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{LazyLock, Mutex};

    use futures::FutureExt;
    use tokio::sync::Barrier;

    use super::*;

    /// A context that keeps the order of what was asked.
    #[derive(Default)]
    pub(crate) struct Asked(Mutex<Vec<&'static str>>);

    impl Kubectl for Asked {
        fn kubectl(&self, words: &str) -> String {
            format!("kubectl --context fake {words}")
        }
    }

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

    pub(crate) fn failing(id: &'static str, needs: &'static [&'static str]) -> Check<Asked> {
        Check {
            run: |asked| {
                async {
                    asked.0.lock().unwrap().push("failing");
                    Err(Trouble::new("it is broken", "repair it").about("Thing a/b"))
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
    async fn a_command_of_kubectl_names_the_cluster() {
        let lost = Check {
            run: |_: &Asked| async { Err(Trouble::kubectl("no answer", "get --raw /readyz")) }.boxed(),
            ..check("a", &[])
        };
        let outcomes = run(&[&lost, &failing("b", &[])], &Asked::default(), &|_| ()).await;
        let fixes: Vec<_> = outcomes.iter().map(|outcome| outcome.fix.as_deref()).collect();
        assert_eq!(
            fixes,
            [
                Some("kubectl --context fake get --raw /readyz"),
                Some("repair it")
            ]
        );
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
            (Mark::Error, "no response within 1 s")
        );
        assert_eq!(found[1].1, Mark::Ok);
    }
}
