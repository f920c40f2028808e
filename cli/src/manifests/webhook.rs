//! The webhook: admission, STS front and keeper in one Deployment.

use irsa_emu_core::contract::{
    NAMESPACE, RUN_AS, STS_FRONT, STS_FRONT_PORT, WEBHOOK, WEBHOOK_HEALTH_PORT, WEBHOOK_PORT, emulator_url,
    sts_front_url,
};
use k8s_openapi::api::core::v1::{Container, TopologySpreadConstraint};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::apply::{ApplyError, Manifest};
use super::{BACKEND_AWS, Backend, Install, PART_LABEL, pod};

/// While one is replaced the other serves: no Pod that is created then goes without its identity.
const REPLICAS: i32 = 2;

pub(super) fn manifests(install: &Install) -> Result<Vec<Manifest>, ApplyError> {
    let mut spec = pod::pod(RUN_AS, container(install));
    spec.service_account_name = Some(WEBHOOK.to_owned());
    spec.topology_spread_constraints = Some(vec![TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(own_pods()),
        ..TopologySpreadConstraint::default()
    }]);
    Ok(vec![
        Manifest::of(&pod::service(
            install,
            WEBHOOK,
            WEBHOOK,
            ("admission", 443, WEBHOOK_PORT, None),
        ))?,
        Manifest::of(&pod::service(
            install,
            WEBHOOK,
            STS_FRONT,
            ("sts", 80, STS_FRONT_PORT, None),
        ))?,
        Manifest::of(&pod::deployment(
            install,
            WEBHOOK,
            REPLICAS,
            pod::Replace::Overlapping,
            spec,
        ))?,
        Manifest::of(&disruption_budget(install))?,
    ])
}

fn own_pods() -> LabelSelector {
    LabelSelector {
        match_labels: Some([(PART_LABEL.to_owned(), WEBHOOK.to_owned())].into()),
        ..LabelSelector::default()
    }
}

/// Draining a node never takes the last one.
fn disruption_budget(install: &Install) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: install.meta(WEBHOOK, WEBHOOK),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(1)),
            selector: Some(own_pods()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}

/// What the webhook is started with. [`super::Settings`] reads it back.
pub(super) fn arguments(install: &Install) -> Vec<String> {
    let mut args = vec![
        ("sidecar-image", install.sidecar_image.clone()),
        ("sts-url", sts_front_url()),
        ("region", install.region.clone()),
        ("default-delivery", install.default_delivery.clone()),
        ("profile", install.profile.clone()),
        ("native-sidecars", install.native_sidecars.to_string()),
        ("roles", install.roles.clone()),
        ("issuer-aliases", install.issuer_aliases.join(",")),
        ("instance", install.instance.clone()),
        ("namespace", NAMESPACE.to_owned()),
    ];
    match &install.backend {
        Backend::Emulator { .. } => args.push(("emulator-url", emulator_url())),
        Backend::Aws {
            sts_endpoint,
            session_tags,
        } => {
            args.extend([
                ("backend", BACKEND_AWS.to_owned()),
                ("session-tags", session_tags.to_string()),
            ]);
            args.extend(sts_endpoint.clone().map(|url| ("sts-endpoint", url)));
        }
    }
    if let Some(account) = &install.compose_role_arn {
        args.extend([
            ("compose-role-arn", "true".to_owned()),
            ("account", account.clone()),
        ]);
    }
    args.into_iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect()
}

fn container(install: &Install) -> Container {
    Container {
        name: "webhook".to_owned(),
        image: Some(install.webhook_image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(arguments(install)),
        ports: Some(vec![
            pod::port("admission", WEBHOOK_PORT),
            pod::port("sts", STS_FRONT_PORT),
            pod::port("health", WEBHOOK_HEALTH_PORT),
        ]),
        readiness_probe: Some(pod::http_probe("/readyz", WEBHOOK_HEALTH_PORT, 2, 3)),
        liveness_probe: Some(pod::http_probe("/healthz", WEBHOOK_HEALTH_PORT, 10, 6)),
        security_context: Some(pod::locked_down()),
        resources: Some(pod::resources("10m", "32Mi", "128Mi")),
        ..Container::default()
    }
}
