//! What Pods get, Pod by Pod, and the laws that hold for every Pod.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;

use irsa_emu_core::contract::{SIDECAR, emulator_url, sts_front_url};
use irsa_emu_core::grant::{Grant, Identity};
use irsa_emu_core::patch::Patch;
use irsa_emu_core::plan::{InjectConfig, Method, PlanInput, PlanOutcome, SkipReason, plan_patch};
use irsa_emu_core::pod_view::PodView;
use irsa_emu_core::rules::{Delivery, RuleEffect};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

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

fn pod_identity() -> Grant {
    Grant {
        identity: Identity::PodIdentity,
        audience: "pods.eks.amazonaws.com".into(),
        ..grant()
    }
}

fn config(delivery: Delivery) -> InjectConfig {
    InjectConfig {
        region: Some("us-east-1".into()),
        emulator_url: Some(emulator_url()),
        s3_url: Some("http://10.96.3.4:4566".into()),
        sts_url: sts_front_url(),
        sidecar_image: "example.test/sidecar:1".into(),
        native_sidecars: true,
        default_delivery: delivery,
        annotation_prefix: "eks.amazonaws.com".into(),
        strict_eks: false,
    }
}

/// Plans for a document.
fn plan_for(pod: &Value, rest: impl FnOnce(&PodView<'_>) -> PlanOutcome) -> PlanOutcome {
    match PodView::of(pod) {
        Ok(view) => rest(&view),
        Err(problem) => PlanOutcome::Malformed(problem),
    }
}

fn plan_with(pod: &Value, grant: Option<&Grant>, effect: &RuleEffect, config: &InjectConfig) -> PlanOutcome {
    let plan = |pod: &PodView<'_>| {
        plan_patch(&PlanInput {
            pod,
            service_account: Some(&BTreeMap::new()),
            grant,
            namespace_delivery: None,
            effect,
            config,
            jitter: 7_000_000,
        })
    };
    plan_for(pod, plan)
}

fn plan(pod: &Value, delivery: Delivery) -> PlanOutcome {
    plan_with(pod, Some(&grant()), &RuleEffect::default(), &config(delivery))
}

fn read(patch: &Patch) -> json_patch::Patch {
    serde_json::from_slice(patch.as_bytes()).expect("a patch is JSON")
}

fn patched(pod: &Value, outcome: &PlanOutcome) -> Value {
    let mut after = pod.clone();
    if let PlanOutcome::Patched { patch, .. } = outcome {
        json_patch::patch(&mut after, &read(patch)).expect("the patch applies to the Pod it was planned for");
    }
    after
}

fn after(pod: &Value, delivery: Delivery) -> Value {
    patched(pod, &plan(pod, delivery))
}

fn reason(outcome: &PlanOutcome) -> Option<SkipReason> {
    match outcome {
        PlanOutcome::Skipped { reason, .. } => Some(*reason),
        PlanOutcome::Patched { .. } | PlanOutcome::Malformed(_) => None,
    }
}

fn warnings(outcome: &PlanOutcome) -> &[String] {
    match outcome {
        PlanOutcome::Skipped { warnings, .. } | PlanOutcome::Patched { warnings, .. } => warnings,
        PlanOutcome::Malformed(_) => &[],
    }
}

