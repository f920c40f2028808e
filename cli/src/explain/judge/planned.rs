//! What the webhook does with a Pod that is created now.

use irsa_emu_core::contract::{DELIVERY, env};
use irsa_emu_core::plan::{
    ContainerTrace, Fate, Method, Outcome, RegionSource, SkipReason, Trace, plan_patch, trace,
};
use irsa_emu_core::pod_view::PodView;
use irsa_emu_core::reach::{Hook, OutOfReach};
use irsa_emu_core::rules::DeliverySource;
use serde_json::Value;

use super::Case;
use crate::explain::findings::Finding;
use crate::explain::live::Now;
use crate::explain::world::Registration;
use crate::explain::{Chosen, ContainerPlan, Planned, Variable};

impl Case<'_> {
    /// What the webhook does with a Pod that is created now.
    pub(super) fn planned(&self, now: Option<&Now>) -> (Planned, Vec<Finding>) {
        let mut findings = Vec::new();
        let nothing = |outcome, reason| Planned {
            outcome,
            reason: Some(reason),
            webhook: None,
            delivery: None,
            region: None,
            containers: Vec::new(),
        };
        // Of a Pod that is injected already, only its successor tells what is injected.
        let successor = self
            .subject
            .live
            .as_ref()
            .and_then(|live| live.successor.as_ref());
        let is_injected = now.is_some_and(Now::is_injected);
        let pod = successor.filter(|_| is_injected).unwrap_or(&self.subject.pod);
        let view = match PodView::of(pod) {
            Ok(view) => view,
            Err(problem) => {
                findings.push(Finding::error(
                    "malformed",
                    format!("Kubernetes could not read it as a Pod: {problem}"),
                    "mend that field",
                ));
                return (nothing("malformed", "malformed"), findings);
            }
        };
        let outcome = self.with_input(&view, plan_patch);
        let traced = self.with_input(&view, trace);
        let seen = self.reach(&view, &mut findings);
        let (reason, warnings) = match outcome {
            Outcome::Patched { warnings, .. } => (None, warnings),
            Outcome::Skipped { reason, warnings } => (Some(reason), warnings),
            Outcome::Malformed(_) => (None, Vec::new()),
        };
        if let Some(reason) = reason {
            let known = |finding: &Finding| finding.id == reason.as_str();
            if !findings.iter().any(known) {
                findings.extend(self.about().skipped(reason, &self.annotate()));
            }
        }
        findings.extend(
            warnings
                .into_iter()
                .map(|warning| Finding::warning("webhook-warning", warning)),
        );
        let mut planned = match (seen, reason) {
            (Err(why), _) => nothing("unseen", why),
            (Ok(_), Some(reason)) => nothing("skipped", reason.as_str()),
            (Ok(_), None) => Planned {
                reason: None,
                ..nothing("injected", "")
            },
        };
        planned.webhook = seen.ok().map(Hook::name);
        if let Some(traced) = traced {
            self.own_roles(pod, &traced, &mut findings);
            if seen.is_ok() && reason != Some(SkipReason::AlreadyInjected) {
                self.fill(&mut planned, &traced);
            }
        }
        (planned, findings)
    }

    /// Whether the API server sends the Pod to the webhook.
    fn reach(&self, view: &PodView<'_>, findings: &mut Vec<Finding>) -> Result<Hook, &'static str> {
        match self.hook(view) {
            Ok(_) if self.world.registration == Registration::Missing => {
                findings.push(Finding::error(
                    "webhook-missing",
                    "the webhook is not registered, so no Pod is injected",
                    "irsa-emu doctor",
                ));
                Err("webhook-missing")
            }
            Ok(hook) => Ok(hook),
            Err(why) => {
                let finding = self.about().out_of_reach(why);
                let id = finding.id;
                // A Pod that has no role to get misses nothing by not being seen.
                if self.grant.is_some() || why == OutOfReach::SkipLabel {
                    findings.push(finding);
                }
                Err(id)
            }
        }
    }

    fn fill(&self, planned: &mut Planned, traced: &Trace) {
        planned.delivery = Some(Chosen {
            value: traced.method.as_str().to_owned(),
            by: self.delivery_by(traced),
        });
        planned.region = traced.region.as_ref().map(|(region, source)| Chosen {
            value: region.clone(),
            by: match source {
                RegionSource::Recipe => of_recipe(self.sources.region.as_deref()),
                RegionSource::Install => "the install".to_owned(),
            },
        });
        let has_patch = planned.outcome == "injected";
        planned.containers = traced
            .containers
            .iter()
            .filter(|container| has_patch && container.fate != Fate::Sidecar)
            .map(|container| self.container(container))
            .collect();
    }

    fn delivery_by(&self, traced: &Trace) -> String {
        match traced.chosen_by {
            Some(DeliverySource::Pod) => format!("the Pod's annotation {DELIVERY}"),
            Some(DeliverySource::ServiceAccount) => format!("the ServiceAccount's annotation {DELIVERY}"),
            Some(DeliverySource::Rule) => of_recipe(self.sources.delivery.as_deref()),
            Some(DeliverySource::Namespace) => format!("the Namespace's label {DELIVERY}"),
            Some(DeliverySource::Default) => "the install's default".to_owned(),
            None if traced.method == Method::PodIdentity => "the EKS Pod Identity association".to_owned(),
            None if self.world.settings.inject.strict_eks => "the profile strict-eks".to_owned(),
            None if self.world.settings.inject.emulator_url.is_none() => {
                "the backend: nothing else serves real AWS".to_owned()
            }
            None => "the Pod's operating system: the sidecar does not run on Windows".to_owned(),
        }
    }

    fn container(&self, traced: &ContainerTrace) -> ContainerPlan {
        let variable = |(name, value): &(String, String)| Variable {
            name: name.clone(),
            value: value.clone(),
            recipe: self
                .sources
                .env
                .get(name)
                .cloned()
                .filter(|_| self.effect.env.get(name) == Some(value)),
        };
        ContainerPlan {
            name: traced.name.clone(),
            init: traced.is_init,
            not_served: match traced.fate {
                Fate::Served | Fate::Sidecar => None,
                Fate::Skipped => Some("the annotation skip-containers names it"),
                Fate::Clash => Some("it has another volume where the credentials belong"),
                Fate::TooEarly => Some("it ends before the sidecar starts"),
            },
            env: traced.added.iter().map(variable).collect(),
            kept: traced.kept.clone(),
        }
    }

    /// Roles that containers name themselves: STS gives them only what their ServiceAccount grants.
    fn own_roles(&self, pod: &Value, traced: &Trace, findings: &mut Vec<Finding>) {
        let granted = self.grant.as_ref().and_then(|(grant, _)| grant.role_arn());
        let own = Now::read(pod).containers.into_iter().filter(|container| {
            let keeps =
                |traced: &&ContainerTrace| traced.name == container.name && traced.fate == Fate::Served;
            traced.containers.iter().any(|traced| keeps(&traced))
        });
        for container in own {
            let Some(role) = container.role_arn.as_deref() else {
                continue;
            };
            // Of a Pod that runs, `compare` tells.
            if self.subject.live.is_none() && Some(role) != granted && role.starts_with("arn:") {
                let message = format!(
                    "container {}: it sets {} to {role}, which its ServiceAccount does not grant: STS refuses it",
                    container.name,
                    env::ROLE_ARN
                );
                let fix = format!("take {} out of the container's env", env::ROLE_ARN);
                findings.push(Finding::error("own-role", message, fix));
            }
        }
    }
}

fn of_recipe(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("the Recipe {name}"),
        None => "a Recipe".to_owned(),
    }
}
