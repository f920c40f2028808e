//! Pods that run, and what became of them. `irsa-emu explain` judges; this asks about all of them at once.

mod pods;
mod region;
mod sidecar;

use futures::FutureExt;

use self::pods::Pod;
use super::engine::{Check, Phase, Severity, Trouble, Verdict, fine, nothing};
use super::{Remedy, Surroundings};
use crate::explain::findings::{MISSED, STALE};

pub(super) use self::pods::Pods;
pub(crate) use self::pods::is_looked_at;

pub(super) fn checks<'x>() -> Vec<Check<Surroundings<'x>>> {
    vec![
        Check {
            id: "pod-not-injected",
            phase: Phase::Workload,
            needs: &["wh-config"],
            severity: Severity::Error,
            title: "Pods that would get an identity now have one",
            run: |s| found(s, &MISSED).boxed(),
        },
        Check {
            id: "pod-stale",
            phase: Phase::Workload,
            needs: &["wh-config"],
            severity: Severity::Warning,
            title: "Pods were injected with the settings that are in force",
            run: |s| found(s, &STALE).boxed(),
        },
        Check {
            id: "pod-sidecar",
            phase: Phase::Workload,
            needs: &["wh-config"],
            severity: Severity::Error,
            title: "the sidecars of Pods are at work",
            run: |s| sidecar::at_work(s).boxed(),
        },
        Check {
            id: "pod-region",
            phase: Phase::Workload,
            needs: &["wh-config"],
            severity: Severity::Warning,
            title: "containers with an identity have one region, that of their keys",
            run: |s| region::one(s).boxed(),
        },
    ]
}

async fn found(s: &Surroundings<'_>, ids: &[&str]) -> Verdict {
    judge(s.pods().await?, |pod| pod.finding(ids))
}

/// What is wrong with a Pod: the message, and the command that mends it.
type Wrong = (String, String);

/// The first Pod with which something is wrong, and how many more there are.
fn judge(pods: &Pods, wrong: impl Fn(&Pod) -> Option<Wrong>) -> Verdict {
    if pods.list.is_empty() {
        return nothing("no Pod runs in the Namespaces that are looked at; see -n and -A");
    }
    let mut found = pods.list.iter().filter_map(|pod| Some((pod, wrong(pod)?)));
    let Some((pod, (message, fix))) = found.next() else {
        return fine(format!("{} Pod(s)", pods.list.len()));
    };
    let more = match found.count() {
        0 => String::new(),
        count => format!(" (and {count} more)"),
    };
    let trouble = Trouble::new(format!("{message}{more}"), fix).about(pod.title());
    Err(match &pod.workload {
        Some(workload) => trouble.mended_by(Remedy::Restart(workload.clone())),
        None => trouble,
    })
}

#[cfg(test)]
mod tests {
    use super::pods::tests::pod;
    use super::*;
    use crate::workload::Workload;

    fn judged(findings: &[&str], ids: &[&str]) -> Verdict {
        let mut found = pod("app-1", serde_json::json!({}));
        found.findings = findings
            .iter()
            .map(|id| ((*id).to_owned(), format!("it is {id}"), "mend".to_owned()))
            .collect();
        found.workload = Some(Workload::deployment("shop", "app"));
        let mut other = pod("app-2", serde_json::json!({}));
        other.findings = found.findings.clone();
        judge(
            &Pods {
                list: vec![found, other],
            },
            |pod| pod.finding(ids),
        )
    }

    #[test]
    fn each_finding_belongs_to_its_check() {
        assert!(judged(&["created-before-annotation"], &STALE).is_ok());
        assert!(judged(&["stale"], &MISSED).is_ok());
        let trouble = judged(&["created-before-annotation"], &MISSED).unwrap_err();
        assert_eq!(trouble.message, "it is created-before-annotation (and 1 more)");
        assert_eq!(trouble.object.as_deref(), Some("Pod shop/app-1"));
        let remedy = Remedy::Restart(Workload::deployment("shop", "app"));
        assert_eq!(trouble.remedy.as_deref(), Some(&remedy));
        assert!(judged(&["role-changed"], &STALE).is_err());
    }

    #[test]
    fn without_pods_there_is_nothing_to_ask() {
        let verdict = judge(&Pods { list: Vec::new() }, |_| None);
        assert!(matches!(verdict, Ok(crate::checks::engine::Fine::Skipped(_))));
    }
}
