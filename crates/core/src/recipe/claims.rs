//! What a Recipe claims for itself, and where two Recipes want one resource to be two things.
//!
//! Two Recipes may name one key or one role as long as they agree about it. If they do not, keeping both would change the
//! resource back and forth, a few seconds each.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{IamRole, RecipeSpec};

/// A resource that two Recipes want to be different things.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// ARN of the role or of the alias.
    pub arn: String,
    /// The other Recipe.
    pub recipe: String,
    /// In what they differ.
    pub differs: String,
}

/// Everything of a Recipe that contradicts one of the others, each by name.
#[must_use]
pub fn conflicts<'a>(
    own: &RecipeSpec,
    others: impl IntoIterator<Item = (&'a str, &'a RecipeSpec)>,
) -> Vec<Conflict> {
    let mut found = Vec::new();
    for (recipe, other) in others {
        let conflict = |arn: String, differs: String| Conflict {
            arn,
            recipe: recipe.to_owned(),
            differs,
        };
        found.extend(
            aliases(own, other)
                .map(|(arn, target)| conflict(arn, format!("the key, which is {target} there"))),
        );
        found.extend(roles(own, other).map(|(arn, differs)| conflict(arn, differs)));
    }
    found
}

/// Aliases of one account and region that are to point to two keys, each with its key in the other Recipe.
fn aliases<'a>(own: &'a RecipeSpec, other: &'a RecipeSpec) -> impl Iterator<Item = (String, &'a str)> {
    let all = |spec: &'a RecipeSpec| {
        let keys = spec.kms.keys.iter();
        keys.flat_map(move |key| {
            key.aliases
                .iter()
                .map(move |alias| (spec.alias_arn(key, alias), &key.id))
        })
    };
    all(own).filter_map(move |(arn, key)| {
        let (_, target) = all(other).find(|(known, target)| *known == arn && *target != key)?;
        Some((arn, target.as_str()))
    })
}

/// Roles of one account that are to be two things, each with what differs. IAM knows a role by its name alone.
fn roles<'a>(own: &'a RecipeSpec, other: &'a RecipeSpec) -> impl Iterator<Item = (String, String)> {
    let same_account = own.account == other.account && own.partition() == other.partition();
    let mine = own.iam.roles.iter().filter(move |_| same_account);
    mine.filter_map(|role| {
        let theirs = other.iam.roles.iter().find(|theirs| theirs.name == role.name)?;
        let differs = difference(role, theirs)?;
        Some((own.role_arn(role).ok()?.to_string(), differs))
    })
}

fn difference(role: &IamRole, other: &IamRole) -> Option<String> {
    if role.path != other.path {
        return Some(format!("the path, which is {} there", other.path));
    }
    if role.trust_policy != other.trust_policy || trusted(role) != trusted(other) {
        return Some("the trust policy".to_owned());
    }
    let differs = role.policies.iter().find(|policy| {
        let same_name = |found: &&super::InlinePolicy| found.name == policy.name;
        let theirs = other.policies.iter().find(same_name);
        theirs.is_some_and(|theirs| theirs.document != policy.document)
    })?;
    Some(format!("the policy {}", differs.name))
}

/// Whom the trust policy that is made for a role names; nobody if it has one of its own.
fn trusted(role: &IamRole) -> BTreeSet<(&str, &str)> {
    let own = role.trust_policy.as_ref().is_none_or(Value::is_null);
    role.trusted().filter(|_| own).collect()
}

