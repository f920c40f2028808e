//! Whether STS would give a Pod the role, by the role's trust policy for the ServiceAccount. As in the STS front,
//! the trust policy decides; what the ServiceAccount's annotation names matters only for a role that does not exist, and
//! for real AWS.

use std::collections::BTreeMap;

use irsa_emu_core::contract::ROLE_ARN;
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::trust_policy::{TrustPolicy, WebIdentityRequest, evaluate};

use super::Identity;
use super::findings::Finding;
use super::provider;
use super::world::{Role, World};

/// Session name of the request that is imagined; SDKs choose their own.
const SESSION: &str = "irsa-emu-explain";

/// What a Pod asks STS for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// The role.
    pub(super) role: String,
    /// Audience of its token.
    pub(super) audience: String,
}

/// What is named for a ServiceAccount, wherever that is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    /// The role.
    pub(super) role: Option<&'a str>,
    /// Audience of the tokens of its Pods.
    pub(super) audience: &'a str,
}

/// What STS would return to a Pod of a ServiceAccount that requests a role.
pub(super) fn ask(
    world: &World,
    request: &Request,
    named: Named<'_>,
    (namespace, account): (&str, &str),
) -> (Identity, Vec<Finding>) {
    let role = request.role.as_str();
    let asking = Asking {
        world,
        audience: &request.audience,
        is_named: named.role == Some(role),
        namespace,
        account,
        subject: format!("system:serviceaccount:{namespace}:{account}"),
    };
    let mut provider = provider::NOT_ASKED;
    let said = match RoleArn::parse(role) {
        Ok(arn) => {
            let (state, found) = provider::judge(world, &arn, &request.audience, named.audience);
            provider = state;
            asking.for_role(role, &arn).after(found)
        }
        Err(problem) => {
            let message = format!("{problem}; STS refuses it, here as on AWS");
            let fix = asking.annotate("arn:aws:iam::ACCOUNT:role/NAME");
            Said::not_asked(Some(Finding::error("role-invalid", message, fix)))
        }
    };
    let identity = Identity {
        role: role.to_owned(),
        subject: asking.subject,
        issuer: world.provider.clone(),
        provider,
        state: said.state,
        trusted: said.trusted,
        decision: said.decision,
    };
    (identity, said.findings)
}

/// Who asks for a role.
struct Asking<'a> {
    world: &'a World,
    /// Audience of the token.
    audience: &'a str,
    /// Whether the role is the one that is named for the ServiceAccount.
    is_named: bool,
    namespace: &'a str,
    account: &'a str,
    subject: String,
}

/// What comes of it.
struct Said {
    state: &'static str,
    trusted: Option<bool>,
    decision: Option<String>,
    findings: Vec<Finding>,
}

impl Said {
    fn new(state: &'static str, trusted: Option<bool>, findings: impl IntoIterator<Item = Finding>) -> Self {
        Self {
            state,
            trusted,
            decision: None,
            findings: findings.into_iter().collect(),
        }
    }

    /// With what comes before it, unless it is the same.
    fn after(mut self, first: Option<Finding>) -> Self {
        let first = first.filter(|first| self.findings.iter().all(|finding| finding.id != first.id));
        self.findings.splice(0..0, first);
        self
    }

    fn not_asked(finding: Option<Finding>) -> Self {
        Self::new("not-asked", None, finding)
    }
}

