//! Any JSON as a Pod, any annotations, rules and settings: the laws of a patch hold.
#![no_main]

mod laws;
mod mutate;

use std::collections::BTreeMap;

use irsa_emu_core::choice::Choice;
use irsa_emu_core::grant::{Compose, GrantDefaults, GrantTables, PodIdentities, RoleMap, grant_for};
use irsa_emu_core::plan::{InjectConfig, PlanInput};
use irsa_emu_core::rules::{Delivery, RuleEffect};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};
use serde::Deserialize;
use serde_json::Value;

/// An input: JSON, so that the corpus can be read and written by hand.
#[derive(Deserialize)]
#[serde(default)]
struct Case {
    pod: Value,
    /// Annotations of the ServiceAccount; absent where it is not known.
    service_account: Option<BTreeMap<String, String>>,
    /// Text of the ConfigMap that names roles. The ServiceAccount is `n/s`.
    role_map: Option<String>,
    /// Whether the ServiceAccount has a Pod Identity association.
    associated: bool,
    /// Label of the Namespace.
    namespace: Option<String>,
    effect: Effect,
    region: Option<String>,
    delivery: Option<String>,
    prefix: String,
    strict_eks: bool,
    old_cluster: bool,
    real_aws: bool,
    /// Whether bare names of roles become ARNs.
    compose: bool,
    jitter: u32,
}

impl Default for Case {
    fn default() -> Self {
        let role = (
            "eks.amazonaws.com/role-arn".to_owned(),
            "arn:aws:iam::123456789012:role/app".to_owned(),
        );
        Self {
            pod: Value::Null,
            service_account: Some(BTreeMap::from([role])),
            role_map: None,
            associated: false,
            namespace: None,
            effect: Effect::default(),
            region: Some("us-east-1".to_owned()),
            delivery: None,
            prefix: "eks.amazonaws.com".to_owned(),
            strict_eks: false,
            old_cluster: false,
            real_aws: false,
            compose: false,
            jitter: 0,
        }
    }
}

/// What Recipes' rules add.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Effect {
    delivery: Option<String>,
    credentials_file: bool,
    region: Option<String>,
    env: BTreeMap<String, String>,
}

/// The list of Pod Identity associations of a ServiceAccount that has one.
const ASSOCIATED: &[u8] = br#"{"identities": [{"namespace": "n", "serviceAccount": "s"}]}"#;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Ok(case) = serde_json::from_slice::<Case>(data) else {
        return Corpus::Reject;
    };
    let delivery = |text: Option<&str>| text.and_then(Delivery::parse);
    let defaults = GrantDefaults {
        annotation_prefix: case.prefix.clone(),
        audience: "sts.amazonaws.com".to_owned(),
        token_expiration: 86_400,
        regional_sts: false,
        compose: case.compose.then(|| Compose {
            partition: "aws".to_owned(),
            account: "000000000000".to_owned(),
        }),
    };
    let tables = GrantTables {
        role_map: case
            .role_map
            .and_then(|text| RoleMap::parse(&text).ok())
            .map(|(map, _)| map)
            .unwrap_or_default(),
        pod_identities: PodIdentities::parse(if case.associated { ASSOCIATED } else { b"" })
            .expect("a list of associations"),
    };
    let config = InjectConfig {
        region: case.region,
        emulator_url: (!case.real_aws).then(|| "http://emulator".to_owned()),
        s3_url: (!case.real_aws).then(|| "http://10.96.3.4:4566".to_owned()),
        sts_url: "http://sts".to_owned(),
        sidecar_image: "sidecar:1".to_owned(),
        native_sidecars: !case.old_cluster,
        default_delivery: delivery(case.delivery.as_deref()).unwrap_or(Delivery::WebIdentity),
        annotation_prefix: case.prefix,
        strict_eks: case.strict_eks,
    };
    let effect = RuleEffect {
        delivery: delivery(case.effect.delivery.as_deref()),
        credentials_file: case.effect.credentials_file,
        region: case.effect.region,
        env: case.effect.env,
    };
    let service_account = case.service_account.as_ref();
    let grant = grant_for("n", "s", service_account, &tables, &defaults);
    let Some(pod) = laws::checked_view(&case.pod) else {
        return Corpus::Keep;
    };
    let plan = PlanInput {
        pod: &pod,
        service_account,
        grant: grant.as_ref(),
        namespace_delivery: case.namespace.as_deref(),
        effect: &effect,
        config: &config,
        jitter: case.jitter,
    };
    laws::checked_plan(&case.pod, &plan);
    Corpus::Keep
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate::mutate(data, size, max_size, seed)
});
