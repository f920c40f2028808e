//! The Recipes of a cluster, and how they stand.

use irsa_emu_core::recipe::Recipe;
use kube::api::ListParams;
use kube::{Api, Client};

/// Lists the Recipes, the oldest first.
pub async fn list(client: &Client) -> Result<Vec<Recipe>, kube::Error> {
    let api = Api::<Recipe>::all(client.clone());
    let mut recipes = match api.list(&ListParams::default()).await {
        Ok(list) => list.items,
        // Without the definition there is no Recipe.
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        Err(error) => return Err(error),
    };
    recipes.sort_by(|a, b| age(a).cmp(&age(b)));
    Ok(recipes)
}

fn age(recipe: &Recipe) -> impl Ord {
    (
        recipe.metadata.creation_timestamp.clone(),
        recipe.metadata.name.clone(),
    )
}

/// How a Recipe stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Whether everything of it is there.
    pub ready: bool,
    /// What the keeper reports about it.
    pub detail: String,
}

/// The state of a Recipe. The keeper's report about an older generation is ignored.
#[must_use]
pub fn state(recipe: &Recipe) -> State {
    let generation = recipe.metadata.generation.unwrap_or_default();
    let status = recipe.status.as_ref();
    let ready = status.is_some_and(|status| status.is_ready(generation));
    let condition = status.and_then(|status| status.conditions.iter().find(|found| found.r#type == "Ready"));
    let detail = match condition {
        None => "not seen by the keeper yet".to_owned(),
        Some(condition) if ready => condition.reason.clone(),
        Some(condition) => format!("{}: {}", condition.reason, condition.message),
    };
    State { ready, detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn given(status: &serde_json::Value) -> Recipe {
        serde_json::from_value(json!({
            "apiVersion": "irsa-emu.dev/v1alpha1", "kind": "Recipe", "metadata": {"name": "r", "generation": 2},
            "spec": {"account": "123456789012", "region": "us-east-1"}, "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_recipe_is_ready_only_for_the_generation_that_was_seen() {
        let condition = json!({"type": "Ready", "status": "True", "reason": "AllPresent", "message": "m",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let seen =
            |generation: i64| given(&json!({"observedGeneration": generation, "conditions": [condition]}));
        assert!(state(&seen(2)).ready);
        assert_eq!(state(&seen(2)).detail, "AllPresent");
        assert!(!state(&seen(1)).ready);
        assert_eq!(state(&given(&json!(null))).detail, "not seen by the keeper yet");
    }
}
