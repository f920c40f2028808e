//! The Pods that are looked at, each judged once.

use std::collections::BTreeMap;

use irsa_emu_core::contract::{INJECTED, NAMESPACE};
use serde_json::Value;

use crate::checks::engine::Trouble;
use crate::checks::surroundings::{CANARY_NAMESPACE, PROBE};
use crate::checks::{Scope, Surroundings};
use crate::explain::gather::{self, Owners};
use crate::explain::judge;
use crate::recipe::wiring;
use crate::workload::Workload;

/// The Pods that are looked at.
#[derive(Debug, Clone)]
pub(in crate::checks) struct Pods {
    pub(super) list: Vec<Pod>,
}

/// A Pod that runs, or is about to.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    pub(super) namespace: String,
    pub(super) name: String,
    /// The Pod as the API server has it.
    pub(super) object: Value,
    /// What is in its way: word, message and mend.
    pub(super) findings: Vec<(String, String, String)>,
    /// What makes it anew.
    pub(super) workload: Option<Workload>,
    /// The region of the Recipe that gives its ServiceAccount keys.
    pub(super) key_region: Option<String>,
}

impl Pod {
    /// Kind, Namespace and name.
    pub(super) fn title(&self) -> String {
        format!("Pod {}/{}", self.namespace, self.name)
    }

    /// Whether the webhook marked it.
    pub(super) fn is_injected(&self) -> bool {
        self.object["metadata"]["annotations"][INJECTED].is_string()
    }

    /// The first of these findings: message and mend.
    pub(super) fn finding(&self, ids: &[&str]) -> Option<(String, String)> {
        let found = self.findings.iter().find(|(id, _, _)| ids.contains(&id.as_str()));
        found.map(|(_, message, fix)| (message.clone(), fix.clone()))
    }
}

impl Pods {
    /// Those of the scope.
    pub(in crate::checks) async fn find(s: &Surroundings<'_>) -> Result<Self, Trouble> {
        let client = s.client().await?;
        let world = gather::world(&client, s.app.kubectl()).await?;
        let Some(mut world) = world else {
            return Ok(Self { list: Vec::new() });
        };
        let namespaces = match &s.scope {
            Scope::Everywhere => None,
            Scope::Named(names) => Some(names.clone()),
            Scope::Annotated => Some(
                s.accounts()
                    .await?
                    .namespaces()
                    .into_iter()
                    .map(str::to_owned)
                    .collect(),
            ),
        };
        let all = match namespaces.as_deref() {
            Some([one]) => gather::pods(&client, Some(one), "").await?,
            Some([]) => Vec::new(),
            _ => gather::pods(&client, None, "").await?,
        };
        let looked_at = all
            .into_iter()
            .filter(|pod| is_looked_at(pod, namespaces.as_deref()));
        let (mut owners, mut subjects) = (Owners::default(), Vec::new());
        for pod in looked_at {
            subjects.extend(owners.subject(&client, pod).await);
        }
        gather::accounts(&client, &mut world, &subjects).await?;
        let mut key_regions = BTreeMap::new();
        for recipe in s
            .recipes()
            .await?
            .iter()
            .filter(|recipe| !recipe.spec.kms.keys.is_empty())
        {
            for (namespace, name, _) in wiring::accounts(&recipe.spec) {
                key_regions.insert((namespace, name), recipe.spec.region.clone());
            }
        }
        let judged = subjects.into_iter().map(|subject| {
            let findings = judge::judge(&subject, &world).findings.into_iter();
            let findings = findings
                .map(|finding| {
                    (
                        finding.id.to_owned(),
                        finding.message,
                        finding.fix.unwrap_or_default(),
                    )
                })
                .collect();
            let account = (subject.namespace.clone(), subject.service_account().to_owned());
            Pod {
                workload: Workload::of(&subject),
                key_region: key_regions.get(&account).cloned(),
                namespace: subject.namespace,
                name: subject.name,
                object: subject.pod,
                findings,
            }
        });
        Ok(Self {
            list: judged.collect(),
        })
    }
}

/// Whether a Pod runs or is about to, and is one that the user asks about.
pub(crate) fn is_looked_at(pod: &Value, namespaces: Option<&[String]>) -> bool {
    let metadata = &pod["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    let is_probe = namespace == CANARY_NAMESPACE && metadata["name"] == PROBE;
    let has_ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    !is_probe
        && !has_ended
        && namespace != NAMESPACE
        && metadata["deletionTimestamp"].is_null()
        && namespaces.is_none_or(|names| names.iter().any(|name| name == namespace))
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(in crate::checks::workload) fn pod(name: &str, object: Value) -> Pod {
        Pod {
            namespace: "shop".into(),
            name: name.into(),
            object,
            findings: Vec::new(),
            workload: None,
            key_region: None,
        }
    }

    #[test]
    fn pods_that_have_ended_or_end_and_our_own_are_not_looked_at() {
        let at = |namespace: &str, change: Value| {
            let mut pod =
                json!({"metadata": {"namespace": namespace, "name": "p"}, "status": {"phase": "Running"}});
            for (key, value) in change.as_object().unwrap() {
                pod[key] = value.clone();
            }
            pod
        };
        let shop = ["shop".to_owned()];
        assert!(is_looked_at(&at("shop", json!({})), Some(&shop)));
        assert!(is_looked_at(&at("other", json!({})), None));
        assert!(!is_looked_at(&at("other", json!({})), Some(&shop)));
        assert!(!is_looked_at(&at(NAMESPACE, json!({})), None));
        for change in [
            json!({"status": {"phase": "Succeeded"}}),
            json!({"status": {"phase": "Failed"}}),
            json!({"metadata": {"namespace": "shop", "name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"}}),
            json!({"metadata": {"namespace": CANARY_NAMESPACE, "name": PROBE}}),
        ] {
            assert!(!is_looked_at(&at("shop", change.clone()), None), "{change}");
        }
    }
}
