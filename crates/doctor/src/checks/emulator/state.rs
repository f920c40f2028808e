//! Whether the emulator still has what the Recipes made in it. What it loses, the keeper makes again within seconds.

use std::time::Duration;

use irsa_emu_core::contract::NAMESPACE;
use irsa_emu_core::recipe::{Recipe, ResourceState};
use irsa_emu_core::role_arn::RoleArn;

use crate::checks::engine::{Trouble, Verdict, fine};
use crate::checks::surroundings::Surroundings;
use crate::emulator::{Presence, key_presence, kms, of_account, role};

/// How often what is missing is looked for again: the keeper needs about three seconds.
const TRIES: u32 = 9;
/// How long between two.
const PAUSE: Duration = Duration::from_millis(500);

/// Something that a Recipe made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Made {
    recipe: String,
    arn: String,
    restored: i64,
}

pub(super) async fn kept(s: &Surroundings<'_>) -> Verdict {
    let made: Vec<Made> = s.recipes().await?.iter().flat_map(made).collect();
    if made.is_empty() {
        return fine("no Recipe has made anything yet");
    }
    let mut missing: Vec<&Made> = made.iter().collect();
    for attempt in 0..TRIES {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let answers =
            futures::future::try_join_all(missing.iter().map(|made| presence(s, &made.arn))).await?;
        let pairs = missing.into_iter().zip(answers);
        missing = pairs
            .filter(|(_, presence)| *presence == Presence::Gone)
            .map(|(made, _)| made)
            .collect();
        if missing.is_empty() {
            let restored: i64 = made.iter().map(|made| made.restored).sum();
            return fine(format!(
                "{} resources exist; restored {restored} times so far",
                made.len()
            ));
        }
    }
    Err(judge(
        &missing,
        s.kubectl(&format!("-n {NAMESPACE} get lease irsa-emu-keeper -o yaml")),
    ))
}

fn judge(missing: &[&Made], fix: String) -> Trouble {
    let arns: Vec<&str> = missing.iter().map(|made| made.arn.as_str()).collect();
    let message = format!(
        "the emulator lost {}, and the keeper does not restore it",
        arns.join(", ")
    );
    let recipe = missing
        .first()
        .map(|made| made.recipe.as_str())
        .unwrap_or_default();
    Trouble::new(message, fix).about(format!("Recipe {recipe}"))
}

/// What a Recipe has made: the keeper has seen it there.
fn made(recipe: &Recipe) -> Vec<Made> {
    let resources = recipe.status.iter().flat_map(|status| &status.resources);
    resources
        .filter(|resource| resource.state != ResourceState::Missing)
        .map(|resource| Made {
            recipe: recipe.metadata.name.clone().unwrap_or_default(),
            arn: resource.arn.clone(),
            restored: resource.restored,
        })
        .collect()
}

async fn presence(s: &Surroundings<'_>, arn: &str) -> Result<Presence, Trouble> {
    let url = s.emulator().await?;
    if let Ok(wanted) = RoleArn::parse(arn) {
        let found = role(url, &wanted).await;
        let found = found.map_err(|why| Trouble::new(why, s.session.command("doctor --only emu-*")))?;
        // One of the same name below another path is not the role.
        let same = found.is_some_and(|found| found.arn == arn);
        return Ok(if same { Presence::There } else { Presence::Gone });
    }
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    if let ["arn", _, "kms", region, account, _] = parts[..] {
        return Ok(key_presence(&kms(url, region, of_account(account)), arn).await?);
    }
    // The Recipe's conditions report those of other kinds.
    Ok(Presence::There)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_never_made_is_not_lost() {
        let mut recipe: Recipe = serde_json::from_value(json!({
            "apiVersion": "irsa-emu.dev/v1alpha1", "kind": "Recipe", "metadata": {"name": "r"},
            "spec": {"account": "123456789012", "region": "us-east-1"},
        }))
        .unwrap();
        assert!(made(&recipe).is_empty());
        recipe.status = serde_json::from_value(json!({"resources": [
            {"arn": "a", "state": "Present", "restored": 2},
            {"arn": "b", "state": "Missing", "restored": 0},
            {"arn": "c", "state": "Lost", "restored": 0},
        ]}))
        .unwrap();
        let arns: Vec<String> = made(&recipe).into_iter().map(|made| made.arn).collect();
        assert_eq!(arns, ["a", "c"]);
    }

    #[test]
    fn what_is_lost_is_named_with_its_recipe() {
        let made = Made {
            recipe: "r".into(),
            arn: "arn:x".into(),
            restored: 0,
        };
        let trouble = judge(&[&made], "look".into());
        assert!(trouble.message.contains("lost arn:x"));
        assert_eq!(trouble.object.as_deref(), Some("Recipe r"));
    }
}
