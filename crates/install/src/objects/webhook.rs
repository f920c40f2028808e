//! The webhook: admission, STS front and keeper in one Deployment.

use irsa_emu_cluster::kubernetes::apply::{ApplyError, Manifest};
use irsa_emu_core::contract::PART_LABEL;
use irsa_emu_core::contract::{
    RUN_AS, STS_FRONT, STS_FRONT_PORT, WEBHOOK, WEBHOOK_HEALTH_PORT, WEBHOOK_PORT,
};
use irsa_emu_core::install::InstallSettings;
use k8s_openapi::api::core::v1::{Container, TopologySpreadConstraint};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::pod;
use crate::objects::install::Install;

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

/// What the webhook is started with. [`InstallSettings::from_flags`] reads it back.
fn arguments(settings: &InstallSettings) -> Vec<String> {
    let flags = settings.flags().into_iter();
    flags.map(|(name, value)| format!("--{name}={value}")).collect()
}

fn container(install: &Install) -> Container {
    Container {
        name: "webhook".to_owned(),
        image: Some(install.webhook_image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(arguments(&install.settings)),
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
