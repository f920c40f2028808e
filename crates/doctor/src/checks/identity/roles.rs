//! The roles that annotations name: they are in the emulator, and their trust policies let the right ones in.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use irsa_emu_cluster::kubernetes::objects::get;
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::trust_policy::{IssuerAlias, TrustPolicy, Warning, WebIdentityRequest, evaluate};

use crate::checks::engine::{Trouble, Verdict, fine, nothing};
use crate::checks::surroundings::Surroundings;
use crate::checks::surroundings::accounts::Wish;
use crate::emulator::{FoundRole, role};

/// What is there for every role that is wished for.
type Roles = BTreeMap<RoleArn, Option<FoundRole>>;

async fn look(s: &Surroundings<'_>, wishes: &[Wish]) -> Result<Roles, Trouble> {
    let url = s.emulator().await?;
    let mut wanted: Vec<&RoleArn> = wishes.iter().map(|wish| &wish.role).collect();
    wanted.sort();
    wanted.dedup();
    let found = try_join_all(wanted.into_iter().map(|wanted| async move {
        let found = role(url, wanted).await;
        let found = found.map_err(|why| Trouble::new(why, s.session.command("doctor --only emu-*")))?;
        Ok::<_, Trouble>((wanted.clone(), found))
    }));
    Ok(found.await?.into_iter().collect())
}

pub(super) async fn exist(s: &Surroundings<'_>) -> Verdict {
    let wishes = s.accounts().await?.wishes();
    if wishes.is_empty() {
        return nothing("no ServiceAccount names a role");
    }
    let strict = !s.settings().await?.makes_roles;
    judge_existence(&wishes, &look(s, &wishes).await?, strict)
}

/// Unless roles are strict, one that is missing is made when a Pod first asks for it.
fn judge_existence(wishes: &[Wish], roles: &Roles, strict: bool) -> Verdict {
    let mut later = 0;
    for wish in wishes {
        let fix = format!(
            "add {} to spec.iam.roles of a Recipe, and apply it",
            wish.role.name()
        );
        match roles.get(&wish.role).and_then(Option::as_ref) {
            Some(found) if found.arn == wish.role.to_string() => {}
            Some(found) => {
                let message = format!(
                    "it names {}, but the role of this name is {}: on AWS this is AccessDenied",
                    wish.role, found.arn
                );
                return Err(Trouble::new(message, fix).about(wish.title()));
            }
            None if strict => {
                let message = format!("it names {}, which does not exist", wish.role);
                return Err(Trouble::new(message, fix).about(wish.title()));
            }
            None => later += 1,
        }
    }
    let count = roles.len();
    fine(match later {
        0 => format!("{count} role(s)"),
        _ => format!(
            "{count} role(s), of which {later} are created when a Pod first requests them; on EKS they must exist before"
        ),
    })
}

pub(super) async fn trust(s: &Surroundings<'_>) -> Verdict {
    let wishes = s.accounts().await?.wishes();
    let roles = look(s, &wishes).await?;
    let discovery: serde_json::Value = get(&s.client().await?, "/.well-known/openid-configuration").await?;
    let issuer = discovery["issuer"].as_str().unwrap_or_default();
    let aliases = s.settings().await?.issuer_aliases;
    judge_trust(&wishes, &roles, issuer.trim_start_matches("https://"), &aliases)
}

