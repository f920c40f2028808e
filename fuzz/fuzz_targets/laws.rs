//! What holds for the plan of any Pod, sensible or not.

use irsa_emu_core::plan::{PlanOutcome, PlanInput, plan_patch};
use irsa_emu_core::pod_view::PodView;
use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::Value;

/// Plans for the Pod, which is read from `pod`, and checks every law; returns what was planned.
pub(crate) fn checked_plan(pod: &Value, input: &PlanInput<'_>) -> PlanOutcome {
    let outcome = plan_patch(input);
    if let PlanOutcome::Patched { patch, .. } = &outcome {
        let operations = read(patch.as_bytes());
        assert_eq!(operations.0.len(), patch.operations());
        let once = grown(pod, &operations);
        let view = PodView::of(&once).expect("a patched Pod can be read");
        let again = plan_patch(&PlanInput { pod: &view, ..*input });
        assert!(
            !matches!(again, PlanOutcome::Patched { .. }),
            "a second plan patches again\npod: {pod}\nonce: {once}\nagain: {again:?}"
        );
    }
    outcome
}

/// What cannot be read from a document cannot be read from its text; and a place is reported, which holds of the document
/// the names of known fields only.
pub(crate) fn checked_view(pod: &Value) -> Option<PodView<'_>> {
    let text = pod.to_string();
    let of_text = serde_json::from_str::<PodView<'_>>(&text);
    match PodView::of(pod) {
        Ok(view) => {
            let of_text = of_text.expect("the text can be read as well");
            assert_eq!(format!("{view:?}"), format!("{of_text:?}"));
            Some(view)
        }
        Err(problem) => {
            assert!(of_text.is_err(), "{problem}: {pod}");
            let sentence = |byte: u8| byte.is_ascii_alphanumeric() || b".[]: ".contains(&byte);
            assert!(problem.bytes().all(sentence), "{problem}");
            assert!(!problem.contains("once"), "no field is there twice: {pod}");
            None
        }
    }
}

pub(crate) fn read(patch: &[u8]) -> Patch {
    serde_json::from_slice(patch).expect("a patch is JSON")
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
