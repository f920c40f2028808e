//! Who chose what in a plan: for people who ask why their Pod is what it is.

use super::env::{self, RegionSource};
use super::hash::config_hash;
use super::input::{Method, PlanInput};
use super::pod_plan::PodPlan;
use super::selection::{method_of, served_containers, skipped_containers};
use super::volumes;
use crate::contract::SIDECAR;
use crate::pod_view::{Container, ContainerList, ContainerView};
use crate::rules::DeliverySource;

/// What shapes a Pod, and who chose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// How the Pod gets its credentials.
    pub method: Method,
    /// Who chose that; `None` where there was no choice.
    pub chosen_by: Option<DeliverySource>,
    /// The region of containers that set none.
    pub region: Option<(String, RegionSource)>,
    /// The mark that a Pod of these settings bears; `None` where Pods bear none.
    pub config_hash: Option<String>,
    /// Every container, in the order in which they start.
    pub containers: Vec<ContainerTrace>,
}

/// What becomes of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerTrace {
    /// Its name.
    pub name: String,
    /// Whether it is an init container.
    pub is_init: bool,
    /// Whether it is served.
    pub fate: Fate,
    /// The variables that it is given.
    pub added: Vec<(String, String)>,
    /// Variables that it would be given, but sets itself.
    pub kept: Vec<String>,
}

/// Whether a container is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is.
    Served,
    /// The Pod's `skip-containers` annotation names it.
    Skipped,
    /// It has something else mounted where the token or the credentials belong.
    Clash,
    /// It ends before the sidecar starts.
    TooEarly,
    /// It is our own.
    Sidecar,
}

/// Traces a plan; `None` where the ServiceAccount grants nothing, so that there is none.
#[must_use]
pub fn trace(input: &PlanInput<'_>) -> Option<Trace> {
    let (pod, grant) = (input.pod, input.grant?);
    let (method, chosen_by) = method_of(pod, grant, input, &mut Vec::new());
    let plan = PodPlan {
        pod,
        grant,
        method,
        token_path: env::token_path(pod, method),
        input,
    };
    let skipped = skipped_containers(pod, &input.config.annotation_prefix);
    let served: Vec<_> = served_containers(pod, method)
        .map(|container| (container.list, container.index))
        .collect();
    let fate = |container: ContainerView<'_>| {
        if container.name() == SIDECAR {
            Fate::Sidecar
        } else if !served.contains(&(container.list, container.index)) {
            Fate::TooEarly
        } else if skipped.iter().any(|name| name == container.name()) {
            Fate::Skipped
        } else if matches!(volumes::mount_for(&plan, container), volumes::Mount::Clash { .. }) {
            Fate::Clash
        } else {
            Fate::Served
        }
    };
    Some(Trace {
        method,
        chosen_by,
        region: env::chosen_region(input).map(|(region, source)| (region.to_owned(), source)),
        config_hash: (!input.config.strict_eks).then(|| config_hash(&plan)),
        containers: pod
            .all_containers()
            .map(|container| trace_container(&plan, container, fate(container)))
            .collect(),
    })
}

fn trace_container(plan: &PodPlan<'_>, container: ContainerView<'_>, fate: Fate) -> ContainerTrace {
    let (mut added, mut kept) = (Vec::new(), Vec::new());
    if fate == Fate::Served {
        let variables = env::variables(plan, container);
        added.extend(
            variables
                .into_iter()
                .map(|variable| (variable.name.to_owned(), variable.value.into_owned())),
        );
        let nothing = Container::default();
        let bare = env::variables(plan, container.emptied(&nothing));
        let wanted = bare.iter().map(|variable| variable.name).chain(env::IDENTITY);
        for name in wanted.filter(|name| container.sets(name)) {
            if !kept.iter().any(|other| other == name) {
                kept.push(name.to_owned());
            }
        }
    }
    ContainerTrace {
        name: container.name().to_owned(),
        is_init: container.list == ContainerList::Init,
        fate,
        added,
        kept,
    }
}
