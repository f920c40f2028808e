//! Judges a subject: what the webhook does with its Pod, what a Pod that runs lacks, and what STS would return. Pure: the core
//! decides exactly as it does in the webhook, and this puts words to it.

mod compare;
mod planned;

use std::collections::BTreeMap;

use irsa_emu_core::contract::{DELIVERY, POD_IDENTITIES, ROLE_ARN, ROLE_MAP};
use irsa_emu_core::grant::{Grant, GrantSource, mistakes_of_service_account};
use irsa_emu_core::patch::Patch;
use irsa_emu_core::plan::{PlanInput, PlanOutcome, plan_patch};
use irsa_emu_core::pod_view::PodView;
use irsa_emu_core::reach::{Hook, OutOfReach, reach};
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::rules::{RuleEffect, RuleSources, effect_of, sources_of};

use super::findings::{About, Finding, Level};
use super::identity::{Named, Request};
use super::live::{Now, audience_of, role_by_hand};
use super::subject::Subject;
use super::world::{Account, World};
use super::{Credentials, Explanation, Granted, Identity, identity, provider};

/// The patch that the webhook responds with for the Pod of a subject; `None` where it leaves the Pod alone, or never
/// sees it.
#[must_use]
pub fn patch(subject: &Subject, world: &World) -> Option<Patch> {
    let case = Case::new(subject, world);
    let view = PodView::of(&subject.pod).ok()?;
    case.hook(&view).ok()?;
    match case.with_input(&view, plan_patch) {
        PlanOutcome::Patched { patch, .. } => Some(patch),
        PlanOutcome::Skipped { .. } | PlanOutcome::Malformed(_) => None,
    }
}

/// Judges a subject by what is known.
#[must_use]
pub fn judge(subject: &Subject, world: &World) -> Explanation {
    let case = Case::new(subject, world);
    let now = subject.live.as_ref().map(|_| Now::read(&subject.pod));
    let (planned, mut findings) = case.planned(now.as_ref());
    if now.as_ref().is_some_and(Now::is_injected) {
        // It keeps what it has; an obstacle now affects the next Pod.
        for finding in &mut findings {
            finding.level = finding.level.max(Level::Warning);
        }
    }
    let identity = case.identity(now.as_ref(), &mut findings);
    if let (Some(now), Some(live)) = (&now, &subject.live) {
        case.compare(now, live, planned.outcome == "injected", &mut findings);
    }
    findings.sort_by_key(|finding| finding.level);
    let credentials = credentials(&findings, identity.as_ref());
    Explanation {
        kind: subject.kind.clone(),
        namespace: subject.namespace.clone(),
        name: subject.name.clone(),
        template: subject.template_name(),
        expects_role: case.expects_role(),
        service_account: case.account_name.to_owned(),
        credentials,
        summary: case.summary(credentials, identity.as_ref(), &findings),
        findings,
        now,
        grant: case.granted(),
        if_created_now: planned,
        identity,
        pods: Vec::new(),
    }
}

fn credentials(findings: &[Finding], identity: Option<&Identity>) -> Credentials {
    if findings.iter().any(|finding| finding.level == Level::Error) {
        return Credentials::No;
    }
    let is_unknown =
        |identity: &Identity| identity.trusted.is_none() || identity.provider == provider::UNKNOWN;
    if identity.is_some_and(is_unknown) {
        return Credentials::Unknown;
    }
    Credentials::Yes
}

/// One subject with what concerns it.
struct Case<'a> {
    subject: &'a Subject,
    world: &'a World,
    namespace: &'a str,
    account_name: &'a str,
    account: Option<&'a Account>,
    grant: Option<(Grant, GrantSource)>,
    effect: RuleEffect,
    sources: RuleSources,
}

impl<'a> Case<'a> {
    fn new(subject: &'a Subject, world: &'a World) -> Self {
        let (namespace, account_name) = (subject.namespace.as_str(), subject.service_account());
        let emulator = world.settings.inject.emulator_url.as_deref();
        let grant = world.grant(namespace, account_name);
        let role = grant.as_ref().and_then(|(grant, _)| grant.role_arn());
        Self {
            subject,
            world,
            namespace,
            account_name,
            account: world.account(namespace, account_name),
            effect: effect_of(&world.rules, namespace, account_name, role, emulator),
            sources: sources_of(&world.rules, namespace, account_name, role, emulator),
            grant,
        }
    }

