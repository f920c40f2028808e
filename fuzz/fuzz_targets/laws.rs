//! What holds for the plan of any Pod, sensible or not.

use irsa_emu_core::plan::{Outcome, PlanInput, plan_patch};
use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::Value;

/// Plans the Pod and checks every law; returns what was planned.
pub(crate) fn checked_plan(input: &PlanInput<'_>) -> Outcome {
    let outcome = plan_patch(input);
    if let Outcome::Patched { patch, .. } = &outcome {
        let once = grown(input.pod, patch);
        let again = plan_patch(&PlanInput { pod: &once, ..*input });
        assert!(
            !matches!(again, Outcome::Patched { .. }),
            "a second plan patches again\npod: {}\nonce: {once}\nagain: {again:?}",
            input.pod
        );
    }
    outcome
}

/// The Pod with the patch, applied one operation at a time: each only adds, and where it sets a member there was none
/// or null, which Kubernetes reads alike. So everything else is as it was.
pub(crate) fn grown(pod: &Value, patch: &Patch) -> Value {
    let mut document = pod.clone();
    for operation in &patch.0 {
        let PatchOperation::Add(AddOperation { path, .. }) = operation else {
            panic!("not an add: {operation}");
        };
        if let Some((parent, last)) = path.split_back()
            && let Some(Value::Object(members)) = parent.resolve(&document).ok()
        {
            let there = members.get(last.decoded().as_ref());
            assert!(
                there.is_none_or(Value::is_null),
                "{path} overwrites {there:?}\npod: {pod}\npatch: {patch}"
            );
        }
        let one = Patch(vec![operation.clone()]);
        if let Err(error) = json_patch::patch(&mut document, &one) {
            panic!("does not apply: {error}\npod: {pod}\npatch: {patch}");
        }
    }
    document
}