impl Asking<'_> {
    /// Whether the role is there.
    fn for_role(&self, written: &str, role: &RoleArn) -> Said {
        if self.world.settings.inject.emulator_url.is_none() {
            if !self.is_named {
                let message = format!(
                    "with real AWS a ServiceAccount gets only the role that is named for it, and {role} is not"
                );
                return Said::not_asked(Some(Finding::error(
                    "role-not-named",
                    message,
                    self.annotate(written),
                )));
            }
            let message =
                "real AWS decides whether the role may be assumed; the webhook's log has its response";
            return Said::not_asked(Some(Finding::note("real-aws", message)));
        }
        match self.world.roles.get(written) {
            None => Said::not_asked(None),
            Some(Role::NotAsked(why)) => {
                let message =
                    format!("whether the role exists and allows the ServiceAccount is not known: {why}");
                Said::not_asked(Some(Finding::note("emulator-unreachable", message)))
            }
            Some(Role::Missing) if self.world.settings.makes_roles && self.is_named => {
                let message = format!(
                    "the role {role} does not exist yet; irsa-emu creates it when the Pod first requests it, with a trust policy \
for this ServiceAccount. On EKS it would have to exist"
                );
                let finding = Finding::note("role-made-when-asked-for", message);
                Said::new("made-when-asked-for", Some(true), [finding])
            }
            Some(Role::Missing) => {
                let why = if self.world.settings.makes_roles {
                    "irsa-emu creates only a role that is named for the ServiceAccount"
                } else {
                    "this install creates none (--roles strict)"
                };
                let message = format!("the role {role} does not exist in the emulator, and {why}");
                let finding = Finding::error("role-missing", message, create_role(role));
                Said::new("missing", Some(false), [finding])
            }
            Some(Role::Found { arn, .. }) if *arn != role.to_string() => {
                let message = format!(
                    "the role of this name is {arn}, not {role}: IAM knows roles by their names alone"
                );
                let finding = Finding::error("role-other-path", message, self.annotate(arn));
                Said::new("another", Some(false), [finding])
            }
            Some(Role::Found { trust, .. }) => self.trusted(role, trust),
        }
    }

    /// Where the trust policy can be read.
    fn show_trust(&self, role: &RoleArn) -> String {
        if self.world.is_offline {
            return format!("fix the trustPolicy of the role {} in its Recipe", role.name());
        }
        format!(
            "eval \"$(irsa-emu env)\" && AWS_ACCESS_KEY_ID={} aws iam get-role --role-name {} --query Role.AssumeRolePolicyDocument",
            role.account(),
            role.name()
        )
    }

    /// Whether the role's trust policy lets the ServiceAccount in.
    fn trusted(&self, role: &RoleArn, trust: &str) -> Said {
        let policy = match TrustPolicy::parse(trust) {
            Ok(policy) => policy,
            Err(problem) => {
                let message = format!("IAM does not accept the role's trust policy: {problem}");
                let finding = Finding::error("trust-malformed", message, self.show_trust(role));
                return Said::new("exists", Some(false), [finding]);
            }
        };
        let Some(provider) = &self.world.provider else {
            let message = "whether the role's trust policy allows the ServiceAccount is not known: the API server does not publish its issuer";
            return Said::new("exists", None, [Finding::note("issuer-unknown", message)]);
        };
        let decision = evaluate(
            &policy,
            &WebIdentityRequest {
                role,
                provider,
                aliases: &self.world.settings.issuer_aliases,
                subject: &self.subject,
                audiences: &[self.audience.to_owned()],
                session_name: SESSION,
                claims: &BTreeMap::new(),
                keys: &self.world.time_keys,
            },
        );
        let findings = if decision.is_allowed() {
            let open = decision
                .warnings
                .iter()
                .map(|warning| Finding::warning("trust-open", format!("the role's trust policy: {warning}")));
            open.collect()
        } else {
            let message = format!(
                "the role's trust policy does not allow {}/{}: {decision}",
                self.namespace, self.account
            );
            vec![Finding::error("trust-refused", message, self.show_trust(role))]
        };
        Said {
            state: "exists",
            trusted: Some(decision.is_allowed()),
            decision: Some(decision.to_string()),
            findings,
        }
    }

    /// The command that gives the ServiceAccount another role.
    fn annotate(&self, role: &str) -> String {
        format!(
            "{} -n {} annotate --overwrite serviceaccount {} {}/{ROLE_ARN}={role}",
            self.world.kubectl, self.namespace, self.account, self.world.settings.grants.annotation_prefix
        )
    }
}

