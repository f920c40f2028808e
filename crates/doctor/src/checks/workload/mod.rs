//! Pods that run, and what became of them. `irsa-emu explain` judges; this asks about all of them at once.

mod first;
mod region;
mod sidecar;

use futures::FutureExt;

use self::first::judge;
use super::engine::{Check, Phase, Severity, Verdict};
use crate::checks::surroundings::Surroundings;
use crate::explain::findings::{MISSED, STALE};

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
            title: "the sidecars of Pods are running",
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

#[cfg(test)]
mod tests {
    use irsa_emu_cluster::kubernetes::workload::Workload;

    use crate::remedy::Remedy;

    use super::*;
    use crate::checks::surroundings::pods::Pods;
    use crate::checks::surroundings::pods::tests::pod;

    fn judged(findings: &[&str], ids: &[&str]) -> Verdict {
        let mut found = pod("app-1", serde_json::json!({}));
        found.findings = findings
            .iter()
            .map(|id| ((*id).to_owned(), format!("it is {id}"), "repair".to_owned()))
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
