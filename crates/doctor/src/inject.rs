//! Gives manifests what the webhook would give their Pods. Pure: the core decides exactly as it does in the webhook.

use irsa_emu_core::patch::Patch;
use serde_json::{Value, json};

use crate::explain::subject::Subject;
use crate::explain::world::World;
use crate::explain::{Explanation, judge};

/// An object that is a Pod, or makes Pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Injection {
    /// The object with what was added; `None` where the webhook would leave its Pods alone.
    pub changed: Option<Value>,
    /// What was decided, and why: for each of its Pod templates.
    pub decisions: Vec<Decision>,
}

/// What was decided about one Pod template.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Whether something was added.
    pub is_changed: bool,
    /// What was decided, and why.
    pub explanation: Explanation,
}

/// Why a patch of ours cannot be applied. It is our mistake.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// The patch is not one.
    #[error("the patch cannot be read")]
    Unreadable(#[from] serde_json::Error),
    /// The patch does not fit.
    #[error("the patch does not fit the Pod")]
    Unfit(#[from] json_patch::PatchError),
}

/// Looks at an object; `None` for kinds that make no Pods.
pub fn inject(
    object: &Value,
    default_namespace: &str,
    world: &World,
) -> Result<Option<Injection>, InjectError> {
    let mut changed = None;
    let mut decisions = Vec::new();
    for subject in Subject::all_of(object, default_namespace) {
        if subject.kind == "ServiceAccount" {
            return Ok(None);
        }
        let patch = judge::patch(&subject, world);
        if let Some(patch) = &patch {
            let object = changed.get_or_insert_with(|| object.clone());
            apply(object, &subject.template, patch)?;
        }
        decisions.push(Decision {
            is_changed: patch.is_some(),
            explanation: judge::judge(&subject, world),
        });
    }
    Ok((!decisions.is_empty()).then_some(Injection { changed, decisions }))
}

/// Applies a patch to the Pod of an object.
fn apply(object: &mut Value, template: &str, patch: &Patch) -> Result<(), InjectError> {
    let patch: json_patch::Patch = serde_json::from_slice(patch.as_bytes())?;
    if let Some(pod) = object.pointer_mut(template) {
        // A Pod that the API server sends has metadata, and a template needs none.
        if pod["metadata"].is_null() {
            pod["metadata"] = json!({});
        }
        json_patch::patch(pod, &patch)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use irsa_emu_cluster::kubernetes::kinds::{KINDS, SubjectKind};
    use irsa_emu_core::contract::INJECTED;
    use irsa_emu_install::settings::Settings;
    use irsa_emu_install::testing::install;

    use super::*;

    const ROLE: &str = "arn:aws:iam::123456789012:role/app";

    fn world() -> World {
        let mut world = World::offline(Settings::from(&install().settings));
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": "shop",
            "annotations": {"eks.amazonaws.com/role-arn": ROLE}}});
        world.learn(&account, "default").unwrap();
        world
    }

    /// An object of a kind whose Pods run as the ServiceAccount `app`.
    fn object(kind: &SubjectKind) -> Value {
        let mut object = json!({
            "apiVersion": kind.api_version, "kind": kind.name,
            "metadata": {"name": "x", "namespace": "shop"},
        });
        let pod =
            json!({"spec": {"serviceAccountName": "app", "containers": [{"name": "app", "image": "i"}]}});
        let mut at = &mut object;
        for name in kind.template.split('/').filter(|name| !name.is_empty()) {
            at[name] = json!({});
            at = &mut at[name];
        }
        at["spec"] = pod["spec"].clone();
        object
    }

    #[test]
    fn every_kind_that_makes_pods_gets_it_in_its_template() {
        let world = world();
        for kind in &KINDS {
            let before = object(kind);
            let injection = inject(&before, "default", &world).unwrap().unwrap();
            assert_eq!(
                injection.decisions[0].explanation.if_created_now.outcome, "injected",
                "{kind:?}"
            );
            let after = injection.changed.unwrap();
            let pod = after.pointer(kind.template).unwrap();
            assert_eq!(
                pod["metadata"]["annotations"][INJECTED], "web-identity",
                "{kind:?}"
            );
            let env = pod["spec"]["containers"][0]["env"].as_array().unwrap();
            assert!(
                env.iter().any(|variable| variable["value"] == ROLE),
                "{kind:?}: {env:?}"
            );
            if !kind.template.is_empty() {
                assert_eq!(
                    after["metadata"], before["metadata"],
                    "only the template is changed"
                );
                assert!(pod["kind"].is_null(), "{pod}");
            }
        }
    }

    #[test]
    fn what_has_it_already_is_left_alone() {
        let (world, before) = (world(), object(&KINDS[0]));
        let once = inject(&before, "default", &world)
            .unwrap()
            .unwrap()
            .changed
            .unwrap();
        let twice = inject(&once, "default", &world).unwrap().unwrap();
        assert_eq!(twice.changed, None);
    }

    #[test]
    fn what_the_webhook_leaves_alone_is_left_alone_and_says_why() {
        let (mut world, mut object) = (world(), object(&KINDS[2]));
        let reason = |object: &Value, world: &World| {
            let injection = inject(object, "default", world).unwrap().unwrap();
            assert_eq!(injection.changed, None);
            injection.decisions[0].explanation.findings[0].id
        };
        object["spec"]["template"]["spec"]["serviceAccountName"] = json!("other");
        assert_eq!(reason(&object, &world), "no-service-account");
        object["spec"]["template"]["spec"]["serviceAccountName"] = json!("app");
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "shop", "labels": {"irsa-emu.dev/injection": "disabled"}}});
        world.learn(&namespace, "default").unwrap();
        assert_eq!(reason(&object, &world), "namespace-disabled");
    }

    #[test]
    fn kinds_that_make_no_pods_are_nothing_to_it() {
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}});
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x"}});
        for object in [service, account, json!({"kind": "Deployment"}), json!("text")] {
            assert_eq!(inject(&object, "default", &world()).unwrap(), None, "{object}");
        }
    }
}
