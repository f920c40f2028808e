//! The next status of a Recipe, out of the last one and what was seen. Decides only.

use std::collections::BTreeMap;

use irsa_emu_core::recipe::{Condition, Recipe, RecipeSpec, RecipeStatus, ResourceState, ResourceStatus};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::outcome::{Kept, Presence, RecipeState, ResourceOutcome};

/// What to write down.
pub(super) fn next(
    recipe: &Recipe,
    seen: &RecipeState,
    emulator_url: Option<&str>,
    now: OffsetDateTime,
) -> RecipeStatus {
    let last = recipe.status.clone().unwrap_or_default();
    let (resources, ready, reason, message) = match seen {
        RecipeState::Invalid(problem) => (last.resources.clone(), false, "Invalid", problem.clone()),
        RecipeState::NotMade => (
            Vec::new(),
            false,
            "RealAws",
            "the backend is real AWS, where irsa-emu creates nothing: create the resources with your own tools"
                .to_owned(),
        ),
        RecipeState::Kept(kept) => {
            let resources = kept.iter().map(|kept| resource(&last, kept)).collect();
            match kept.iter().find_map(failure) {
                Some(why) => (resources, false, "Failed", why),
                None => (
                    resources,
                    true,
                    "Kept",
                    format!("{} resources are in place", kept.len()),
                ),
            }
        }
    };
    RecipeStatus {
        observed_generation: recipe.metadata.generation.unwrap_or_default(),
        conditions: vec![condition(&last, ready, reason, message, now)],
        resources,
        outputs: outputs(&recipe.spec, emulator_url),
    }
}

fn failure(kept: &Kept) -> Option<String> {
    let why = kept.outcome.failure()?;
    Some(format!("{}: {why}", kept.arn))
}

/// A resource that was there, was gone, and is there again is restored, whoever made it: an attempt of ours whose
/// response got lost, or the STS front, which makes roles that Pods ask for.
fn resource(last: &RecipeStatus, kept: &Kept) -> ResourceStatus {
    let before = last.resources.iter().find(|resource| resource.arn == kept.arn);
    let (was, restored) = before.map_or((ResourceState::Missing, 0), |resource| {
        (resource.state, resource.restored)
    });
    let state = match (kept.outcome.presence(), was) {
        (Presence::Found | Presence::Made, _) => ResourceState::Present,
        (Presence::Absent, ResourceState::Missing) => ResourceState::Missing,
        (Presence::Absent, _) => ResourceState::Lost,
        // While the emulator is away a resource keeps its former state: otherwise its restoration could not be reported.
        (Presence::Unknown, was) => was,
    };
    let came_back = match was {
        ResourceState::Missing => false,
        ResourceState::Present => kept.outcome.presence() == Presence::Made,
        ResourceState::Lost => state == ResourceState::Present,
    };
    ResourceStatus {
        arn: kept.arn.clone(),
        state,
        restored: restored + i64::from(came_back),
        made_instead: match &kept.outcome {
            ResourceOutcome::Instead { id, .. } => Some(id.clone()),
            // While the emulator is away, what it made stays made.
            ResourceOutcome::Failed {
                presence: Presence::Unknown,
                ..
            } => before.and_then(|resource| resource.made_instead.clone()),
            ResourceOutcome::Found | ResourceOutcome::Made | ResourceOutcome::Failed { .. } => None,
        },
    }
}

