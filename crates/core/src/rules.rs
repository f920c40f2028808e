//! Injection rules: what Recipes add for the Pods they name, and which delivery serves a Pod.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::choice::Choice;
use crate::contract::DELIVERY;
use crate::recipe::{DeliveryMode, InjectRule, Recipe};

/// How a Pod gets its credentials.
pub type Delivery = DeliveryMode;

/// What the rules of all Recipes add up to for one ServiceAccount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RuleEffect {
    /// The delivery that a rule asks for.
    pub delivery: Option<Delivery>,
    /// Whether a rule asks for the shared credentials file.
    pub credentials_file: bool,
    /// The region of the Recipe that a rule belongs to.
    pub region: Option<String>,
    /// Environment variables to add where the container does not set them, in name order.
    pub env: BTreeMap<String, String>,
}

/// The rules of one Recipe, with the region of its resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeRules {
    /// Name of the Recipe; rules apply in the order of these names.
    pub recipe: String,
    /// Region of the Recipe.
    pub region: Option<String>,
    /// Its rules.
    pub rules: Vec<InjectRule>,
}

impl From<&Recipe> for RecipeRules {
    fn from(recipe: &Recipe) -> Self {
        Self {
            recipe: recipe.metadata.name.clone().unwrap_or_default(),
            region: Some(recipe.spec.region.clone()),
            rules: recipe.spec.inject.clone(),
        }
    }
}

/// What stands for the emulator's URL in a rule's values.
const EMULATOR: &str = "{emulator}";

/// The rules that match a ServiceAccount, in the order of their Recipes' names.
fn matching<'a>(
    recipes: &'a [RecipeRules],
    namespace: &str,
    service_account: &str,
    role: Option<&str>,
) -> Vec<(&'a RecipeRules, &'a InjectRule)> {
    let all = recipes
        .iter()
        .flat_map(|recipe| recipe.rules.iter().map(move |rule| (recipe, rule)));
    // Most ServiceAccounts have none, and most Pods pay for no more than this look.
    let mut matching: Vec<(&RecipeRules, &InjectRule)> = all
        .filter(|(_, rule)| rule.r#match.covers(namespace, service_account, role))
        .collect();
    matching.sort_by(|(a, _), (b, _)| a.recipe.cmp(&b.recipe));
    matching
}

/// A rule's value with the emulator's URL in it; `None` where it speaks of an emulator that is not there.
fn filled(value: &str, emulator_url: Option<&str>) -> Option<String> {
    match emulator_url {
        Some(url) => Some(value.replace(EMULATOR, url)),
        None => (!value.contains(EMULATOR)).then(|| value.to_owned()),
    }
}

/// Adds up the rules that match a ServiceAccount to which a role is granted. Of two rules that disagree, the Recipe whose name comes first wins.
/// Values that speak of the emulator get its URL; where there is none, they are left out.
#[must_use]
pub fn effect_of(
    recipes: &[RecipeRules],
    namespace: &str,
    service_account: &str,
    role: Option<&str>,
    emulator_url: Option<&str>,
) -> RuleEffect {
    let mut effect = RuleEffect::default();
    for (recipe, rule) in matching(recipes, namespace, service_account, role) {
        effect.delivery = effect.delivery.or(rule.delivery);
        effect.credentials_file |= rule.credentials_file;
        effect.region = effect.region.or_else(|| recipe.region.clone());
        for (name, value) in &rule.env {
            if let Some(value) = filled(value, emulator_url) {
                effect.env.entry(name.clone()).or_insert(value);
            }
        }
    }
    effect
}

/// Which Recipes an effect comes from. Beside [`RuleEffect`] and not in it: who asked shapes no Pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleSources {
    /// The Recipe that asks for the delivery.
    pub delivery: Option<String>,
    /// The Recipe whose region it is.
    pub region: Option<String>,
    /// The Recipe of each environment variable.
    pub env: BTreeMap<String, String>,
}

/// Names for everything in [`effect_of`] the Recipe that it comes from.
#[must_use]
pub fn sources_of(
    recipes: &[RecipeRules],
    namespace: &str,
    service_account: &str,
    role: Option<&str>,
    emulator_url: Option<&str>,
) -> RuleSources {
    let matching = matching(recipes, namespace, service_account, role);
    let first = |speaks: &dyn Fn(&RecipeRules, &InjectRule) -> bool| {
        let found = matching.iter().find(|(recipe, rule)| speaks(recipe, rule));
        found.map(|(recipe, _)| recipe.recipe.clone())
    };
    let mut env = BTreeMap::new();
    for (recipe, rule) in &matching {
        for (name, value) in &rule.env {
            if filled(value, emulator_url).is_some() {
                env.entry(name.clone()).or_insert_with(|| recipe.recipe.clone());
            }
        }
    }
    RuleSources {
        delivery: first(&|_, rule| rule.delivery.is_some()),
        region: first(&|recipe, _| recipe.region.is_some()),
        env,
    }
}

