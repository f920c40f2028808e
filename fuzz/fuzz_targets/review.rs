//! Any bytes as the body of a request: there is a response, it is for this review, and its patch fits the object.
#![no_main]

mod laws;
mod mutate;
// The file itself, as the webhook is a program and no library: what is fuzzed is what is served.
#[path = "../../webhook/src/admission/review.rs"]
mod review;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use irsa_emu_core::grant::{Grant, Identity};
use irsa_emu_core::plan::{InjectConfig, PlanOutcome, PlanInput, plan_patch};
use irsa_emu_core::pod_view::PodView;
use irsa_emu_core::rules::{Delivery, effect_of};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use review::{Answer, Request, Review};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let (review, request) = match Review::parse(data) {
        Ok(parsed) => parsed,
        Err(message) => {
            let answer = on_the_wire(Answer::malformed(&message));
            assert_eq!(answer["response"]["allowed"], false);
            assert_eq!(answer["response"]["status"]["message"], message.as_str());
            return;
        }
    };
    // What serde passes over may be broken, and serde reads a list of its fields as well.
    let sent = serde_json::from_slice(data).ok().filter(Value::is_object);
    let object = sent.as_ref().map(|sent: &Value| &sent["request"]["object"]);
    let outcome = match &request.pod {
        Ok(pod) => plan(&request, pod, object),
        Err(problem) => PlanOutcome::Malformed(problem.clone()),
    };

    let answer = on_the_wire(review.answer(&request, &outcome, false));
    assert_eq!(answer["response"]["uid"], &*request.uid);
    if let PlanOutcome::Malformed(problem) = &outcome {
        assert_eq!(answer["response"]["allowed"], false);
        assert_eq!(answer["response"]["status"]["message"], problem.as_str());
        return;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(sent) = &sent {
        for key in ["apiVersion", "kind"] {
            assert_eq!(text(&answer[key]), text(&sent[key]), "{key} is echoed");
        }
    }
    assert_eq!(answer["response"]["allowed"], true);
    let patch = answer["response"]
        .get("patch")
        .map(|patch| STANDARD.decode(text(patch)).expect("base64"));
    match (&outcome, patch) {
        (PlanOutcome::Patched { patch, .. }, Some(answered)) => assert_eq!(patch.as_bytes(), answered),
        (outcome, None) => assert!(!matches!(outcome, PlanOutcome::Patched { .. })),
        (outcome, Some(_)) => panic!("{outcome:?} has no patch"),
    }
});

/// Plans as the server does. `object` is the document that the Pod was read from, where it can be had.
fn plan(request: &Request<'_>, pod: &PodView<'_>, object: Option<&Value>) -> PlanOutcome {
    let (namespace, name) = (request.namespace(), pod.service_account());
    // The server reads these too.
    let _ = (pod.name(), request.dry_run);
    let grant = Grant {
        identity: Identity::WebIdentity {
            role_arn: "arn:aws:iam::123456789012:role/app".to_owned(),
        },
        audience: "sts.amazonaws.com".to_owned(),
        token_expiration: 86_400,
        regional_sts: true,
    };
    let config = InjectConfig {
        region: Some("us-east-1".to_owned()),
        emulator_url: Some("http://emulator".to_owned()),
        s3_url: Some("http://10.96.3.4:4566".into()),
        sts_url: "http://sts".to_owned(),
        sidecar_image: "sidecar:1".to_owned(),
        native_sidecars: true,
        default_delivery: Delivery::WebIdentity,
        annotation_prefix: "eks.amazonaws.com".to_owned(),
        strict_eks: false,
    };
    let effect = effect_of(&[], namespace, name, None, config.emulator_url.as_deref());
    let input = PlanInput {
        pod,
        service_account: None,
        grant: Some(&grant),
        namespace_delivery: None,
        effect: &effect,
        config: &config,
        jitter: 0,
    };
    match object {
        Some(object) => {
            assert!(laws::checked_view(object).is_some(), "{object}");
            laws::checked_plan(object, &input)
        }
        None => plan_patch(&input),
    }
}

fn on_the_wire(answer: Answer) -> Value {
    serde_json::from_slice(&answer.into_bytes()).expect("an answer is JSON")
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate::mutate(data, size, max_size, seed)
});
