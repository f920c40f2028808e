//! Where a Recipe goes in a cluster that has others: under which name, and what it would take away from them.

use irsa_emu_core::recipe::{Recipe, RecipeSpec, conflicts, served};

use super::wiring;

/// The place of a Recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The name under which it is applied.
    pub name: String,
    /// What it would take away.
    pub taken: Vec<Taken>,
}

/// What a Recipe would take away from another app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The Recipe of the other app.
    pub from: String,
    /// What of it.
    pub what: String,
}

/// Finds the place of a Recipe among those that are there. `plain` is the name that Recipes of its kind had before their name
/// named the app; one that serves the same app keeps it, so that no two Recipes hold the same resources.
#[must_use]
pub fn place(wanted: &Recipe, plain: Option<&str>, there: &[Recipe]) -> Place {
    let own = name_of(wanted);
    let find = |name: &str| there.iter().find(|recipe| name_of(recipe) == name);
    let old = plain.and_then(find);
    let adopted = old.filter(|old| find(own).is_none() && is_of_one_app(&old.spec, &wanted.spec));
    let name = adopted.map_or(own, name_of);
    let mut taken: Vec<Taken> = find(name)
        .and_then(|before| lost(before, wanted))
        .into_iter()
        .collect();
    let others = there.iter().filter(|recipe| name_of(recipe) != name);
    let others = others.map(|recipe| (name_of(recipe), &recipe.spec));
    taken.extend(conflicts(&wanted.spec, others).into_iter().map(|conflict| Taken {
        from: conflict.recipe,
        what: format!("{} (differs: {})", conflict.arn, conflict.differs),
    }));
    Place {
        name: name.to_owned(),
        taken,
    }
}

/// What would no longer be kept if a Recipe took the place of one of the same name that is of another app.
fn lost(before: &Recipe, wanted: &Recipe) -> Option<Taken> {
    if is_of_one_app(&before.spec, &wanted.spec) {
        return None;
    }
    let kept = wiring::made(&wanted.spec);
    let gone: Vec<String> = wiring::made(&before.spec)
        .into_iter()
        .filter(|made| kept.iter().all(|kept| kept.arn != made.arn))
        .map(|made| made.arn)
        .collect();
    let apps: Vec<String> = served(&before.spec).into_iter().collect();
    (!gone.is_empty()).then(|| Taken {
        from: name_of(before).to_owned(),
        what: format!("{}, which it keeps for {}", gone.join(", "), apps.join(", ")),
    })
}

/// Whether two Recipes serve a ServiceAccount in common. One that names none is taken for any.
fn is_of_one_app(one: &RecipeSpec, other: &RecipeSpec) -> bool {
    let (one, other) = (served(one), served(other));
    one.is_empty() || other.is_empty() || !one.is_disjoint(&other)
}

fn name_of(recipe: &Recipe) -> &str {
    recipe.metadata.name.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "11111111-2222-4333-8444-555555555555";
    const OTHER: &str = "99999999-2222-4333-8444-555555555555";

    fn recipe(name: &str, key: &str, role: &str, account: &str) -> Recipe {
        serde_json::from_value(json!({
            "apiVersion": "irsa-emu.dev/v1alpha1", "kind": "Recipe", "metadata": {"name": name},
            "spec": {"account": "123456789012", "region": "us-east-1",
                "kms": {"keys": [{"id": key}]}, "iam": {"roles": [{"name": role, "serviceAccounts": [account]}]}},
        }))
        .unwrap()
    }

    fn placed(wanted: &Recipe, there: &[Recipe]) -> (String, Vec<String>) {
        let Place { name, taken } = place(wanted, Some("vault"), there);
        (
            name,
            taken
                .into_iter()
                .map(|taken| format!("{}: {}", taken.from, taken.what))
                .collect(),
        )
    }

    #[test]
    fn two_apps_with_keys_and_roles_of_their_own_are_side_by_side() {
        let first = recipe("vault", KEY, "a", "one/vault");
        let second = recipe("vault-two-vault", OTHER, "b", "two/vault");
        assert_eq!(placed(&second, &[first]), ("vault-two-vault".into(), vec![]));
    }

    #[test]
    fn a_recipe_of_the_old_name_is_kept_up_where_it_serves_the_same_app() {
        let old = recipe("vault", KEY, "a", "one/vault");
        for wanted in [
            recipe("vault-one-vault", KEY, "a", "one/vault"),
            // Another key of the same app is a change of it, no second app.
            recipe("vault-one-vault", OTHER, "a", "one/vault"),
        ] {
            assert_eq!(
                placed(&wanted, std::slice::from_ref(&old)),
                ("vault".into(), vec![])
            );
        }
        let wanted = recipe("vault-one-vault", KEY, "a", "one/vault");
        let both = [old, wanted.clone()];
        assert_eq!(placed(&wanted, &both), ("vault-one-vault".into(), vec![]));
    }

    #[test]
    fn a_recipe_of_the_same_name_and_another_app_is_not_replaced() {
        let before = recipe("mine", KEY, "a", "one/vault");
        let wanted = recipe("mine", OTHER, "b", "two/vault");
        let (name, taken) = placed(&wanted, std::slice::from_ref(&before));
        assert_eq!(name, "mine");
        assert_eq!(
            taken,
            [format!(
                "mine: arn:aws:kms:us-east-1:123456789012:key/{KEY}, arn:aws:iam::123456789012:role/a, which it keeps for one/vault"
            )]
        );
        // The same app with another key is changed.
        let changed = recipe("mine", OTHER, "a", "one/vault");
        assert_eq!(
            placed(&changed, std::slice::from_ref(&before)).1,
            Vec::<String>::new()
        );
        // Another app with the same resources takes nothing away.
        let moved = recipe("mine", KEY, "a", "two/vault");
        assert_eq!(placed(&moved, &[before]).1, Vec::<String>::new());
    }

    #[test]
    fn a_role_that_another_recipe_has_with_another_trust_policy_is_not_taken() {
        let other = recipe("vault", KEY, "a", "one/vault");
        let wanted = recipe("vault-two-vault", KEY, "a", "two/vault");
        let (name, taken) = placed(&wanted, &[other]);
        assert_eq!(name, "vault-two-vault");
        assert_eq!(
            taken,
            ["vault: arn:aws:iam::123456789012:role/a (differs: the trust policy)"]
        );
    }

    #[test]
    fn what_two_recipes_agree_about_both_may_name() {
        let mut other = recipe("other", KEY, "a", "one/vault");
        other.spec.iam.roles.clear();
        let wanted = recipe("mine", KEY, "a", "two/vault");
        assert_eq!(placed(&wanted, &[other]), ("mine".into(), vec![]));
    }
}