/// What shows a role's trust policy. The emulator takes the account from the access key.
fn create_role(role: &RoleArn) -> String {
    format!(
        "eval \"$(irsa-emu env)\" && AWS_ACCESS_KEY_ID={} aws iam create-role --role-name {} --path {} --assume-role-policy-document file://trust.json",
        role.account(),
        role.name(),
        role.path()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Credentials;
    use super::super::findings::Level;
    use super::super::judge::judge;
    use super::super::tests::{ROLE, annotate, injected, of_file, pod, running, told, trust, world};
    use super::*;

    /// Another role, with this trust policy, or none.
    fn second(world: &mut World, trust: Option<&str>) -> String {
        let arn = "arn:aws:iam::123456789012:role/second".to_owned();
        let role = match trust {
            Some(trust) => Role::Found {
                arn: arn.clone(),
                trust: trust.to_owned(),
            },
            None => Role::Missing,
        };
        world.roles.insert(arn.clone(), role);
        arn
    }

    #[test]
    fn a_role_that_a_container_sets_itself_is_judged_by_its_trust_policy() {
        for (subject, credentials, level, says) in [
            (
                Some("apps:app"),
                Credentials::Yes,
                Level::Note,
                "its trust policy allows it",
            ),
            (
                Some("apps:other"),
                Credentials::No,
                Level::Error,
                "system:serviceaccount:apps:other",
            ),
            (
                None,
                Credentials::No,
                Level::Error,
                "creates only a role that is named for the ServiceAccount",
            ),
        ] {
            let (mut world, mut pod) = (world(), pod());
            let role = second(&mut world, subject.map(trust).as_deref());
            pod["spec"]["containers"]
                .as_array_mut()
                .unwrap()
                .push(json!({"name": "second", "env": [{"name": "AWS_ROLE_ARN", "value": role}]}));
            let explained = judge(&of_file(&pod), &world);
            assert_eq!(told(&explained), (credentials, vec!["own-role"]));
            let finding = &explained.findings[0];
            assert_eq!(finding.level, level);
            assert!(finding.message.contains(says), "{}", finding.message);
        }
    }

    #[test]
    fn a_token_and_a_role_that_somebody_wrote_by_hand_need_no_annotation() {
        let (mut world, mut pod) = (world(), pod());
        annotate(&mut world, &[]);
        pod["spec"]["containers"][0]["env"] = json!([
            {"name": "AWS_ROLE_ARN", "value": ROLE}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/token"}]);
        let token = |audience: &str| json!([{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"audience": audience}}]}}]);
        pod["spec"]["volumes"] = token("sts.amazonaws.com");
        let explained = judge(&of_file(&pod), &world);
        assert_eq!(told(&explained), (Credentials::Yes, vec!["no-role-arn"]));
        assert_eq!(explained.findings[0].level, Level::Note);
        pod["spec"]["volumes"] = token("vault");
        let explained = judge(&of_file(&pod), &world);
        assert_eq!(
            told(&explained),
            (
                Credentials::No,
                vec!["audience-not-listed", "trust-refused", "no-role-arn"]
            )
        );
    }

    #[test]
    fn with_real_aws_only_the_role_that_is_named_is_given() {
        let mut world = world();
        let pod = injected(&world);
        world.settings.inject.emulator_url = None;
        let explained = judge(&running(&pod, None), &world);
        assert_eq!(explained.findings.last().unwrap().id, "real-aws");
        annotate(
            &mut world,
            &[("eks.amazonaws.com/role-arn", "arn:aws:iam::123456789012:role/new")],
        );
        let explained = judge(&running(&pod, None), &world);
        assert_eq!(explained.credentials, Credentials::No);
        assert_eq!(explained.findings[0].id, "role-not-named");
    }
}
