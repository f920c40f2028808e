//! What a plan costs, in process: no server, no TLS, no JSON text.

#[expect(dead_code, reason = "the load run uses more of it")]
#[path = "../../../tests/bench/src/reviews.rs"]
mod reviews;

use std::collections::BTreeMap;

use divan::Bencher;
use irsa_emu_core::contract::{EKS_PREFIX, emulator_url, sts_front_url};
use irsa_emu_core::grant::{Grant, Identity};
use irsa_emu_core::plan::{InjectConfig, PlanInput, plan_patch};
use irsa_emu_core::pod_view::PodView;
use irsa_emu_core::rules::{Delivery, RuleEffect};
use reviews::{Size, pod};

fn main() {
    divan::main();
}

#[divan::bench(args = Size::ALL, sample_count = 500)]
fn web_identity(bencher: Bencher<'_, '_>, size: Size) {
    plan(bencher, size, Delivery::WebIdentity);
}

#[divan::bench(args = Size::ALL, sample_count = 500)]
fn sidecar(bencher: Bencher<'_, '_>, size: Size) {
    plan(bencher, size, Delivery::Sidecar);
}

fn plan(bencher: Bencher<'_, '_>, size: Size, delivery: Delivery) {
    let pod = pod(size, "app");
    let view = PodView::of(&pod).unwrap_or_else(|problem| unreachable!("{problem}"));
    let grant = Grant {
        identity: Identity::WebIdentity {
            role_arn: "arn:aws:iam::123456789012:role/app".into(),
        },
        audience: "sts.amazonaws.com".into(),
        token_expiration: 86_400,
        regional_sts: false,
    };
    let config = InjectConfig {
        region: Some("us-east-1".into()),
        emulator_url: Some(emulator_url()),
        s3_url: Some("http://10.96.3.4:4566".into()),
        sts_url: sts_front_url(),
        sidecar_image: "irsa-emu-sidecar:0".into(),
        native_sidecars: true,
        default_delivery: delivery,
        annotation_prefix: EKS_PREFIX.into(),
        strict_eks: false,
    };
    let arn = "arn:aws:iam::123456789012:role/app".to_owned();
    let annotations = BTreeMap::from([(format!("{EKS_PREFIX}/role-arn"), arn)]);
    let effect = RuleEffect::default();
    let input = PlanInput {
        pod: &view,
        service_account: Some(&annotations),
        grant: Some(&grant),
        namespace_delivery: None,
        effect: &effect,
        config: &config,
        jitter: 0,
    };
    bencher.bench_local(|| plan_patch(divan::black_box(&input)));
}
