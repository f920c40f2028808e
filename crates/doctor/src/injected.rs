//! The Pods that run with another identity than the one they would get now.

use std::collections::BTreeMap;

use irsa_emu_cluster::kubernetes::looked_at::is_looked_at;
use irsa_emu_cluster::kubernetes::objects;
use irsa_emu_cluster::kubernetes::workload::Workload;
use kube::Client;
use serde::Serialize;

use crate::explain::findings::{MISSED, STALE};
use crate::explain::gather::{self, Owners};
use crate::explain::live::Now;
use crate::explain::subject::Subject;
use crate::explain::world::World;
use crate::explain::{Explanation, judge};

/// Which Pods are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that would get another identity now, or one at all.
    Outdated,
    /// Those, and every one that has an identity.
    All,
}

/// A Pod that is to be replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its Namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Why it is to be replaced.
    pub why: String,
    /// Kind and name of what it belongs to in the end.
    #[serde(skip)]
    pub owner: Option<(String, String)>,
    /// What recreates it, if irsa-emu can do that.
    #[serde(skip)]
    pub workload: Option<Workload>,
}

/// What is to be replaced, and what nothing recreates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplacementPlan {
    /// The Pods by what makes them.
    pub workloads: BTreeMap<Workload, Vec<Found>>,
    /// Pods that have to be deleted, or run to their end, by hand.
    pub left: Vec<Found>,
    /// Whether the cluster has an install, so that new Pods get what they need.
    pub has_install: bool,
}

/// Looks for Pods to replace, in these Namespaces or in all. Without an install every Pod that has an identity is outdated.
pub async fn find(
    client: &Client,
    kubectl: &str,
    namespaces: &[String],
    which: Which,
) -> Result<ReplacementPlan, kube::Error> {
    let named = (!namespaces.is_empty()).then_some(namespaces);
    let pods = match namespaces {
        [one] => objects::pods(client, Some(one), "").await?,
        _ => objects::pods(client, None, "").await?,
    };
    let (mut owners, mut subjects) = (Owners::default(), Vec::new());
    for pod in pods.into_iter().filter(|pod| is_looked_at(pod, named)) {
        subjects.extend(owners.subject(client, pod).await);
    }
    let mut world = gather::world(client, kubectl.to_owned()).await?;
    if let Some(world) = &mut world {
        gather::accounts(client, world, &subjects).await?;
    }
    let found = subjects
        .into_iter()
        .filter_map(|subject| judged(subject, world.as_ref(), which));
    Ok(ReplacementPlan {
        has_install: world.is_some(),
        ..plan(found)
    })
}

fn judged(subject: Subject, world: Option<&World>, which: Which) -> Option<Found> {
    let why = match world {
        Some(world) => reason(&judge::judge(&subject, world), which)?,
        None if Now::read(&subject.pod).is_injected() => {
            "irsa-emu is gone, and the Pod's injected settings no longer work".to_owned()
        }
        None => return None,
    };
    let workload = subject.workload();
    let Subject {
        namespace,
        name,
        live,
        ..
    } = subject;
    Some(Found {
        namespace,
        name,
        why,
        owner: live.and_then(|live| live.workload),
        workload,
    })
}

/// Why a Pod is to be replaced.
fn reason(explanation: &Explanation, which: Which) -> Option<String> {
    let finds = |id: &str| MISSED.contains(&id) || STALE.contains(&id);
    if let Some(finding) = explanation.findings.iter().find(|finding| finds(finding.id)) {
        return Some(finding.message.clone());
    }
    let is_injected = explanation.now.as_ref().is_some_and(Now::is_injected);
    (which == Which::All && is_injected).then(|| "it has an identity".to_owned())
}

