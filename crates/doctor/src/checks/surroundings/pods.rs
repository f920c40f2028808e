//! The Pods that are looked at, each judged once.

use std::collections::BTreeMap;

use irsa_emu_cluster::kubernetes::workload::Workload;
use irsa_emu_core::contract::INJECTED;
use serde_json::Value;

use crate::explain::judge;
use crate::explain::subject::Subject;
use crate::explain::world::World;

/// The Pods that are looked at.
#[derive(Debug, Clone)]
pub(crate) struct Pods {
    pub(crate) list: Vec<Pod>,
}

/// A Pod that runs, or is about to.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The Pod as the API server has it.
    pub(crate) object: Value,
    /// What keeps it from credentials: word, message and fix.
    pub(crate) findings: Vec<(String, String, String)>,
    /// What recreates it.
    pub(crate) workload: Option<Workload>,
    /// The region of the Recipe that gives its ServiceAccount keys.
    pub(crate) key_region: Option<String>,
}

impl Pod {
    /// Kind, Namespace and name.
    pub(crate) fn title(&self) -> String {
        format!("Pod {}/{}", self.namespace, self.name)
    }

    /// Whether the webhook marked it.
    pub(crate) fn is_injected(&self) -> bool {
        self.object["metadata"]["annotations"][INJECTED].is_string()
    }

    /// The first of these findings: message and fix.
    pub(crate) fn finding(&self, ids: &[&str]) -> Option<(String, String)> {
        let found = self.findings.iter().find(|(id, _, _)| ids.contains(&id.as_str()));
        found.map(|(_, message, fix)| (message.clone(), fix.clone()))
    }
}

impl Pods {
    /// Those that a world judges. `key_regions` has the region of the keys that a ServiceAccount (Namespace, name) is given.
    pub(crate) fn of(
        subjects: Vec<Subject>,
        world: &World,
        key_regions: &BTreeMap<(String, String), String>,
    ) -> Self {
        let judged = subjects.into_iter().map(|subject| {
            let findings = judge::judge(&subject, world).findings.into_iter();
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
                workload: subject.workload(),
                key_region: key_regions.get(&account).cloned(),
                namespace: subject.namespace,
                name: subject.name,
                object: subject.pod,
                findings,
            }
        });
        Self {
            list: judged.collect(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn pod(name: &str, object: Value) -> Pod {
        Pod {
            namespace: "shop".into(),
            name: name.into(),
            object,
            findings: Vec::new(),
            workload: None,
            key_region: None,
        }
    }
}
