//! What one review costs in process: its text parsed, the Pod planned, the response written. The server adds HTTP, TLS,
//! the look into the cache and a log line.

#[expect(dead_code, reason = "the server uses more of it")]
#[path = "../src/admission/review.rs"]
mod review;
#[expect(dead_code, reason = "the load run uses more of it")]
#[path = "../../tests/bench/src/reviews.rs"]
mod reviews;

use std::collections::BTreeMap;

use divan::Bencher;
use divan::counter::BytesCount;
use irsa_emu_core::contract::{EKS_PREFIX, emulator_url, sts_front_url};
use irsa_emu_core::grant::{GrantDefaults, GrantTables, grant_for};
use irsa_emu_core::plan::{InjectConfig, PlanInput, plan_patch};
use irsa_emu_core::rules::{Delivery, effect_of};
use review::Review;
use reviews::Size;

fn main() {
    divan::main();
}

/// Only reads.
#[divan::bench(args = Size::ALL, sample_count = 500)]
fn parse(bencher: Bencher<'_, '_>, size: Size) {
    let body = body(size);
    bencher
        .counter(BytesCount::of_slice(&body))
        .bench_local(|| Review::parse(divan::black_box(&body)));
}

/// Reads, decides, and writes the response.
#[divan::bench(args = Size::ALL, sample_count = 500)]
fn whole(bencher: Bencher<'_, '_>, size: Size) {
    let body = body(size);
    let arn = "arn:aws:iam::123456789012:role/app".to_owned();
    let annotations = BTreeMap::from([(format!("{EKS_PREFIX}/role-arn"), arn)]);
    let grants = GrantDefaults {
        annotation_prefix: EKS_PREFIX.into(),
        audience: "sts.amazonaws.com".into(),
        token_expiration: 86_400,
        regional_sts: false,
        compose: None,
    };
    let tables = GrantTables::default();
    let config = InjectConfig {
        region: Some("us-east-1".into()),
        emulator_url: Some(emulator_url()),
        s3_url: Some("http://10.96.3.4:4566".into()),
        sts_url: sts_front_url(),
        sidecar_image: "irsa-emu-sidecar:0".into(),
        native_sidecars: true,
        default_delivery: Delivery::WebIdentity,
        annotation_prefix: EKS_PREFIX.into(),
        strict_eks: false,
    };
    bencher.counter(BytesCount::of_slice(&body)).bench_local(|| {
        let (review, request) = Review::parse(divan::black_box(&body)).ok()?;
        let pod = request.pod.as_ref().ok()?;
        let (namespace, name) = (request.namespace(), pod.service_account());
        let grant = grant_for(namespace, name, Some(&annotations), &tables, &grants);
        let effect = effect_of(&[], namespace, name, None, config.emulator_url.as_deref());
        let outcome = plan_patch(&PlanInput {
            pod,
            service_account: Some(&annotations),
            grant: grant.as_ref(),
            namespace_delivery: None,
            effect: &effect,
            config: &config,
            jitter: 0,
        });
        Some(review.answer(&request, &outcome, false).into_bytes())
    });
}

fn body(size: Size) -> Vec<u8> {
    reviews::review(size, "app", "2f0c3c0e-6b1d-4b7e-9f5b-0d8e2b8f3a11")
        .to_string()
        .into_bytes()
}