fn simple() -> Value {
    json!({
        "metadata": {"name": "p"},
        "spec": {
            "initContainers": [{"name": "init", "image": "i"}],
            "containers": [{"name": "app", "image": "a", "env": [{"name": "MINE", "value": "1"}], "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
            "volumes": [{"name": "data", "emptyDir": {}}]
        }
    })
}

fn env_of<'a>(pod: &'a Value, list: &str, index: usize) -> BTreeMap<&'a str, &'a str> {
    let env = pod["spec"][list][index]["env"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    env.iter()
        .map(|e| {
            (
                e["name"].as_str().unwrap(),
                e["value"].as_str().unwrap_or("<from>"),
            )
        })
        .collect()
}

#[test]
fn web_identity_gives_what_eks_gives_and_the_endpoints() {
    insta::assert_json_snapshot!(after(&simple(), Delivery::WebIdentity));
}

#[test]
fn sidecar_gives_container_credentials_and_keeps_the_token_to_itself() {
    let pod = after(&simple(), Delivery::Sidecar);
    insta::assert_json_snapshot!(pod);
    for (list, index) in [("containers", 0), ("initContainers", 1)] {
        assert!(!env_of(&pod, list, index).contains_key("AWS_ROLE_ARN"), "{list}");
    }
}

#[test]
fn strict_eks_adds_nothing_of_our_own() {
    let strict = InjectConfig {
        strict_eks: true,
        ..config(Delivery::Sidecar)
    };
    let effect = RuleEffect {
        delivery: Some(Delivery::Sidecar),
        env: BTreeMap::from([("X".into(), "1".into())]),
        region: Some("eu-west-1".into()),
        credentials_file: true,
    };
    let outcome = plan_with(&simple(), Some(&grant()), &effect, &strict);
    insta::assert_json_snapshot!(patched(&simple(), &outcome));
}

#[test]
fn regional_sts_comes_first_as_in_eks() {
    let regional = Grant {
        regional_sts: true,
        ..grant()
    };
    let pod = patched(
        &simple(),
        &plan_with(
            &simple(),
            Some(&regional),
            &RuleEffect::default(),
            &config(Delivery::WebIdentity),
        ),
    );
    let names: Vec<_> = pod["spec"]["containers"][0]["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "MINE",
            "AWS_STS_REGIONAL_ENDPOINTS",
            "AWS_DEFAULT_REGION",
            "AWS_REGION",
            "AWS_ROLE_ARN",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_STS",
            "AWS_ENDPOINT_URL_S3",
            "AWS_DISABLE_HOST_PREFIX_INJECTION"
        ]
    );
}

#[test]
fn what_a_container_sets_itself_is_never_overwritten() {
    let mut pod = simple();
    pod["spec"]["containers"][0]["env"] = json!([
        {"name": "AWS_ROLE_ARN", "value": "own"}, {"name": "AWS_REGION", "valueFrom": {"fieldRef": {"fieldPath": "x"}}},
        {"name": "AWS_ENDPOINT_URL", "value": "own"}
    ]);
    let after = after(&pod, Delivery::WebIdentity);
    let env = env_of(&after, "containers", 0);
    assert_eq!(
        (env["AWS_ROLE_ARN"], env["AWS_REGION"], env["AWS_ENDPOINT_URL"]),
        ("own", "<from>", "own")
    );
    assert!(
        !env.contains_key("AWS_WEB_IDENTITY_TOKEN_FILE"),
        "half an identity is not completed"
    );
    assert!(
        !env.contains_key("AWS_DEFAULT_REGION"),
        "half a region pair is not completed"
    );
}

#[test]
fn a_container_that_sets_everything_gets_no_mount_as_in_eks() {
    let mut pod = simple();
    pod["spec"]["containers"][0]["env"] = json!([{"name": "AWS_ROLE_ARN", "value": "x"}, {"name": "AWS_REGION", "value": "x"}, {"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "x"}]);
    let strict = InjectConfig {
        strict_eks: true,
        ..config(Delivery::WebIdentity)
    };
    let after = patched(
        &pod,
        &plan_with(&pod, Some(&grant()), &RuleEffect::default(), &strict),
    );
    assert_eq!(after["spec"]["containers"], pod["spec"]["containers"]);
    assert_ne!(after["spec"]["initContainers"], pod["spec"]["initContainers"]);
}

#[test]
fn the_rules_of_a_recipe_add_their_variables_and_their_region() {
    let effect = RuleEffect {
        region: Some("eu-west-1".into()),
        env: BTreeMap::from([
            ("AWS_KMS_ENDPOINT".into(), "http://e".into()),
            ("MINE".into(), "2".into()),
        ]),
        ..RuleEffect::default()
    };
    let after = patched(
        &simple(),
        &plan_with(&simple(), Some(&grant()), &effect, &config(Delivery::WebIdentity)),
    );
    let env = env_of(&after, "containers", 0);
    assert_eq!(
        (
            env["AWS_REGION"],
            env["AWS_DEFAULT_REGION"],
            env["AWS_KMS_ENDPOINT"],
            env["MINE"]
        ),
        ("eu-west-1", "eu-west-1", "http://e", "1")
    );
}

#[test]
fn the_token_lives_as_long_as_the_pod_or_else_the_service_account_says() {
    let lifetime = |annotation: Option<&str>| {
        let mut pod = simple();
        if let Some(text) = annotation {
            pod["metadata"]["annotations"] = json!({"eks.amazonaws.com/token-expiration": text});
        }
        after(&pod, Delivery::WebIdentity)["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"].as_i64().unwrap()
    };
    assert_eq!(
        [
            lifetime(None),
            lifetime(Some("3600")),
            lifetime(Some("1")),
            lifetime(Some("x"))
        ],
        [86_400, 3600, 600, 86_400]
    );
}

#[test]
fn skip_containers_is_one_csv_record_with_its_spaces() {
    let touched = |annotation: &str| {
        let mut pod = json!({"metadata": {"annotations": {"eks.amazonaws.com/skip-containers": annotation}}, "spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
        let after = after(&pod, Delivery::WebIdentity);
        pod["spec"]["containers"]
            .as_array_mut()
            .unwrap()
            .iter()
            .zip(after["spec"]["containers"].as_array().unwrap())
            .map(|(x, y)| x != y)
            .collect::<Vec<_>>()
    };
    assert_eq!(touched("a"), [false, true]);
    assert_eq!(touched("\"a\",c"), [false, true]);
    assert_eq!(touched("c, b"), [true, true], "the space belongs to the name");
    assert_eq!(touched("c\nb"), [true, true], "only the first record counts");
    assert_eq!(touched("a\"b"), [true, true], "an unreadable list skips nothing");
    assert_eq!(touched("a,b"), [false, false]);
}

#[test]
fn windows_changes_the_path_in_the_variable_only() {
    let mut pod = simple();
    pod["spec"]["nodeSelector"] = json!({"kubernetes.io/os": "windows"});
    let after = after(&pod, Delivery::WebIdentity);
    assert_eq!(
        env_of(&after, "containers", 0)["AWS_WEB_IDENTITY_TOKEN_FILE"],
        r"C:\var\run\secrets\eks.amazonaws.com\serviceaccount\token"
    );
    assert_eq!(
        after["spec"]["containers"][0]["volumeMounts"][1]["mountPath"],
        "/var/run/secrets/eks.amazonaws.com/serviceaccount"
    );
}

#[test]
fn every_pod_that_is_left_alone_has_its_reason() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut pod = simple();
        change(&mut pod);
        pod
    };
    let skip = |pod: &Value, delivery| reason(&plan(pod, delivery));
    assert_eq!(
        reason(&plan_with(
            &simple(),
            None,
            &RuleEffect::default(),
            &config(Delivery::WebIdentity)
        )),
        Some(SkipReason::NoRoleArn)
    );
    assert_eq!(
        skip(&json!({"spec": {}}), Delivery::WebIdentity),
        Some(SkipReason::NotAPod)
    );
    assert_eq!(
        plan(&json!([1]), Delivery::WebIdentity),
        PlanOutcome::Malformed("Pod: expected an object".into())
    );
    assert_eq!(
        skip(
            &with(&|p| p["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"})),
            Delivery::WebIdentity
        ),
        Some(SkipReason::MirrorPod)
    );
    assert_eq!(
        skip(
            &with(&|p| p["metadata"]["labels"] = json!({"eks.amazonaws.com/skip-pod-identity-webhook": ""})),
            Delivery::WebIdentity
        ),
        Some(SkipReason::SkipLabel)
    );
    assert_eq!(
        skip(
            &with(
                &|p| p["metadata"]["annotations"] = json!({"eks.amazonaws.com/skip-containers": "app,init"})
            ),
            Delivery::Sidecar
        ),
        Some(SkipReason::AllContainersSkipped)
    );
    assert_eq!(
        skip(
            &with(&|p| p["spec"]["hostNetwork"] = json!(true)),
            Delivery::Sidecar
        ),
        Some(SkipReason::HostNetwork)
    );
    for delivery in [Delivery::WebIdentity, Delivery::Sidecar] {
        assert_eq!(
            skip(&after(&simple(), delivery), delivery),
            Some(SkipReason::AlreadyInjected)
        );
    }
}

#[test]
fn a_pod_whose_containers_are_all_skipped_still_gets_the_volume_as_in_eks() {
    let mut pod = simple();
    pod["metadata"]["annotations"] = json!({"eks.amazonaws.com/skip-containers": "app,init"});
    let after = after(&pod, Delivery::WebIdentity);
    assert_eq!(after["spec"]["containers"], pod["spec"]["containers"]);
    assert_eq!(after["spec"]["volumes"][0]["name"], "aws-iam-token");
}

#[test]
fn pod_identity_gives_what_eks_gives() {
    let strict = InjectConfig {
        strict_eks: true,
        ..config(Delivery::Sidecar)
    };
    let given = |pod: &Value, config: &InjectConfig| {
        patched(
            pod,
            &plan_with(pod, Some(&pod_identity()), &RuleEffect::default(), config),
        )
    };
    insta::assert_json_snapshot!(given(&simple(), &strict));
    let ours = given(&simple(), &config(Delivery::Sidecar));
    assert_eq!(
        ours["metadata"]["annotations"]["irsa-emu.dev/injected"],
        "pod-identity"
    );
    assert!(env_of(&ours, "containers", 0).contains_key("AWS_ENDPOINT_URL"));

    let mut labelled = simple();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(
        given(&labelled, &strict)["metadata"]["labels"],
        json!({"a": "b", "eks.amazonaws.com/pod-identity": "enabled"})
    );
    let mut own = simple();
    own["spec"]["containers"][0]["env"] = json!([{"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "x"},
        {"name": "AWS_REGION", "value": "x"}, {"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "x"}]);
    assert_eq!(
        given(&own, &strict)["spec"]["containers"],
        own["spec"]["containers"]
    );
}

#[test]
fn s3_is_asked_by_ip_address_unless_the_container_or_a_rule_names_an_endpoint() {
    const S3: &str = "AWS_ENDPOINT_URL_S3";
    const PREFIX: &str = "AWS_DISABLE_HOST_PREFIX_INJECTION";
    let by_ip = Some("http://10.96.3.4:4566");
    let rule = RuleEffect {
        env: BTreeMap::from([(S3.to_owned(), "http://of-a-rule".to_owned())]),
        ..RuleEffect::default()
    };
    let none = RuleEffect::default();
    let own = |name: &str| json!([{"name": name, "value": "own"}]);
    for delivery in [Delivery::WebIdentity, Delivery::Sidecar] {
        for (variables, effect, s3, prefix) in [
            (json!([]), &none, by_ip, Some("true")),
            (own("AWS_ENDPOINT_URL_STS"), &none, by_ip, Some("true")),
            (own(S3), &none, Some("own"), Some("true")),
            (own(PREFIX), &none, by_ip, Some("own")),
            // It means S3, too, and may be the address of another emulator, or of AWS.
            (own("AWS_ENDPOINT_URL"), &none, None, None),
            (json!([]), &rule, Some("http://of-a-rule"), Some("true")),
            (own(S3), &rule, Some("own"), Some("true")),
        ] {
            let mut pod = simple();
            pod["spec"]["containers"][0]["env"] = variables.clone();
            let after = patched(&pod, &plan_with(&pod, Some(&grant()), effect, &config(delivery)));
            let env = env_of(&after, "containers", 0);
            let has = (env.get(S3).copied(), env.get(PREFIX).copied());
            assert_eq!(has, (s3, prefix), "{delivery:?} {variables}");
        }
    }
    let unknown = InjectConfig {
        s3_url: None,
        ..config(Delivery::WebIdentity)
    };
    let outcome = plan_with(&simple(), Some(&grant()), &none, &unknown);
    let after = patched(&simple(), &outcome);
    assert!(!env_of(&after, "containers", 0).contains_key(S3));
    let hash = |after: &Value| after["metadata"]["annotations"]["irsa-emu.dev/config-hash"].clone();
    assert_ne!(
        hash(&after),
        hash(&self::after(&simple(), Delivery::WebIdentity)),
        "the address is one of the settings"
    );
}

#[test]
fn only_the_default_lifetime_of_pod_identity_is_shortened_at_random() {
    let lifetime = |grant: &Grant, jitter: u32, annotation: Option<&str>| {
        let mut pod = simple();
        if let Some(text) = annotation {
            pod["metadata"]["annotations"] = json!({"eks.amazonaws.com/token-expiration": text});
        }
        let outcome = plan_for(&pod, |pod| {
            plan_patch(&PlanInput {
                pod,
                service_account: None,
                grant: Some(grant),
                namespace_delivery: None,
                effect: &RuleEffect::default(),
                config: &config(Delivery::WebIdentity),
                jitter,
            })
        });
        patched(&pod, &outcome)["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"]
            .as_i64()
            .unwrap()
    };
    for jitter in [0, 1, 7_200, 7_201, u32::MAX] {
        let seconds = lifetime(&pod_identity(), jitter, None);
        assert!((79_200..=86_400).contains(&seconds), "{seconds}");
    }
    assert_eq!(
        [
            lifetime(&pod_identity(), 0, None),
            lifetime(&pod_identity(), 7_200, None)
        ],
        [79_200, 86_400]
    );
    assert_eq!(lifetime(&pod_identity(), 5, Some("86399")), 86_399);
    assert_eq!(lifetime(&grant(), 5, None), 86_400);
}

#[test]
fn a_lifetime_that_kubernetes_refuses_is_lowered() {
    let mut pod = simple();
    pod["metadata"]["annotations"] = json!({"eks.amazonaws.com/token-expiration": "99999999999"});
    let outcome = plan(&pod, Delivery::WebIdentity);
    let token =
        &patched(&pod, &outcome)["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(token["expirationSeconds"], 4_294_967_296_i64);
    assert!(
        warnings(&outcome)[0].contains("lowered"),
        "{:?}",
        warnings(&outcome)
    );
}

#[test]
fn a_windows_pod_never_gets_the_sidecar() {
    for spec in [
        json!({"os": {"name": "windows"}}),
        json!({"nodeSelector": {"kubernetes.io/os": "windows"}}),
    ] {
        let mut pod = simple();
        for (key, value) in spec.as_object().unwrap() {
            pod["spec"][key] = value.clone();
        }
        let outcome = plan(&pod, Delivery::Sidecar);
        assert_eq!(
            patched(&pod, &outcome)["metadata"]["annotations"]["irsa-emu.dev/injected"],
            "web-identity"
        );
        assert!(
            warnings(&outcome)[0].contains("Windows"),
            "{:?}",
            warnings(&outcome)
        );
    }
}

#[test]
fn the_sidecar_of_a_pod_with_resources_of_its_own_asks_for_none() {
    let mut pod = simple();
    assert!(after(&pod, Delivery::Sidecar)["spec"]["initContainers"][0]["resources"].is_object());
    pod["spec"]["resources"] = json!({"requests": {"cpu": "1m"}, "limits": {"memory": "8Mi"}});
    assert!(after(&pod, Delivery::Sidecar)["spec"]["initContainers"][0]["resources"].is_null());
}

#[test]
fn mistakes_are_told_whether_the_pod_is_patched_or_not() {
    let mut pod = simple();
    pod["metadata"]["annotations"] = json!({"eks.amazonaws.com/role-arn": "x"});
    pod["spec"]["containers"][0]["envFrom"] =
        json!([{"secretRef": {"name": "my-aws-keys"}}, {"configMapRef": {"name": "app"}}]);
    let typo = BTreeMap::from([("eks.amazonaws.com/role_arn".to_owned(), "x".to_owned())]);
    let told = |grant: Option<&Grant>| {
        let outcome = plan_for(&pod, |pod| {
            plan_patch(&PlanInput {
                pod,
                service_account: Some(&typo),
                grant,
                namespace_delivery: None,
                effect: &RuleEffect::default(),
                config: &config(Delivery::WebIdentity),
                jitter: 0,
            })
        });
        warnings(&outcome).join("\n")
    };
    let left_alone = told(None);
    assert!(
        left_alone.contains("read from the ServiceAccount only"),
        "{left_alone}"
    );
    assert!(
        left_alone.contains("did you mean eks.amazonaws.com/role-arn?"),
        "{left_alone}"
    );
    let given = told(Some(&grant()));
    assert!(given.contains("Secret my-aws-keys of envFrom"), "{given}");
    assert!(!given.contains("ConfigMap app"), "{given}");
}

#[test]
fn a_mount_path_that_is_taken_warns_and_leaves_the_container_valid() {
    let mut pod = simple();
    pod["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "data", "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount"}]);
    let outcome = plan(&pod, Delivery::WebIdentity);
    assert_eq!(
        patched(&pod, &outcome)["spec"]["containers"],
        pod["spec"]["containers"]
    );
    assert!(
        warnings(&outcome)[0].contains("volume data is already mounted"),
        "{:?}",
        warnings(&outcome)
    );
}

#[test]
fn static_keys_and_an_unknown_delivery_are_warned_about() {
    let mut pod = simple();
    pod["metadata"]["annotations"] = json!({"irsa-emu.dev/delivery": "side-car"});
    pod["spec"]["containers"][0]["env"] = json!([{"name": "AWS_ACCESS_KEY_ID", "value": "hush"}]);
    let outcome = plan(&pod, Delivery::WebIdentity);
    let text = warnings(&outcome).join("\n");
    assert!(
        text.contains("`side-car` is not a delivery")
            && text.contains("wins over the role")
            && !text.contains("hush"),
        "{text}"
    );
}

#[test]
fn the_sidecar_comes_after_the_init_containers_of_a_mesh() {
    let mut pod = simple();
    pod["spec"]["initContainers"] =
        json!([{"name": "istio-init"}, {"name": "istio-proxy"}, {"name": "migrate"}]);
    let after = after(&pod, Delivery::Sidecar);
    let names: Vec<_> = after["spec"]["initContainers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["istio-init", "istio-proxy", SIDECAR, "migrate"]);
    assert!(env_of(&after, "initContainers", 0).is_empty());
    assert!(env_of(&after, "initContainers", 3).contains_key("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
}

#[test]
fn without_native_sidecars_an_ordinary_container_serves() {
    let old = InjectConfig {
        native_sidecars: false,
        ..config(Delivery::Sidecar)
    };
    let after = patched(
        &simple(),
        &plan_with(&simple(), Some(&grant()), &RuleEffect::default(), &old),
    );
    let sidecar = &after["spec"]["containers"][1];
    assert_eq!(
        (sidecar["name"].as_str(), sidecar.get("restartPolicy")),
        (Some(SIDECAR), None)
    );
}

#[test]
fn against_real_aws_only_the_sidecar_serves_and_no_endpoint_is_added() {
    let aws = InjectConfig {
        emulator_url: None,
        ..config(Delivery::Sidecar)
    };
    let plan = |pod: &Value| plan_with(pod, Some(&grant()), &RuleEffect::default(), &aws);
    let mut asking = simple();
    asking["metadata"]["annotations"] = json!({"irsa-emu.dev/delivery": "web-identity"});
    let outcome = plan(&asking);
    assert!(
        matches!(&outcome, PlanOutcome::Patched { method: Method::Sidecar, warnings, .. }
            if warnings[0].contains("through the sidecar only")),
        "{outcome:?}"
    );
    let after = patched(&asking, &outcome);
    let variables = env_of(&after, "containers", 0);
    assert!(
        variables.contains_key("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        "{variables:?}"
    );
    for name in [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_STS",
        "AWS_ENDPOINT_URL_S3",
        "AWS_DISABLE_HOST_PREFIX_INJECTION",
        "AWS_ROLE_ARN",
    ] {
        assert!(!variables.contains_key(name), "{variables:?}");
    }
    let mut windows = simple();
    windows["spec"]["os"] = json!({"name": "windows"});
    assert!(matches!(
        plan(&windows),
        PlanOutcome::Skipped {
            reason: SkipReason::Windows,
            ..
        }
    ));
}

// ---- laws ------------------------------------------------------------------------------------------------------

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from)
    ]
}

/// Fields that no type of ours knows, with names that need escaping in a JSON pointer.
fn unknown_fields() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("x[a-z/~\\. é]{1,6}", scalar(), 0..3)
        .prop_map(|fields| fields.into_iter().collect())
}

fn optional_list(item: BoxedStrategy<Value>) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![1 => Just(None), 1 => Just(Some(Value::Null)), 3 => prop::collection::vec(item, 0..4).prop_map(|items| Some(Value::Array(items)))]
}

fn env_var() -> BoxedStrategy<Value> {
    let name = prop_oneof![
        Just("AWS_ROLE_ARN"),
        Just("AWS_REGION"),
        Just("AWS_DEFAULT_REGION"),
        Just("AWS_STS_REGIONAL_ENDPOINTS"),
        Just("AWS_ENDPOINT_URL"),
        Just("AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        Just("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        Just("ÜNICODE ~/0"),
        Just("OTHER")
    ];
    (name, "\\PC{0,5}")
        .prop_map(|(name, value)| json!({"name": name, "value": value}))
        .boxed()
}

fn volume_mount() -> BoxedStrategy<Value> {
    let name = prop_oneof![
        Just("aws-iam-token"),
        Just("irsa-emu-credentials"),
        Just("eks-pod-identity-token"),
        Just("data")
    ];
    let path = prop_oneof![
        Just("/var/run/secrets/eks.amazonaws.com/serviceaccount"),
        Just("/data"),
        Just("/x")
    ];
    (name, path)
        .prop_map(|(name, path)| json!({"name": name, "mountPath": path}))
        .boxed()
}

fn container() -> BoxedStrategy<Value> {
    let name = prop_oneof![4 => "[a-z]{1,6}", 1 => Just(SIDECAR.to_owned()), 1 => Just("istio-proxy".to_owned()), 1 => Just("a,\"b".to_owned())];
    (
        name,
        optional_list(env_var()),
        optional_list(volume_mount()),
        unknown_fields(),
    )
        .prop_map(|(name, env, mounts, mut fields)| {
            fields.insert("name".into(), name.into());
            env.map(|list| fields.insert("env".into(), list));
            mounts.map(|list| fields.insert("volumeMounts".into(), list));
            Value::Object(fields)
        })
        .boxed()
}

fn volume() -> BoxedStrategy<Value> {
    prop_oneof![Just("aws-iam-token"), Just("irsa-emu-credentials"), Just("data")]
        .prop_map(|name| json!({"name": name, "emptyDir": {}}))
        .boxed()
}

prop_compose! {
    fn any_pod()(
        containers in prop_oneof![30 => prop::collection::vec(container(), 0..6), 1 => prop::collection::vec(container(), 50)],
        init in optional_list(container()),
        volumes in optional_list(volume()),
        annotations in prop::option::of(prop_oneof![Just(json!({})), Just(Value::Null), Just(json!({"irsa-emu.dev/delivery": "sidecar"})), Just(json!({"eks.amazonaws.com/skip-containers": "app,\"x\""}))]),
        host_network in any::<bool>(),
        mut metadata in unknown_fields(),
        mut spec in unknown_fields(),
    ) -> Value {
        annotations.map(|map| metadata.insert("annotations".into(), map));
        spec.insert("containers".into(), Value::Array(containers));
        init.map(|list| spec.insert("initContainers".into(), list));
        volumes.map(|list| spec.insert("volumes".into(), list));
        if host_network { spec.insert("hostNetwork".into(), true.into()); }
        json!({"metadata": metadata, "spec": spec})
    }
}

/// A grant and the default delivery: every method.
fn ways() -> impl Strategy<Value = (Grant, Delivery)> {
    prop_oneof![
        Just((grant(), Delivery::WebIdentity)),
        Just((grant(), Delivery::Sidecar)),
        Just((pod_identity(), Delivery::WebIdentity))
    ]
}

fn plan_way(pod: &Value, (grant, delivery): &(Grant, Delivery)) -> PlanOutcome {
    plan_with(pod, Some(grant), &RuleEffect::default(), &config(*delivery))
}

fn after_way(pod: &Value, way: &(Grant, Delivery)) -> Value {
    patched(pod, &plan_way(pod, way))
}

/// Whether `after` is `before` with additions only: every member and every list item of `before`, in its order.
fn only_grew(before: &Value, after: &Value) -> bool {
    match (before, after) {
        // A null where we add something: Kubernetes reads null and absence alike.
        (Value::Null, Value::Array(_) | Value::Object(_)) => true,
        (Value::Object(b), Value::Object(a)) => b
            .iter()
            .all(|(key, value)| a.get(key).is_some_and(|other| only_grew(value, other))),
        (Value::Array(b), Value::Array(a)) => {
            let mut rest = a.iter();
            b.iter().all(|item| rest.any(|other| only_grew(item, other)))
        }
        _ => before == after,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_patch_only_adds(pod in any_pod(), way in ways()) {
        if let PlanOutcome::Patched { patch, .. } = plan_way(&pod, &way) {
            let operations = read(&patch).0;
            prop_assert_eq!(operations.len(), patch.operations());
            for operation in operations {
                prop_assert!(matches!(operation, json_patch::PatchOperation::Add(_)));
            }
        }
    }

    #[test]
    fn everything_that_was_there_is_still_there(pod in any_pod(), way in ways()) {
        prop_assert!(only_grew(&pod, &after_way(&pod, &way)));
    }

    #[test]
    fn planning_twice_changes_nothing_more(pod in any_pod(), way in ways()) {
        let once = after_way(&pod, &way);
        prop_assert_eq!(&after_way(&once, &way), &once);
    }

    #[test]
    fn no_list_gets_a_name_or_a_mount_path_twice(pod in any_pod(), way in ways()) {
        let after = after_way(&pod, &way);
        let count = |list: &Value, key: &str, value: &str| list.as_array().map_or(0, |items| items.iter().filter(|item| item[key] == value).count());
        let containers = |pod: &Value| -> Vec<Value> {
            ["initContainers", "containers"].iter().flat_map(|list| pod["spec"][*list].as_array().cloned().unwrap_or_default()).collect()
        };
        for (name, key) in [("aws-iam-token", "name"), ("irsa-emu-credentials", "name"), ("eks-pod-identity-token", "name")] {
            prop_assert!(count(&after["spec"]["volumes"], key, name) <= count(&pod["spec"]["volumes"], key, name).max(1));
        }
        let before: Vec<Value> = containers(&pod);
        for container in containers(&after) {
            let old = before.iter().find(|old| old["name"] == container["name"]).cloned().unwrap_or_default();
            if before.iter().filter(|old| old["name"] == container["name"]).count() > 1 { continue; }
            for path in ["/var/run/secrets/eks.amazonaws.com/serviceaccount", "/var/run/secrets/irsa-emu.dev/credentials", "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"] {
                prop_assert!(count(&container["volumeMounts"], "mountPath", path) <= count(&old["volumeMounts"], "mountPath", path).max(1));
            }
            for name in ["AWS_REGION", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL"] {
                prop_assert!(count(&container["env"], "name", name) <= count(&old["env"], "name", name).max(1));
            }
        }
    }
}
