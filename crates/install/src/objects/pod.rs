//! The parts that all our Pods share.

use std::collections::BTreeMap;

use irsa_emu_core::contract::PART_LABEL;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, HTTPGetAction, PodSecurityContext, PodSpec, PodTemplateSpec,
    Probe, ResourceRequirements, SeccompProfile, SecurityContext, Service, ServicePort, ServiceSpec,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;

use crate::objects::install::Install;

/// How the Pod of a Deployment is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replace {
    /// The old one ends first: two would disagree about their state.
    Apart,
    /// The new one is ready first: somebody always responds.
    Overlapping,
}

impl Replace {
    fn strategy(self) -> DeploymentStrategy {
        let rolling = RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(1)),
            max_unavailable: Some(IntOrString::Int(0)),
        };
        let (name, rolling_update) = match self {
            Self::Apart => ("Recreate", None),
            Self::Overlapping => ("RollingUpdate", Some(rolling)),
        };
        DeploymentStrategy {
            type_: Some(name.to_owned()),
            rolling_update,
        }
    }
}

/// A Deployment of so many Pods.
pub(super) fn deployment(
    install: &Install,
    name: &str,
    replicas: i32,
    replace: Replace,
    spec: PodSpec,
) -> Deployment {
    let selector = BTreeMap::from([(PART_LABEL.to_owned(), name.to_owned())]);
    let mut labels = install.labels();
    labels.extend(selector.clone());
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            ..ObjectMeta::default()
        }),
        spec: Some(spec),
    };
    Deployment {
        metadata: install.meta(name, name),
        spec: Some(DeploymentSpec {
            replicas: Some(replicas),
            revision_history_limit: Some(2),
            selector: LabelSelector {
                match_labels: Some(selector),
                ..LabelSelector::default()
            },
            strategy: Some(replace.strategy()),
            template,
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// A Service in front of a part; each port as (name, port, target, node port).
pub(super) fn service(
    install: &Install,
    part: &str,
    name: &str,
    exposed: (&str, u16, u16, Option<u16>),
) -> Service {
    let (label, number, target, node_port) = exposed;
    let exposed = ServicePort {
        name: Some(label.to_owned()),
        port: number.into(),
        target_port: Some(IntOrString::Int(target.into())),
        node_port: node_port.map(i32::from),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    let kind = if node_port.is_some() {
        "NodePort"
    } else {
        "ClusterIP"
    };
    Service {
        metadata: install.meta(part, name),
        spec: Some(ServiceSpec {
            type_: Some(kind.to_owned()),
            selector: Some(BTreeMap::from([(PART_LABEL.to_owned(), part.to_owned())])),
            ports: Some(vec![exposed]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// A Pod that runs as this user, with this container.
pub(super) fn pod(user: i64, container: Container) -> PodSpec {
    let security = PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(user),
        run_as_group: Some(user),
        fs_group: Some(user),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    };
    PodSpec {
        containers: vec![container],
        security_context: Some(security),
        // Variables for every Service of the Namespace: nobody reads them, and an emulator may misread some.
        enable_service_links: Some(false),
        ..PodSpec::default()
    }
}

/// What every container may do: nothing.
pub(super) fn locked_down() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}

pub(super) fn port(name: &str, port: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: port.into(),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

/// A probe over plain HTTP.
pub(super) fn http_probe(path: &str, port: u16, period_seconds: i32, failure_threshold: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(port.into()),
            scheme: Some("HTTP".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        failure_threshold: Some(failure_threshold),
        timeout_seconds: Some(3),
        ..Probe::default()
    }
}

pub(super) fn quantity(text: &str) -> Quantity {
    Quantity(text.to_owned())
}

pub(super) fn resources(cpu: &str, memory: &str, memory_limit: &str) -> ResourceRequirements {
    let entry = |name: &str, value: &str| (name.to_owned(), quantity(value));
    ResourceRequirements {
        requests: Some(BTreeMap::from([entry("cpu", cpu), entry("memory", memory)])),
        limits: Some(BTreeMap::from([entry("memory", memory_limit)])),
        ..ResourceRequirements::default()
    }
}