/// Sorts Pods by what recreates them.
fn plan(found: impl IntoIterator<Item = Found>) -> ReplacementPlan {
    let mut plan = ReplacementPlan::default();
    for pod in found {
        match &pod.workload {
            Some(workload) => plan.workloads.entry(workload.clone()).or_default().push(pod),
            None => plan.left.push(pod),
        }
    }
    plan
}

impl Found {
    /// What is left to do by hand for a Pod that no workload replaces.
    #[must_use]
    pub fn by_hand(&self, kubectl: &str) -> String {
        let Self {
            namespace,
            name,
            owner,
            ..
        } = self;
        let delete = format!("{kubectl} -n {namespace} delete pod {name}");
        match owner {
            Some((kind, owner)) => {
                format!("it belongs to {kind} {owner}, which creates another when it is gone: {delete}")
            }
            None => format!("nothing recreates it: {delete}, and create it again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use irsa_emu_install::settings::Settings;
    use irsa_emu_install::testing::install;
    use serde_json::{Value, json};

    use super::*;
    use crate::explain::subject::Live;

    const ROLE: &str = "arn:aws:iam::123456789012:role/app";

    fn world() -> World {
        let mut world = World::new(Settings::from(&install().settings));
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": "shop",
            "annotations": {"eks.amazonaws.com/role-arn": ROLE}}});
        world.learn(&account, "").unwrap();
        world
    }

    fn subject(pod: &Value, workload: Option<(&str, &str)>) -> Subject {
        let live = Live {
            workload: workload.map(|(kind, name)| (kind.to_owned(), name.to_owned())),
            ..Live::default()
        };
        Subject {
            live: Some(live),
            ..Subject::of_object(pod, "").unwrap()
        }
    }

    fn pod(account: &str, injected: bool) -> Value {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app-1", "namespace": "shop", "annotations": {}},
            "spec": {"serviceAccountName": account, "containers": [{"name": "app", "env": []}]},
        });
        if injected {
            pod["metadata"]["annotations"]["irsa-emu.dev/injected"] = json!("web-identity");
            pod["spec"]["containers"][0]["env"] = json!([{"name": "AWS_ROLE_ARN", "value": ROLE}]);
        }
        pod
    }

    #[test]
    fn a_pod_is_replaced_where_it_would_get_another_identity() {
        let world = world();
        for (account, injected, outdated, all) in [
            ("app", false, true, true),
            ("app", true, false, true),
            ("other", true, true, true),
            ("other", false, false, false),
        ] {
            for (which, expected) in [(Which::Outdated, outdated), (Which::All, all)] {
                let found = judged(subject(&pod(account, injected), None), Some(&world), which);
                assert_eq!(found.is_some(), expected, "{account} {injected} {which:?}");
            }
        }
    }

    #[test]
    fn without_an_install_every_pod_with_an_identity_is_outdated() {
        let found = |injected| judged(subject(&pod("app", injected), None), None, Which::Outdated);
        assert!(found(true).unwrap().why.contains("irsa-emu is gone"));
        assert_eq!(found(false), None);
    }

    #[test]
    fn pods_are_replaced_by_what_makes_them_and_the_others_are_told() {
        let found = |workload| judged(subject(&pod("app", true), workload), None, Which::All).unwrap();
        let plan = plan(vec![
            found(Some(("Deployment", "app"))),
            found(Some(("Job", "once"))),
            found(Some(("Deployment", "app"))),
            found(None),
        ]);
        let counts: Vec<(String, usize)> = plan
            .workloads
            .iter()
            .map(|(workload, pods)| (workload.title(), pods.len()))
            .collect();
        assert_eq!(counts, [("Deployment shop/app".to_owned(), 2)]);
        let told: Vec<String> = plan.left.iter().map(|pod| pod.by_hand("kubectl")).collect();
        assert_eq!(
            told,
            [
                "it belongs to Job once, which creates another when it is gone: kubectl -n shop delete pod app-1",
                "nothing recreates it: kubectl -n shop delete pod app-1, and create it again",
            ]
        );
    }
}