/// Who chose a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliverySource {
    /// The Pod's annotation.
    Pod,
    /// The ServiceAccount's annotation.
    ServiceAccount,
    /// A Recipe's rule.
    Rule,
    /// The Namespace's label.
    Namespace,
    /// Nobody: it is the install's default.
    Default,
}

/// A delivery, chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryChoice {
    /// The delivery.
    pub delivery: Delivery,
    /// Who chose it.
    pub source: DeliverySource,
    /// Values of stronger annotations that are no delivery.
    pub unknown: Option<String>,
}

/// Chooses the delivery: Pod annotation, ServiceAccount annotation, rule, Namespace label, default. The first that
/// speaks wins; a value that is not a delivery does not speak, and comes back beside the choice so that it can be reported.
#[must_use]
pub fn choose_delivery(sources: &DeliverySources<'_>) -> DeliveryChoice {
    let mut unknown = None;
    let annotations = [
        (DeliverySource::Pod, sources.pod),
        (DeliverySource::ServiceAccount, sources.service_account),
    ];
    for (source, text) in annotations {
        let Some(text) = text else { continue };
        match Delivery::parse(text) {
            Some(delivery) => {
                return DeliveryChoice {
                    delivery,
                    source,
                    unknown,
                };
            }
            None => unknown = unknown.or_else(|| Some(text.to_owned())),
        }
    }
    let label = sources.namespace_label.and_then(Delivery::parse);
    let (delivery, source) = match (sources.rule, label) {
        (Some(delivery), _) => (delivery, DeliverySource::Rule),
        (None, Some(delivery)) => (delivery, DeliverySource::Namespace),
        (None, None) => (sources.default, DeliverySource::Default),
    };
    DeliveryChoice {
        delivery,
        source,
        unknown,
    }
}

/// What may speak for a delivery, strongest first.
#[derive(Debug, Clone, Copy)]
pub struct DeliverySources<'a> {
    /// The Pod's annotation.
    pub pod: Option<&'a str>,
    /// The ServiceAccount's annotation.
    pub service_account: Option<&'a str>,
    /// What a Recipe's rule asks for.
    pub rule: Option<Delivery>,
    /// The Namespace's label.
    pub namespace_label: Option<&'a str>,
    /// The install's default.
    pub default: Delivery,
}