/// The ServiceAccounts that a Recipe serves, as `namespace/name`, and the roles that its rules name, as
/// `namespace/arn:...`. Two Recipes that have one in common are of one app.
#[must_use]
pub fn served(spec: &RecipeSpec) -> BTreeSet<String> {
    let trusted = spec.iam.roles.iter().flat_map(IamRole::trusted);
    let trusted = trusted.map(|(namespace, name)| format!("{namespace}/{name}"));
    let matched = spec.inject.iter().flat_map(|rule| {
        let wanted = &rule.r#match;
        let names = wanted.service_account.iter().chain(&wanted.role);
        names.map(|name| format!("{}/{name}", wanted.namespace))
    });
    trusted.chain(matched).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "11111111-2222-4333-8444-555555555555";
    const OTHER: &str = "99999999-2222-4333-8444-555555555555";

    fn spec(change: impl FnOnce(&mut Value)) -> RecipeSpec {
        let mut spec = json!({
            "account": "123456789012", "region": "us-east-1",
            "kms": {"keys": [{"id": KEY, "aliases": ["alias/a"]}]},
            "iam": {"roles": [{"name": "r", "serviceAccounts": ["n/s"],
                "policies": [{"name": "p", "document": {"Statement": []}}]}]},
            "inject": [{"match": {"namespace": "n", "role": "arn:aws:iam::123456789012:role/r"}}],
        });
        change(&mut spec);
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn what_two_recipes_agree_about_is_no_conflict() {
        for (name, other) in [
            ("the same", spec(|_| {})),
            ("another account", spec(|s| s["account"] = json!("210987654321"))),
            (
                "another alias",
                spec(|s| s["kms"]["keys"][0]["aliases"] = json!(["alias/b"])),
            ),
            (
                "another policy",
                spec(|s| s["iam"]["roles"][0]["policies"][0]["name"] = json!("q")),
            ),
            (
                "another role",
                spec(|s| s["iam"]["roles"][0]["name"] = json!("R")),
            ),
            (
                "another region",
                spec(|s| {
                    s["region"] = json!("eu-west-1");
                    s["kms"]["keys"][0]["id"] = json!(OTHER);
                }),
            ),
            (
                "another region of the key",
                spec(|s| {
                    s["kms"]["keys"][0] = json!({"id": OTHER, "region": "eu-west-1", "aliases": ["alias/a"]});
                }),
            ),
        ] {
            assert_eq!(conflicts(&spec(|_| {}), [("x", &other)]), [], "{name}");
        }
    }

    #[test]
    fn what_cannot_be_kept_twice_is_told_with_the_other_recipe_and_the_difference() {
        let role = "arn:aws:iam::123456789012:role/r";
        let alias = "arn:aws:kms:us-east-1:123456789012:alias/a";
        for (other, arn, differs) in [
            (
                spec(|s| s["kms"]["keys"][0]["id"] = json!(OTHER)),
                alias,
                format!("the key, which is {OTHER} there"),
            ),
            (
                spec(|s| s["iam"]["roles"][0]["serviceAccounts"] = json!(["m/s"])),
                role,
                "the trust policy".into(),
            ),
            (
                spec(|s| s["iam"]["roles"][0]["trustPolicy"] = json!({"Statement": []})),
                role,
                "the trust policy".into(),
            ),
            (
                spec(|s| s["iam"]["roles"][0]["path"] = json!("/x/")),
                role,
                "the path, which is /x/ there".into(),
            ),
            (
                spec(|s| s["iam"]["roles"][0]["policies"][0]["document"] = json!({"Statement": [1]})),
                role,
                "the policy p".into(),
            ),
        ] {
            let expected = Conflict {
                arn: arn.into(),
                recipe: "x".into(),
                differs,
            };
            assert_eq!(conflicts(&spec(|_| {}), [("x", &other)]), [expected]);
        }
    }

    #[test]
    fn a_recipe_serves_whom_its_roles_trust_and_whom_its_rules_match() {
        let found = served(&spec(|s| {
            s["inject"] = json!([
                {"match": {"namespace": "n", "role": "arn:aws:iam::123456789012:role/r"}},
                {"match": {"namespace": "m", "serviceAccount": "t"}}
            ]);
        }));
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, ["m/t", "n/arn:aws:iam::123456789012:role/r", "n/s"]);
    }
}