fn condition(
    last: &RecipeStatus,
    ready: bool,
    reason: &str,
    message: String,
    now: OffsetDateTime,
) -> Condition {
    let status = if ready { "True" } else { "False" };
    let before = last
        .conditions
        .iter()
        .find(|condition| condition.r#type == "Ready");
    let last_transition_time = match before {
        Some(before) if before.status == status => before.last_transition_time.clone(),
        _ => now
            .replace_nanosecond(0)
            .unwrap_or(now)
            .format(&Rfc3339)
            .unwrap_or_default(),
    };
    Condition {
        r#type: "Ready".to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time,
    }
}

/// The status as a merge patch: entries of `outputs` that are no more are null in it, or they would stay.
pub(super) fn merge_patch(last: Option<&RecipeStatus>, next: &RecipeStatus) -> Value {
    let mut patch = json!(next);
    for name in last
        .iter()
        .flat_map(|last| last.outputs.keys())
        .filter(|name| !next.outputs.contains_key(*name))
    {
        patch["outputs"][name] = Value::Null;
    }
    patch
}

/// Values that users and apps want. The second key or role has a number behind its name.
fn outputs(spec: &RecipeSpec, emulator_url: Option<&str>) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::from([
        ("account".to_owned(), spec.account.clone()),
        ("region".to_owned(), spec.region.clone()),
    ]);
    if let Some(url) = emulator_url {
        outputs.insert("endpoint".to_owned(), url.to_owned());
    }
    let numbered = |name: &str, index: usize| {
        if index == 0 {
            name.to_owned()
        } else {
            format!("{name}{}", index + 1)
        }
    };
    for (index, key) in spec.kms.keys.iter().enumerate() {
        outputs.insert(numbered("kmsKeyId", index), key.id.clone());
        outputs.insert(numbered("kmsKeyArn", index), spec.key_arn(key));
    }
    for (index, role) in spec.iam.roles.iter().enumerate() {
        if let Ok(arn) = spec.role_arn(role) {
            outputs.insert(numbered("roleArn", index), arn.to_string());
        }
    }
    outputs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(status: Option<RecipeStatus>) -> Recipe {
        let spec = serde_json::from_value(serde_json::json!({
            "account": "123456789012", "region": "us-east-1",
            "kms": {"keys": [{"id": "f4f7a2e2-c5c6-ea6d-dc42-526ef280e794"}, {"id": "f4f7a2e2-c5c6-ea6d-dc42-526ef280e795"}]},
        }));
        let mut recipe = Recipe::new("r", spec.unwrap());
        recipe.metadata.generation = Some(3);
        recipe.status = status;
        recipe
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    }

    fn seen(outcome: ResourceOutcome) -> RecipeState {
        RecipeState::Kept(vec![Kept {
            arn: "arn:k".into(),
            outcome,
        }])
    }

    fn after(outcomes: Vec<ResourceOutcome>) -> RecipeStatus {
        let mut status = None;
        for (time, outcome) in outcomes.into_iter().enumerate() {
            status = Some(next(
                &recipe(status),
                &seen(outcome),
                Some("http://e"),
                at(i64::try_from(time).unwrap()),
            ));
        }
        status.unwrap()
    }

    #[test]
    fn only_what_was_there_before_counts_as_restored() {
        let failed = || ResourceOutcome::unseen("away".into());
        assert_eq!(after(vec![ResourceOutcome::Made]).resources[0].restored, 0);
        assert_eq!(
            after(vec![failed(), ResourceOutcome::Made]).resources[0].restored,
            0
        );
        assert_eq!(
            after(vec![ResourceOutcome::Made, ResourceOutcome::Found]).resources[0].restored,
            0
        );
        assert_eq!(
            after(vec![ResourceOutcome::Found, ResourceOutcome::Made]).resources[0].restored,
            1
        );
        assert_eq!(
            after(vec![
                ResourceOutcome::Made,
                failed(),
                failed(),
                ResourceOutcome::Made,
                ResourceOutcome::Made
            ])
            .resources[0]
                .restored,
            2
        );
    }

    #[test]
    fn a_key_that_was_made_before_its_alias_failed_counts_as_restored() {
        let half = ResourceOutcome::Failed {
            why: "CreateAlias".into(),
            presence: Presence::Made,
        };
        assert_eq!(
            after(vec![ResourceOutcome::Made, half, ResourceOutcome::Found]).resources[0].restored,
            1
        );
    }

    #[test]
    fn a_resource_that_came_back_by_a_call_whose_answer_was_lost_counts_as_restored_once() {
        let lost = || ResourceOutcome::absent("CreateKey: no answer".into());
        let status = after(vec![ResourceOutcome::Made, lost(), lost()]);
        assert_eq!(
            (status.resources[0].state, status.resources[0].restored),
            (ResourceState::Lost, 0)
        );
        for back in [ResourceOutcome::Found, ResourceOutcome::Made] {
            let status = after(vec![
                ResourceOutcome::Made,
                lost(),
                ResourceOutcome::unseen("away".into()),
                back,
                ResourceOutcome::Found,
            ]);
            assert_eq!(
                (status.resources[0].state, status.resources[0].restored),
                (ResourceState::Present, 1)
            );
        }
    }

    #[test]
    fn a_resource_that_was_never_there_is_missing_and_not_lost() {
        let status = after(vec![ResourceOutcome::absent("CreateKey".into())]);
        assert_eq!(status.resources[0].state, ResourceState::Missing);
        let status = after(vec![
            ResourceOutcome::absent("CreateKey".into()),
            ResourceOutcome::Found,
        ]);
        assert_eq!(status.resources[0].restored, 0);
    }

    #[test]
    fn outputs_that_are_no_more_are_taken_away() {
        let next = after(vec![ResourceOutcome::Found]);
        let mut last = next.clone();
        last.outputs.insert("kmsKeyId3".into(), "x".into());
        let patch = merge_patch(Some(&last), &next);
        assert_eq!(patch["outputs"].get("kmsKeyId3"), Some(&Value::Null));
        assert_eq!(patch["outputs"]["kmsKeyId2"], next.outputs["kmsKeyId2"].as_str());
    }

    #[test]
    fn ready_turns_with_the_resources_and_its_time_only_on_a_turn() {
        let kept = after(vec![ResourceOutcome::Made, ResourceOutcome::Found]);
        assert!(kept.is_ready(3));
        assert_eq!(kept.conditions[0].last_transition_time, "1970-01-01T00:00:00Z");
        let lost = after(vec![
            ResourceOutcome::Made,
            ResourceOutcome::Found,
            ResourceOutcome::unseen("away".into()),
        ]);
        assert!(!lost.is_ready(3));
        assert_eq!(
            (lost.conditions[0].last_transition_time.as_str(), lost.message()),
            ("1970-01-01T00:00:02Z", Some("arn:k: away"))
        );
    }

    #[test]
    fn a_recipe_that_cannot_be_used_says_why() {
        let status = next(
            &recipe(None),
            &RecipeState::Invalid("spec.account is wrong".into()),
            Some("http://e"),
            at(0),
        );
        assert_eq!(
            (status.conditions[0].reason.as_str(), status.message()),
            ("Invalid", Some("spec.account is wrong"))
        );
    }

    #[test]
    fn outputs_number_what_there_is_more_than_one_of() {
        let status = next(
            &recipe(None),
            &seen(ResourceOutcome::Found),
            Some("http://e"),
            at(0),
        );
        assert_eq!(
            status.outputs["kmsKeyId2"],
            "f4f7a2e2-c5c6-ea6d-dc42-526ef280e795"
        );
        assert_eq!(status.outputs["endpoint"], "http://e");
    }

    #[test]
    fn against_real_aws_nothing_is_ready_and_nothing_is_promised() {
        let status = next(&recipe(None), &RecipeState::NotMade, None, at(0));
        assert!(!status.is_ready(3));
        assert_eq!(status.conditions[0].reason, "RealAws");
        assert!(status.resources.is_empty());
        assert_eq!(status.outputs.get("endpoint"), None);
    }
}