    fn about(&self) -> About<'_> {
        About {
            kubectl: &self.world.kubectl,
            namespace: self.namespace,
            account: self.account_name,
            prefix: &self.world.settings.grants.annotation_prefix,
            is_offline: self.world.is_offline,
        }
    }

    fn labels(&self) -> BTreeMap<String, String> {
        self.world
            .namespaces
            .get(self.namespace)
            .cloned()
            .unwrap_or_default()
    }

    /// The webhook of the registration that sees a Pod.
    fn hook(&self, pod: &PodView<'_>) -> Result<Hook, OutOfReach> {
        let own = &self.world.settings.namespace;
        reach(pod, self.namespace, &self.labels(), own)
    }

    /// Asks the core about a Pod.
    fn with_input<T>(&self, pod: &PodView<'_>, ask: impl FnOnce(&PlanInput<'_>) -> T) -> T {
        let labels = self.labels();
        ask(&PlanInput {
            pod,
            service_account: self.account.map(|account| &account.annotations),
            grant: self.grant.as_ref().map(|(grant, _)| grant),
            namespace_delivery: labels.get(DELIVERY).map(String::as_str),
            effect: &self.effect,
            config: &self.world.settings.inject,
            jitter: 0,
        })
    }

    /// Whether it should have a role: something names one for its ServiceAccount, or means to, or a container sets `AWS_*` by
    /// itself.
    fn expects_role(&self) -> bool {
        let prefix = &self.world.settings.grants.annotation_prefix;
        let is_meant =
            |account: &Account| !mistakes_of_service_account(&account.annotations, prefix).is_empty();
        self.grant.is_some()
            || self.account.is_some_and(is_meant)
            || self.world.is_named(self.namespace, self.account_name)
            || self.subject.sets_aws_variables()
    }

    fn granted_role(&self) -> Option<&str> {
        self.grant.as_ref()?.0.role_arn()
    }

    /// What is named for the ServiceAccount.
    fn named(&self) -> Named<'_> {
        let granted = self
            .grant
            .as_ref()
            .filter(|(grant, _)| grant.role_arn().is_some());
        let usual = self.world.settings.grants.audience.as_str();
        Named {
            role: self.granted_role(),
            audience: granted.map_or(usual, |(grant, _)| grant.audience.as_str()),
        }
    }

    /// What its Pods ask STS for: a Pod that was injected for what it was given then, any other for what is granted now,
    /// or for what somebody wrote into it by hand.
    fn request(&self, now: Option<&Now>) -> Option<Request> {
        let granted = self.granted_role();
        let given = now.filter(|now| now.is_injected()).and_then(|now| {
            let still = now.roles.iter().find(|role| Some(role.as_str()) == granted);
            still.or(now.roles.first()).cloned()
        });
        let audience = || audience_of(&self.subject.pod).unwrap_or_else(|| self.named().audience.to_owned());
        match (given, granted) {
            (Some(role), _) => Some(Request {
                role,
                audience: audience(),
            }),
            (None, Some(role)) => Some(Request {
                role: role.to_owned(),
                audience: self.named().audience.to_owned(),
            }),
            (None, None) => Some(Request {
                role: role_by_hand(&self.subject.pod)?,
                audience: audience(),
            }),
        }
    }

    /// What STS would return to a request of its Pods.
    fn ask(&self, request: &Request) -> (Identity, Vec<Finding>) {
        identity::ask(
            self.world,
            request,
            self.named(),
            (self.namespace, self.account_name),
        )
    }

    /// What STS would return.
    fn identity(&self, now: Option<&Now>, findings: &mut Vec<Finding>) -> Option<Identity> {
        if self.grant.is_some() && self.granted_role().is_none() {
            findings.push(Finding::error(
                "pod-identity-agent",
                "EKS Pod Identity is chosen, and there is no agent at its address here, so there are no credentials",
                format!(
                    "{} -n {} edit configmap {POD_IDENTITIES}, and annotate the ServiceAccount with a role instead",
                    self.world.kubectl, self.world.settings.namespace
                ),
            ));
            return None;
        }
        let (identity, found) = self.ask(&self.request(now)?);
        findings.extend(found);
        Some(identity)
    }

    /// The command that gives the ServiceAccount a role: the one that stands under a wrong key, where there is one.
    fn annotate(&self) -> String {
        let prefix = &self.world.settings.grants.annotation_prefix;
        let annotations = self.account.map(|account| &account.annotations);
        let mistaken = annotations.into_iter().flatten().find(|(key, value)| {
            let one = BTreeMap::from([((*key).clone(), (*value).clone())]);
            RoleArn::parse(value).is_ok() && !mistakes_of_service_account(&one, prefix).is_empty()
        });
        let role = mistaken.map_or("arn:aws:iam::ACCOUNT:role/NAME", |(_, value)| value.as_str());
        format!(
            "{} -n {} annotate serviceaccount {} {prefix}/{ROLE_ARN}={role}",
            self.world.kubectl, self.namespace, self.account_name
        )
    }

    fn granted(&self) -> Option<Granted> {
        let (grant, source) = self.grant.as_ref()?;
        let prefix = &self.world.settings.grants.annotation_prefix;
        let own = &self.world.settings.namespace;
        Some(Granted {
            role: grant.role_arn().map(str::to_owned),
            written_in: match source {
                GrantSource::Annotation => format!("the ServiceAccount's annotation {prefix}/{ROLE_ARN}"),
                GrantSource::RoleMap => format!("the ConfigMap {own}/{ROLE_MAP}"),
                GrantSource::Association => format!("the ConfigMap {own}/{POD_IDENTITIES}"),
            },
            audience: grant.audience.clone(),
            token_expiration: grant.token_expiration,
        })
    }

    fn summary(&self, credentials: Credentials, identity: Option<&Identity>, findings: &[Finding]) -> String {
        let runs = self.subject.live.is_some();
        let role = identity.map_or("", |identity| identity.role.as_str());
        match credentials {
            Credentials::Yes if runs => format!("it has the credentials of {role}"),
            Credentials::Yes if self.subject.kind == "Pod" => {
                format!("it would get the credentials of {role}")
            }
            Credentials::Yes => format!("its Pods get the credentials of {role}"),
            Credentials::Unknown => {
                format!("it is injected for {role}; whether STS gives it the role is not known")
            }
            Credentials::No => {
                let why = findings.first().map_or("", |finding| finding.message.as_str());
                format!("no credentials: {why}")
            }
        }
    }
}