/// The annotation of a Pod or ServiceAccount that speaks for a delivery.
#[must_use]
pub fn delivery_annotation(annotations: &BTreeMap<String, String>) -> Option<&str> {
    annotations.get(DELIVERY).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::RuleMatch;

    const EMULATOR_URL: Option<&str> = Some("http://emulator:4566");

    fn rule(
        namespace: &str,
        service_account: &str,
        delivery: Option<Delivery>,
        env: &[(&str, &str)],
    ) -> InjectRule {
        InjectRule {
            r#match: RuleMatch {
                namespace: namespace.into(),
                service_account: Some(service_account.into()),
                role: None,
            },
            delivery,
            credentials_file: false,
            env: env.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        }
    }

    fn recipe(name: &str, region: &str, rules: Vec<InjectRule>) -> RecipeRules {
        RecipeRules {
            recipe: name.into(),
            region: Some(region.into()),
            rules,
        }
    }

    #[test]
    fn a_rule_speaks_only_for_the_service_account_it_names() {
        let recipes = [recipe(
            "a",
            "eu-west-1",
            vec![rule(
                "vault",
                "vault",
                Some(Delivery::Sidecar),
                &[("X", "{emulator}/x")],
            )],
        )];
        assert_eq!(
            effect_of(&recipes, "vault", "other", None, EMULATOR_URL),
            RuleEffect::default()
        );
        assert_eq!(
            effect_of(&recipes, "other", "vault", None, EMULATOR_URL),
            RuleEffect::default()
        );
        let effect = effect_of(&recipes, "vault", "vault", None, EMULATOR_URL);
        assert_eq!(effect.delivery, Some(Delivery::Sidecar));
        assert_eq!(effect.region.as_deref(), Some("eu-west-1"));
        assert_eq!(effect.env["X"], "http://emulator:4566/x");
    }

    #[test]
    fn where_there_is_no_emulator_its_variables_are_left_out() {
        let env = [("X", "{emulator}/x"), ("Y", "y")];
        let recipes = [recipe("a", "eu-west-1", vec![rule("n", "s", None, &env)])];
        let effect = effect_of(&recipes, "n", "s", None, None);
        assert_eq!(effect.env, BTreeMap::from([("Y".to_owned(), "y".to_owned())]));
    }

    #[test]
    fn of_two_recipes_the_first_by_name_wins_whatever_their_order() {
        let first = recipe(
            "a",
            "eu-west-1",
            vec![rule("n", "s", Some(Delivery::Sidecar), &[("X", "1")])],
        );
        let second = recipe(
            "b",
            "us-east-1",
            vec![rule(
                "n",
                "s",
                Some(Delivery::WebIdentity),
                &[("X", "2"), ("Y", "2")],
            )],
        );
        let effect = effect_of(&[second.clone(), first.clone()], "n", "s", None, EMULATOR_URL);
        assert_eq!(effect, effect_of(&[first, second], "n", "s", None, EMULATOR_URL));
        assert_eq!(
            (effect.delivery, effect.region.as_deref()),
            (Some(Delivery::Sidecar), Some("eu-west-1"))
        );
        assert_eq!((effect.env["X"].as_str(), effect.env["Y"].as_str()), ("1", "2"));
    }

    #[test]
    fn a_rule_by_role_speaks_for_every_service_account_that_is_granted_it() {
        const ROLE: &str = "arn:aws:iam::123456789012:role/Vault";
        let mut by_role = rule("vault", "", Some(Delivery::Sidecar), &[("X", "1")]);
        by_role.r#match.service_account = None;
        by_role.r#match.role = Some(ROLE.into());
        let recipes = [recipe("a", "eu-west-1", vec![by_role])];
        let effect = |namespace, account, role| effect_of(&recipes, namespace, account, role, EMULATOR_URL);
        for account in ["vault", "my-release-vault"] {
            assert_eq!(
                effect("vault", account, Some(ROLE)).delivery,
                Some(Delivery::Sidecar)
            );
            assert_eq!(
                sources_of(&recipes, "vault", account, Some(ROLE), EMULATOR_URL)
                    .delivery
                    .as_deref(),
                Some("a")
            );
        }
        for (namespace, role) in [("vault", None), ("vault", Some("other")), ("other", Some(ROLE))] {
            assert_eq!(
                effect(namespace, "vault", role),
                RuleEffect::default(),
                "{namespace} {role:?}"
            );
        }
    }

    #[test]
    fn every_part_of_an_effect_has_the_recipe_that_asked_for_it() {
        let mut silent = recipe("a", "x", vec![rule("n", "s", None, &[("X", "1")])]);
        silent.region = None;
        let speaking = recipe(
            "b",
            "us-east-1",
            vec![rule("n", "s", Some(Delivery::Sidecar), &[("X", "2"), ("Y", "2")])],
        );
        let sources = sources_of(&[speaking, silent], "n", "s", None, EMULATOR_URL);
        assert_eq!(sources.delivery.as_deref(), Some("b"));
        assert_eq!(sources.region.as_deref(), Some("b"));
        assert_eq!((sources.env["X"].as_str(), sources.env["Y"].as_str()), ("a", "b"));
        assert_eq!(sources_of(&[], "n", "s", None, None), RuleSources::default());
    }

    #[test]
    fn the_first_source_that_speaks_chooses_the_delivery() {
        use DeliverySource as Source;
        let silent = DeliverySources {
            pod: None,
            service_account: None,
            rule: None,
            namespace_label: None,
            default: Delivery::WebIdentity,
        };
        let chosen = |sources: &DeliverySources<'_>| {
            let choice = choose_delivery(sources);
            (choice.delivery, choice.source, choice.unknown)
        };
        assert_eq!(chosen(&silent), (Delivery::WebIdentity, Source::Default, None));
        let labelled = DeliverySources {
            namespace_label: Some("sidecar"),
            ..silent
        };
        assert_eq!(chosen(&labelled), (Delivery::Sidecar, Source::Namespace, None));
        let ruled = DeliverySources {
            rule: Some(Delivery::WebIdentity),
            ..labelled
        };
        assert_eq!(chosen(&ruled), (Delivery::WebIdentity, Source::Rule, None));
        let annotated = DeliverySources {
            service_account: Some("sidecar"),
            ..ruled
        };
        assert_eq!(
            chosen(&annotated),
            (Delivery::Sidecar, Source::ServiceAccount, None)
        );
        let typo = DeliverySources {
            pod: Some("side-car"),
            ..annotated
        };
        assert_eq!(
            chosen(&typo),
            (Delivery::Sidecar, Source::ServiceAccount, Some("side-car".into()))
        );
        let own = DeliverySources {
            pod: Some("web-identity"),
            ..annotated
        };
        assert_eq!(chosen(&own), (Delivery::WebIdentity, Source::Pod, None));
    }
}
