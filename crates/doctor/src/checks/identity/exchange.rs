//! The STS front gives a ServiceAccount the role that trusts it, and makes none that is not named for it.

use std::time::Duration;

use irsa_emu_core::contract::{CANARY, CANARY_NAMESPACE};
use irsa_emu_core::contract::{DEFAULT_ACCOUNT, DEFAULT_AUDIENCE, NAMESPACE, STS_FRONT, WEBHOOK};
use irsa_emu_install::sts::Refusal;

use crate::checks::asked::{assume, token};
use crate::checks::engine::{Trouble, Verdict, fine};
use crate::checks::surroundings::Surroundings;

/// How often a new ServiceAccount is asked for again before the webhook must have heard of it.
const TRIES: u32 = 12;
/// How long between two.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) async fn web_identity(s: &Surroundings<'_>) -> Verdict {
    s.canary().await?;
    let client = s.client().await?;
    let logs = || s.kubectl(&format!("-n {NAMESPACE} logs deployment/{WEBHOOK} --tail 20"));
    let trouble =
        |message: String| Trouble::new(message, logs()).about(format!("Service {NAMESPACE}/{STS_FRONT}"));
    let own = Surroundings::canary_role();
    let good = token(&client, CANARY_NAMESPACE, CANARY, DEFAULT_AUDIENCE).await?;
    let mut assumed = assume(&client, &good, &own).await;
    for _ in 1..TRIES {
        if assumed.is_ok() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        assumed = assume(&client, &good, &own).await;
    }
    let strict = !s.settings().await?.makes_roles;
    let arn = match assumed {
        Ok(assumed) => assumed.arn,
        // The canary's role does not exist, and in this mode nobody makes it.
        Err(refusal) if strict && refusal.code == "AccessDenied" => {
            return fine("roles are strict: the canary's role, which does not exist, is refused");
        }
        Err(refusal) => return Err(trouble(format!("the canary does not get its role: {refusal}"))),
    };
    let other = format!("arn:aws:iam::{DEFAULT_ACCOUNT}:role/{CANARY}-other");
    refused(
        assume(&client, &good, &other).await.map(drop),
        "a role that does not exist and that its annotation does not name",
        &["AccessDenied"],
    )
    .map_err(trouble)?;
    let foreign = token(&client, CANARY_NAMESPACE, CANARY, "irsa-emu-doctor").await?;
    refused(
        assume(&client, &foreign, &own).await.map(drop),
        "a token for another audience",
        &["InvalidIdentityToken"],
    )
    .map_err(trouble)?;
    fine(format!("{arn}; another role and another audience are refused"))
}

/// Insists on a refusal.
fn refused(answer: Result<(), Refusal>, what: &str, codes: &[&str]) -> Result<(), String> {
    match answer {
        Err(refusal) if codes.contains(&refusal.code.as_str()) => Ok(()),
        Err(refusal) => Err(format!(
            "{what} is refused with {refusal}, not with {}",
            codes.join(" or ")
        )),
        Ok(()) => Err(format!("{what} is accepted; on EKS it is refused")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_refusal_is_good() {
        let with = |code: &str| {
            Err(Refusal {
                code: code.into(),
                message: String::new(),
            })
        };
        assert!(refused(with("AccessDenied"), "x", &["AccessDenied"]).is_ok());
        assert!(refused(with("InternalFailure"), "x", &["AccessDenied"]).is_err());
        assert!(
            refused(Ok(()), "x", &["AccessDenied"])
                .unwrap_err()
                .contains("accepted")
        );
    }
}
