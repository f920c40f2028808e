//! Any bytes as the body of a request: there is an answer, it answers this review, and its patch fits the object.
#![no_main]

mod laws;
mod mutate;
// The file itself, as the webhook is a program and no library: what is fuzzed is what is served.
#[path = "../../webhook/src/admission/review.rs"]
mod review;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use irsa_emu_core::grant::RoleGrant;
use irsa_emu_core::plan::{InjectConfig, Outcome, PlanInput};
use irsa_emu_core::rules::{Delivery, effect_of};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use review::{Answer, Review};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let (review, request) = match Review::parse(data) {
        Ok(parsed) => parsed,
        Err(message) => {
            let answer = on_the_wire(&Answer::malformed(&message));
            assert_eq!(answer["response"]["allowed"], false);
            assert_eq!(answer["response"]["status"]["message"], message.as_str());
            return;
        }
    };
    let grant = RoleGrant {
        role_arn: "arn:aws:iam::123456789012:role/app".to_owned(),
        audience: "sts.amazonaws.com".to_owned(),
        token_expiration: 86_400,
        regional_sts: true,
    };
    let config = InjectConfig {
        region: Some("us-east-1".to_owned()),
        emulator_url: "http://emulator".to_owned(),
        sts_url: "http://sts".to_owned(),
        sidecar_image: "sidecar:1".to_owned(),
        native_sidecars: true,
        default_delivery: Delivery::WebIdentity,
        annotation_prefix: "eks.amazonaws.com".to_owned(),
        strict_eks: false,
    };
    let effect = effect_of(&[], request.namespace(), request.service_account());
    let outcome = laws::checked_plan(&PlanInput {
        pod: &request.object,
        grant: Some(&grant),
        service_account_delivery: None,
        namespace_delivery: None,
        effect: &effect,
        config: &config,
    });
    // The log line reads it too.
    let _ = request.pod();

    let answer = on_the_wire(&review.answer(&request, &outcome));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // What the review does not look into may be broken, and serde reads a list of its fields as well.
    if let Ok(sent @ Value::Object(_)) = serde_json::from_slice(data) {
        for key in ["apiVersion", "kind"] {
            assert_eq!(text(&answer[key]), text(&sent[key]), "{key} is echoed");
        }
    }
    assert_eq!(text(&answer["response"]["uid"]), request.uid);
    assert_eq!(answer["response"]["allowed"], true);
    let patch = answer["response"]
        .get("patch")
        .map(|patch| STANDARD.decode(text(patch)).expect("base64"));
    assert_eq!(patch.is_some(), matches!(outcome, Outcome::Patched { .. }));
    if let Some(patch) = patch {
        laws::grown(&request.object, &serde_json::from_slice(&patch).expect("a patch"));
    }
});

fn on_the_wire(answer: &Answer) -> Value {
    let bytes = serde_json::to_vec(answer).expect("an answer can be written");
    serde_json::from_slice(&bytes).expect("and read")
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate::mutate(data, size, max_size, seed)
});
