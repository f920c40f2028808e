//! Two Recipes that want one resource to be two things: the older one has it, and the younger one's status names the other.
//! Without that, each look would change the resource and change it back.

use std::borrow::Cow;
use std::sync::Arc;

use irsa_emu_core::recipe::{Conflict, KmsKey, Recipe, RecipeSpec, conflicts};

/// The Recipes, the oldest first.
pub(super) fn in_order(mut recipes: Vec<Arc<Recipe>>) -> Vec<Arc<Recipe>> {
    recipes.sort_by(|a, b| {
        let age = |recipe: &Recipe| {
            let metadata = &recipe.metadata;
            (metadata.creation_timestamp.clone(), metadata.name.clone())
        };
        age(a).cmp(&age(b))
    });
    recipes
}

/// What of a Recipe an older one has. An older one that cannot be used has nothing.
pub(super) fn taken(recipe: &Recipe, older: &[Arc<Recipe>]) -> Vec<Conflict> {
    let sound = older.iter().filter(|older| older.spec.check().is_ok());
    let named = sound.map(|older| (older.metadata.name.as_deref().unwrap_or_default(), &older.spec));
    conflicts(&recipe.spec, named)
}

/// Why a resource is not kept, for the status.
pub(super) fn why(conflict: &Conflict) -> String {
    format!(
        "the Recipe {} is older and has it with another content ({}); change or delete one of the two Recipes",
        conflict.recipe, conflict.differs
    )
}

/// A key without the aliases that point to another key in an older Recipe, and why they are left out.
pub(super) fn without_taken_aliases<'a>(
    spec: &RecipeSpec,
    key: &'a KmsKey,
    taken: &[Conflict],
) -> (Cow<'a, KmsKey>, Option<String>) {
    let conflict = |alias: &String| {
        let arn = spec.alias_arn(key, alias);
        taken.iter().find(move |conflict| conflict.arn == arn)
    };
    let Some((alias, first)) = key
        .aliases
        .iter()
        .find_map(|alias| Some((alias, conflict(alias)?)))
    else {
        return (Cow::Borrowed(key), None);
    };
    let mut left = key.clone();
    left.aliases.retain(|alias| conflict(alias).is_none());
    (Cow::Owned(left), Some(format!("{alias}: {}", why(first))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn recipe(name: &str, made: &str, key: &str, account: &str) -> Arc<Recipe> {
        let recipe = json!({
            "apiVersion": "irsa-emu.dev/v1alpha1", "kind": "Recipe",
            "metadata": {"name": name, "creationTimestamp": made},
            "spec": {"account": "123456789012", "region": "us-east-1",
                "kms": {"keys": [{"id": key, "aliases": ["alias/a", format!("alias/{name}")]}]},
                "iam": {"roles": [{"name": "r", "serviceAccounts": [account]}]}},
        });
        Arc::new(serde_json::from_value(recipe).unwrap())
    }

    const KEY: &str = "11111111-2222-4333-8444-555555555555";
    const OTHER: &str = "99999999-2222-4333-8444-555555555555";

    #[test]
    fn the_older_recipe_has_what_two_want_and_the_younger_one_names_it() {
        let young = recipe("young", "2026-01-02T00:00:00Z", OTHER, "n/b");
        let old = recipe("zold", "2026-01-01T00:00:00Z", KEY, "n/a");
        let ordered = in_order(vec![young, old]);
        let names: Vec<_> = ordered
            .iter()
            .map(|recipe| recipe.metadata.name.as_deref())
            .collect();
        assert_eq!(names, [Some("zold"), Some("young")]);
        assert_eq!(taken(&ordered[0], &ordered[..0]), []);
        let taken = taken(&ordered[1], &ordered[..1]);
        let arns: Vec<&str> = taken.iter().map(|conflict| conflict.arn.as_str()).collect();
        assert_eq!(
            arns,
            [
                "arn:aws:kms:us-east-1:123456789012:alias/a",
                "arn:aws:iam::123456789012:role/r"
            ]
        );
        let spec = &ordered[1].spec;
        let (key, left_out) = without_taken_aliases(spec, &spec.kms.keys[0], &taken);
        assert_eq!(key.aliases, ["alias/young"]);
        assert!(left_out.unwrap().starts_with("alias/a: the Recipe zold is older"));
    }

    #[test]
    fn a_recipe_that_cannot_be_used_takes_nothing_from_others() {
        let mut broken = recipe("b", "2026-01-01T00:00:00Z", KEY, "n/a");
        Arc::make_mut(&mut broken).spec.account = "1".into();
        let young = recipe("a", "2026-01-02T00:00:00Z", OTHER, "n/b");
        assert_eq!(taken(&young, &[broken]), []);
    }
}
