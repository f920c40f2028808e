//! What the webhook does with a Pod that is created now.

use irsa_emu_core::contract::{DELIVERY, env};
use irsa_emu_core::plan::{
    ContainerTrace, Fate, Method, PlanOutcome, RegionSource, SkipReason, Trace, plan_patch, trace,
};
use irsa_emu_core::pod_view::PodView;
use irsa_emu_core::reach::{Hook, OutOfReach};
use irsa_emu_core::rules::DeliverySource;
use serde_json::Value;

use super::Case;
use crate::explain::findings::{ADDRESS_UNKNOWN, Finding, Level};
use crate::explain::identity::Request;
use crate::explain::live::{Now, role_by_hand};
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
        // Of a Pod that is injected already, only its successor shows what is injected.
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
                    "fix that field",
                ));
                return (nothing("malformed", "malformed"), findings);
            }
        };
        let outcome = self.with_input(&view, plan_patch);
        let traced = self.with_input(&view, trace);
        let seen = self.reach(&view, &mut findings);
        let (reason, warnings) = match outcome {
            PlanOutcome::Patched { warnings, .. } => (None, warnings),
            PlanOutcome::Skipped { reason, warnings } => (Some(reason), warnings),
            PlanOutcome::Malformed(_) => (None, Vec::new()),
        };
        if let Some(reason) = reason {
            let known = |finding: &Finding| finding.id == reason.as_str();
            if !findings.iter().any(known) {
                let mut found = self.about().skipped(reason, &self.annotate());
                // What somebody wrote into it by hand needs no injection.
                if let Some(found) = &mut found
                    && self.grant.is_none()
                    && !is_injected
                    && role_by_hand(pod).is_some()
                {
                    found.level = Level::Note;
                }
                findings.extend(found);
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
        if planned.outcome == "injected" {
            findings.extend(self.address_unknown());
        }
        planned.webhook = seen.ok().map(Hook::name);
        if let Some(traced) = traced {
            self.own_roles(pod, now, &traced, &mut findings);
            if seen.is_ok() && reason != Some(SkipReason::AlreadyInjected) {
                self.fill(&mut planned, &traced);
            }
        }
        (planned, findings)
    }

    /// What a Pod gets beside what is shown, if no cluster was asked.
    fn address_unknown(&self) -> Option<Finding> {
        let settings = &self.world.settings;
        let gives = settings.inject.gives_cluster_ip(&settings.namespace);
        let is_unknown = self.world.is_offline && gives && settings.inject.s3_url.is_none();
        is_unknown.then(|| {
            let message = format!(
                "{} is not among its variables: the webhook sets it to the ClusterIP of the emulator's Service, which only the \
cluster knows",
                env::ENDPOINT_S3
            );
            Finding::note(ADDRESS_UNKNOWN, message)
        })
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
                Fate::Clash => Some("another volume is mounted where the credentials belong"),
                Fate::TooEarly => Some("it ends before the sidecar starts"),
            },
            env: traced.added.iter().map(variable).collect(),
            kept: traced.kept.clone(),
        }
    }

    /// Roles that containers name themselves: they keep them, and the trust policies of these roles decide.
    fn own_roles(&self, pod: &Value, now: Option<&Now>, traced: &Trace, findings: &mut Vec<Finding>) {
        let asked = self.request(now).map(|request| request.role);
        let known = |role: &str| Some(role) == asked.as_deref() || Some(role) == self.granted_role();
        let is_served = |name: &str| {
            let mut served = traced.containers.iter();
            served.any(|traced| traced.name == name && traced.fate == Fate::Served)
        };
        for container in Now::read(pod).containers {
            let own = container
                .role_arn
                .filter(|role| role.starts_with("arn:") && !known(role));
            let Some(role) = own.filter(|_| is_served(&container.name)) else {
                continue;
            };
            let request = Request {
                role,
                audience: self.named().audience.to_owned(),
            };
            findings.push(self.own_role(&container.name, &request));
        }
    }

    fn own_role(&self, container: &str, request: &Request) -> Finding {
        let (identity, found) = self.ask(request);
        let sets = format!(
            "container {container}: it sets {} to {}, and keeps it",
            env::ROLE_ARN,
            request.role
        );
        let refusal = found.into_iter().find(|finding| finding.level == Level::Error);
        match (refusal, identity.trusted) {
            (Some(refusal), _) => {
                let leave = || format!("take {} out of the container's env", env::ROLE_ARN);
                let fix = refusal.fix.filter(|_| refusal.id != "role-invalid");
                Finding::error(
                    "own-role",
                    format!("{sets}: {}", refusal.message),
                    fix.unwrap_or_else(leave),
                )
            }
            (None, Some(_)) => Finding::note("own-role", format!("{sets}; its trust policy allows it")),
            (None, None) => Finding::note(
                "own-role",
                format!("{sets}; whether its trust policy allows it is not known"),
            ),
        }
    }
}

fn of_recipe(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("the Recipe {name}"),
        None => "a Recipe".to_owned(),
    }
}
