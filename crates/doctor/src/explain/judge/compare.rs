//! What a Pod that runs has, beside what it would get.

use irsa_emu_cluster::kubernetes::workload::WorkloadKind;
use irsa_emu_core::contract::SIDECAR;
use irsa_emu_core::plan::trace;
use irsa_emu_core::pod_view::PodView;

use super::Case;
use crate::explain::findings::Finding;
use crate::explain::live::Now;
use crate::explain::subject::Live;
use crate::explain::world::Registration;

impl Case<'_> {
    /// What a Pod that runs has, beside what it would get.
    pub(super) fn compare(
        &self,
        now: &Now,
        live: &Live,
        would_be_injected: bool,
        findings: &mut Vec<Finding>,
    ) {
        let fix = self.recreate(live);
        if !now.is_injected() {
            if would_be_injected {
                findings.push(self.missed(now, &fix));
            }
            return;
        }
        // Whether STS still gives the role is judged by its trust policy, elsewhere.
        if self.grant.is_none() {
            let message =
                "it was injected, and its ServiceAccount grants nothing now: a new Pod gets no role";
            findings.push(Finding::warning("grant-gone", message).fixed_by(self.annotate()));
        }
        let asked = self.request(Some(now)).map(|request| request.role);
        if let (Some(asks), Some(granted)) = (asked, self.granted_role())
            && asks != granted
        {
            let message = format!(
                "it asks for {asks}, and its ServiceAccount grants {granted} now: a new Pod gets that"
            );
            findings.push(Finding::warning("role-changed", message).fixed_by(fix.clone()));
        }
        if let Some(sidecar) = &now.sidecar
            && !sidecar.is_running
            && now.phase != "Succeeded"
        {
            let pod = &self.subject.name;
            let fix = format!(
                "{} -n {} logs {pod} -c {}",
                self.world.kubectl, self.namespace, SIDECAR
            );
            let message = format!(
                "its sidecar, which fetches the credentials, is not running: {}",
                sidecar.state
            );
            findings.push(Finding::error("sidecar-not-running", message, fix));
        }
        let expected = PodView::of(&self.subject.pod)
            .ok()
            .and_then(|view| self.with_input(&view, trace)?.config_hash);
        if let (Some(has), Some(expected)) = (&now.config_hash, expected)
            && *has != expected
        {
            let message = format!(
                "it was injected with other settings than the current ones (config-hash {has}; now {expected}): the install, a Recipe \
or its ServiceAccount has changed since"
            );
            findings.push(Finding::warning("stale", message).fixed_by(fix));
        }
    }

    /// Why a Pod that runs was not injected, though one like it would be now.
    fn missed(&self, now: &Now, fix: &str) -> Finding {
        let registered = match &self.world.registration {
            Registration::Since(time) => Some(time),
            Registration::Unknown | Registration::Missing => None,
        };
        // Kubernetes writes all times alike, so they compare as texts.
        if let Some(time) = registered.filter(|time| **time > now.created) {
            let message = format!(
                "it was created ({}) before the webhook was registered ({time}), so it was not injected",
                now.created
            );
            return Finding::error("created-before-webhook", message, fix);
        }
        if let Some(time) = self
            .account
            .and_then(|account| account.annotated.as_ref())
            .filter(|time| **time > now.created)
        {
            let message = format!(
                "it was created ({}) before its ServiceAccount was given the role ({time}), so it was not injected",
                now.created
            );
            return Finding::error("created-before-annotation", message, fix);
        }
        let message = format!(
            "it was not injected when it was created ({}), though it would be now: the webhook did not respond then, or what names the role is \
newer than the Pod",
            now.created
        );
        Finding::error("not-injected", message, fix)
    }

    /// What recreates a Pod.
    fn recreate(&self, live: &Live) -> String {
        let (kubectl, namespace) = (&self.world.kubectl, self.namespace);
        match &live.workload {
            Some((kind, name)) if WorkloadKind::named(kind).is_some() && !live.replaced_on_delete => {
                format!(
                    "{kubectl} -n {namespace} rollout restart {}/{name}",
                    kind.to_ascii_lowercase()
                )
            }
            Some(_) => format!("{kubectl} -n {namespace} delete pod {}", self.subject.name),
            None => format!(
                "{kubectl} -n {namespace} delete pod {}, and create it again: nothing else recreates it",
                self.subject.name
            ),
        }
    }
}