fn judge_trust(wishes: &[Wish], roles: &Roles, provider: &str, aliases: &[IssuerAlias]) -> Verdict {
    let (mut judged, mut open) = (0, None);
    for wish in wishes {
        let Some(found) = roles.get(&wish.role).and_then(Option::as_ref) else {
            continue;
        };
        judged += 1;
        let trouble = |why: String| {
            let message = format!("{} does not allow it: {why}", wish.role);
            Trouble::new(message, corrected(wish, provider)).about(wish.title())
        };
        let policy = TrustPolicy::parse(&found.trust).map_err(|error| trouble(error.to_string()))?;
        let subject = wish.subject();
        let request = WebIdentityRequest {
            role: &wish.role,
            provider,
            aliases,
            subject: &subject,
            audiences: std::slice::from_ref(&wish.audience),
            session_name: "irsa-emu-doctor",
            claims: &BTreeMap::new(),
            keys: &BTreeMap::new(),
        };
        let decision = evaluate(&policy, &request);
        if !decision.is_allowed() {
            return Err(trouble(decision.to_string()));
        }
        if let Some(warning) = decision.warnings.first() {
            open.get_or_insert_with(|| {
                let message = format!("{}: {}", wish.role, opening(warning));
                Trouble::warning(message, corrected(wish, provider)).about(wish.title())
            });
        }
    }
    match (open, judged) {
        (Some(trouble), _) => Err(trouble),
        (None, 0) => nothing("no role that an annotation names is there yet"),
        (None, _) => fine(format!(
            "{judged} ServiceAccount(s) are allowed by their roles, and only by name"
        )),
    }
}

fn opening(warning: &Warning) -> String {
    format!("{warning}; any ServiceAccount of the cluster can assume the role")
}

/// The condition that lets exactly one ServiceAccount in.
fn corrected(wish: &Wish, provider: &str) -> String {
    format!(
        "in its trust policy: \"StringEquals\": {{\"{provider}:sub\": \"{}\", \"{provider}:aud\": \"{}\"}}",
        wish.subject(),
        wish.audience
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use irsa_emu_core::trust_policy::DEFAULT_ALIASES;

    use super::*;

    const PROVIDER: &str = "kubernetes.default.svc.cluster.local";

    fn wish() -> Wish {
        Wish {
            namespace: "shop".into(),
            name: "app".into(),
            role: RoleArn::parse("arn:aws:iam::123456789012:role/app").unwrap(),
            audience: "sts.amazonaws.com".into(),
        }
    }

    fn roles(arn: &str, condition: &Value) -> Roles {
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": {"Federated": format!("arn:aws:iam::123456789012:oidc-provider/{PROVIDER}")},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": condition,
            }]
        });
        let found = FoundRole {
            arn: arn.into(),
            trust: trust.to_string(),
        };
        [(wish().role, Some(found))].into()
    }

    fn trusted(condition: &Value) -> Verdict {
        let roles = roles("arn:aws:iam::123456789012:role/app", condition);
        judge_trust(&[wish()], &roles, PROVIDER, DEFAULT_ALIASES)
    }

    #[test]
    fn a_role_is_missing_only_where_nobody_makes_it() {
        let none: Roles = [(wish().role, None)].into();
        assert!(judge_existence(&[wish()], &none, false).is_ok());
        let trouble = judge_existence(&[wish()], &none, true).unwrap_err();
        assert!(trouble.message.ends_with("role/app, which does not exist"));
        assert_eq!(trouble.object.as_deref(), Some("ServiceAccount shop/app"));
        let elsewhere = roles("arn:aws:iam::123456789012:role/team/app", &json!({}));
        assert!(
            judge_existence(&[wish()], &elsewhere, false)
                .unwrap_err()
                .message
                .contains("role/team/app")
        );
    }

    #[test]
    fn a_trust_policy_for_somebody_else_is_told_with_the_reason() {
        let key = format!("{PROVIDER}:sub");
        let good = json!({"StringEquals": {&key: "system:serviceaccount:shop:app"}});
        assert!(trusted(&good).is_ok());
        let trouble =
            trusted(&json!({"StringEquals": {&key: "system:serviceaccount:shop:other"}})).unwrap_err();
        assert!(!trouble.warning);
        assert!(
            trouble.message.contains("system:serviceaccount:shop:other"),
            "{}",
            trouble.message
        );
        assert!(trouble.fix.contains("system:serviceaccount:shop:app"));
    }

    #[test]
    fn a_trust_policy_that_lets_everyone_in_is_a_warning() {
        assert!(trusted(&json!({})).unwrap_err().warning);
        let any = json!({"StringLike": {format!("{PROVIDER}:sub"): "system:serviceaccount:*"}});
        assert!(trusted(&any).unwrap_err().warning);
    }
}
