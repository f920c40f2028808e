//! What a trace tells is what the plan does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use irsa_emu_core::contract::{CONFIG_HASH, EKS_PREFIX};
use irsa_emu_core::grant::{Grant, Identity};
use irsa_emu_core::plan::{
    Fate, InjectConfig, Method, PlanInput, PlanOutcome, RegionSource, Trace, plan_patch, trace,
};
use irsa_emu_core::pod_view::PodView;
use irsa_emu_core::rules::{Delivery, DeliverySource, RuleEffect};
use serde_json::{Value, json};

fn grant() -> Grant {
    Grant {
        identity: Identity::WebIdentity {
            role_arn: "arn:aws:iam::123456789012:role/app".into(),
        },
        audience: "sts.amazonaws.com".into(),
        token_expiration: 86_400,
        regional_sts: false,
    }
}

fn config() -> InjectConfig {
    InjectConfig {
        region: Some("us-east-1".into()),
        emulator_url: Some("http://emulator".into()),
        s3_url: Some("http://10.96.3.4:4566".into()),
        sts_url: "http://sts".into(),
        sidecar_image: "sidecar".into(),
        native_sidecars: true,
        default_delivery: Delivery::WebIdentity,
        annotation_prefix: EKS_PREFIX.into(),
        strict_eks: false,
    }
}

/// The trace of a Pod, and the Pod as the plan leaves it.
fn both(pod: &Value, effect: &RuleEffect, config: &InjectConfig) -> (Trace, Value) {
    let view = PodView::of(pod).unwrap();
    let (grant, annotations) = (grant(), BTreeMap::new());
    let input = PlanInput {
        pod: &view,
        service_account: Some(&annotations),
        grant: Some(&grant),
        namespace_delivery: None,
        effect,
        config,
        jitter: 0,
    };
    let mut patched = pod.clone();
    if let PlanOutcome::Patched { patch, .. } = plan_patch(&input) {
        let patch: json_patch::Patch = serde_json::from_slice(patch.as_bytes()).unwrap();
        json_patch::patch(&mut patched, &patch).unwrap();
    }
    (trace(&input).unwrap(), patched)
}

fn env_of(container: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = container["env"].as_array().into_iter().flatten();
    items
        .map(|item| (text(&item["name"]), text(&item["value"])))
        .collect()
}

#[test]
fn the_variables_of_a_trace_are_those_that_the_patch_adds() {
    let pod = json!({"metadata": {}, "spec": {
        "initContainers": [{"name": "early"}],
        "containers": [
            {"name": "bare"},
            {"name": "own", "env": [{"name": "AWS_REGION", "value": "eu-west-1"}, {"name": "AWS_ROLE_ARN", "value": "x"}]},
        ],
    }});
    let (trace, patched) = both(&pod, &RuleEffect::default(), &config());
    assert_eq!(trace.method, Method::WebIdentity);
    assert_eq!(trace.chosen_by, Some(DeliverySource::Default));
    assert_eq!(
        trace.region,
        Some(("us-east-1".to_owned(), RegionSource::Install))
    );
    assert_eq!(
        trace.config_hash.as_deref(),
        patched["metadata"]["annotations"][CONFIG_HASH].as_str()
    );
    let containers = [
        &patched["spec"]["initContainers"][0],
        &patched["spec"]["containers"][0],
        &patched["spec"]["containers"][1],
    ];
    for (traced, container) in trace.containers.iter().zip(containers) {
        let added: Vec<_> = env_of(container)
            .into_iter()
            .filter(|(name, _)| !traced.kept.contains(name))
            .collect();
        assert_eq!(traced.added, added, "{}", traced.name);
        assert_eq!(traced.fate, Fate::Served);
    }
    assert_eq!(trace.containers[2].kept, ["AWS_REGION", "AWS_ROLE_ARN"]);
    assert!(trace.containers[0].is_init && !trace.containers[1].is_init);
}

#[test]
fn containers_that_are_not_served_have_a_reason() {
    let pod = json!({"metadata": {"annotations": {"eks.amazonaws.com/skip-containers": "skipped"}}, "spec": {
        "initContainers": [{"name": "istio-init"}, {"name": "irsa-emu-creds-injector"}],
        "containers": [
            {"name": "skipped"},
            {"name": "clash", "volumeMounts": [
                {"name": "v", "mountPath": "/var/run/secrets/irsa-emu.dev/credentials"}]},
            {"name": "served"},
        ],
    }});
    let effect = RuleEffect {
        delivery: Some(Delivery::Sidecar),
        region: Some("eu-west-1".into()),
        ..RuleEffect::default()
    };
    let (trace, _) = both(&pod, &effect, &config());
    assert_eq!(trace.method, Method::Sidecar);
    assert_eq!(trace.chosen_by, Some(DeliverySource::Rule));
    assert_eq!(trace.region, Some(("eu-west-1".to_owned(), RegionSource::Recipe)));
    let fates: Vec<(&str, Fate)> = trace
        .containers
        .iter()
        .map(|container| (container.name.as_str(), container.fate))
        .collect();
    assert_eq!(
        fates,
        [
            ("istio-init", Fate::TooEarly),
            ("irsa-emu-creds-injector", Fate::Sidecar),
            ("skipped", Fate::Skipped),
            ("clash", Fate::Clash),
            ("served", Fate::Served),
        ]
    );
}

#[test]
fn under_strict_eks_nobody_chooses_and_no_pod_bears_a_mark() {
    let pod = json!({"metadata": {"annotations": {"irsa-emu.dev/delivery": "sidecar"}}, "spec": {"containers": [{"name": "c"}]}});
    let strict = InjectConfig {
        strict_eks: true,
        ..config()
    };
    let (trace, _) = both(&pod, &RuleEffect::default(), &strict);
    assert_eq!(
        (trace.method, trace.chosen_by, trace.config_hash),
        (Method::WebIdentity, None, None)
    );
}

/// Another compiler, or a change that is none, must not make every Pod look outdated.
#[test]
fn the_mark_of_known_settings_is_known() {
    // SHA-256 of this text, computed elsewhere: {"config":{"region":"us-east-1","emulator_url":"http://emulator",
    // "s3_url":"http://10.96.3.4:4566","sts_url":"http://sts","sidecar_image":"sidecar","native_sidecars":true,"default_delivery":"web-identity",
    // "annotation_prefix":"eks.amazonaws.com","strict_eks":false},"effect":{"delivery":null,"credentials_file":false,
    // "region":null,"env":{"A":"1","B":"2"}},"grant":{"identity":{"WebIdentity":{"role_arn":
    // "arn:aws:iam::123456789012:role/app"}},"audience":"sts.amazonaws.com","token_expiration":86400,
    // "regional_sts":false},"method":"web-identity"}
    let pod = json!({"metadata": {}, "spec": {"containers": [{"name": "c"}]}});
    let env = [("B", "2"), ("A", "1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let effect = RuleEffect {
        env: env.into(),
        ..RuleEffect::default()
    };
    let (trace, _) = both(&pod, &effect, &config());
    assert_eq!(trace.config_hash.as_deref(), Some("d1772174f673"));
}
