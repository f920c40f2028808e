//! Plans the JSONPatch for one Pod.

mod env;
mod sidecar;
mod volumes;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::contract::{
    CONFIG_HASH, DELIVERY, INJECTED, MIN_TOKEN_EXPIRATION, MIRROR_ANNOTATION, SIDECAR, SKIP_CONTAINERS,
    SKIP_LABEL, TOKEN_EXPIRATION,
};
use crate::grant::RoleGrant;
use crate::patch::Additions;
use crate::pod_view::{ContainerList, ContainerView, PodView};
use crate::rules::{Delivery, DeliverySources, RuleEffect, choose_delivery};

/// Settings of an install that shape every patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectConfig {
    /// Region pair to add where neither the container nor a Recipe sets one.
    pub region: Option<String>,
    /// URL of the emulator inside the cluster.
    pub emulator_url: String,
    /// URL of the STS front inside the cluster.
    pub sts_url: String,
    /// Image of the credentials sidecar.
    pub sidecar_image: String,
    /// Whether the cluster runs native sidecars (Kubernetes 1.29 and later).
    pub native_sidecars: bool,
    /// Delivery where nothing else speaks.
    pub default_delivery: Delivery,
    /// Prefix of EKS's annotations.
    pub annotation_prefix: String,
    /// Injects what EKS injects, and nothing else.
    pub strict_eks: bool,
}

/// Everything a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    /// The Pod as the API server sent it.
    pub pod: &'a Value,
    /// What its ServiceAccount grants; `None` where it grants no role.
    pub grant: Option<&'a RoleGrant>,
    /// The ServiceAccount's `irsa-emu.dev/delivery` annotation.
    pub service_account_delivery: Option<&'a str>,
    /// The Namespace's `irsa-emu.dev/delivery` label.
    pub namespace_delivery: Option<&'a str>,
    /// What the Recipes' rules add for this ServiceAccount.
    pub effect: &'a RuleEffect,
    /// Settings of the install.
    pub config: &'a InjectConfig,
}

/// What becomes of a Pod.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The Pod is patched.
    Patched {
        /// `add` operations only.
        patch: json_patch::Patch,
        /// How the Pod gets its credentials.
        delivery: Delivery,
        /// Probable mistakes in the Pod, as sentences for its author.
        warnings: Vec<String>,
    },
    /// The Pod is left alone.
    Skipped {
        /// Why.
        reason: SkipReason,
        /// Probable mistakes in the Pod, as sentences for its author.
        warnings: Vec<String>,
    },
}

/// Why a Pod is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// Its ServiceAccount has no `role-arn` annotation.
    NoRoleArn,
    /// Its ServiceAccount does not exist (yet).
    NoServiceAccount,
    /// The Pod has the label that switches injection off.
    SkipLabel,
    /// It is a mirror Pod of the kubelet.
    MirrorPod,
    /// Everything is there already.
    AlreadyInjected,
    /// Every container is listed in `skip-containers`.
    AllContainersSkipped,
    /// The object is no Pod: it has no list of containers.
    NotAPod,
    /// Delivery `sidecar` cannot serve a Pod on the host's network: its port would be the host's.
    HostNetwork,
}

impl SkipReason {
    /// A fixed word for logs and metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRoleArn => "no-role-arn",
            Self::NoServiceAccount => "no-service-account",
            Self::SkipLabel => "skip-label",
            Self::MirrorPod => "mirror-pod",
            Self::AlreadyInjected => "already-injected",
            Self::AllContainersSkipped => "all-containers-skipped",
            Self::NotAPod => "not-a-pod",
            Self::HostNetwork => "host-network",
        }
    }
}

/// Plans the patch for one Pod.
#[must_use]
pub fn plan_patch(input: &PlanInput<'_>) -> Outcome {
    let Some(pod) = PodView::new(input.pod) else {
        return skipped(SkipReason::NotAPod, Vec::new());
    };
    if pod.has_annotation(MIRROR_ANNOTATION) {
        return skipped(SkipReason::MirrorPod, Vec::new());
    }
    if pod.has_label(SKIP_LABEL) {
        return skipped(SkipReason::SkipLabel, Vec::new());
    }
    let Some(grant) = input.grant else {
        return skipped(SkipReason::NoRoleArn, Vec::new());
    };

    let mut warnings = Vec::new();
    let delivery = delivery_of(pod, input, &mut warnings);
    if delivery == Delivery::Sidecar && pod.is_host_network() {
        warnings.push(
            "delivery sidecar cannot serve a Pod with hostNetwork; use delivery web-identity".to_owned(),
        );
        return skipped(SkipReason::HostNetwork, warnings);
    }
    let skip = skipped_containers(pod, &input.config.annotation_prefix);
    let served: Vec<ContainerView<'_>> = served_containers(pod, delivery)
        .filter(|container| !skip.iter().any(|name| name == container.name()))
        .collect();
    if served.is_empty() {
        return skipped(SkipReason::AllContainersSkipped, warnings);
    }

    let plan = Plan {
        pod,
        grant,
        delivery,
        input,
    };
    let mut additions = Additions::default();
    volumes::add_volumes(&plan, &mut additions);
    for container in &served {
        plan.serve(*container, &mut additions, &mut warnings);
    }
    // Last, as it moves the init containers that the paths above speak of.
    if delivery == Delivery::Sidecar {
        sidecar::add_sidecar(&plan, &mut additions);
    }
    if additions.is_empty() {
        return skipped(SkipReason::AlreadyInjected, warnings);
    }
    if !input.config.strict_eks {
        mark(&plan, &mut additions);
    }
    Outcome::Patched {
        patch: additions.into_patch(),
        delivery,
        warnings,
    }
}

/// One Pod's plan: what every part of the patch is made from.
struct Plan<'a> {
    pod: PodView<'a>,
    grant: &'a RoleGrant,
    delivery: Delivery,
    input: &'a PlanInput<'a>,
}

impl Plan<'_> {
    /// Lifetime of the Pod's token in seconds: the Pod's own annotation wins over the ServiceAccount's.
    fn token_expiration(&self) -> i64 {
        let key = format!("{}/{TOKEN_EXPIRATION}", self.input.config.annotation_prefix);
        let own = self
            .pod
            .annotation(&key)
            .and_then(|text| text.parse::<i64>().ok());
        own.unwrap_or(self.grant.token_expiration)
            .max(MIN_TOKEN_EXPIRATION)
    }

    /// Adds to one container what it lacks.
    fn serve(&self, container: ContainerView<'_>, additions: &mut Additions, warnings: &mut Vec<String>) {
        if container.sets("AWS_ACCESS_KEY_ID") {
            let name = container.name();
            warnings.push(format!(
                "container {name}: AWS_ACCESS_KEY_ID is set and wins over the role in every AWS SDK"
            ));
        }
        let path = [
            "spec".to_owned(),
            container.list.key().to_owned(),
            container.index.to_string(),
        ];
        let mount = volumes::mount_for(self, container);
        if let volumes::Mount::Clash { path: at, volume } = &mount {
            let name = container.name();
            warnings.push(format!(
                "container {name}: volume {volume} is already mounted at {at}; no credentials are added"
            ));
            return;
        }
        additions.append(&path, container.raw, "env", env::variables(self, container));
        if let volumes::Mount::Add(mount) = mount {
            additions.append(&path, container.raw, "volumeMounts", vec![mount]);
        }
    }
}

fn skipped(reason: SkipReason, warnings: Vec<String>) -> Outcome {
    Outcome::Skipped { reason, warnings }
}

fn delivery_of(pod: PodView<'_>, input: &PlanInput<'_>, warnings: &mut Vec<String>) -> Delivery {
    if input.config.strict_eks {
        return Delivery::WebIdentity;
    }
    let (delivery, unknown) = choose_delivery(&DeliverySources {
        pod: pod.annotation(DELIVERY),
        service_account: input.service_account_delivery,
        rule: input.effect.delivery,
        namespace_label: input.namespace_delivery,
        default: input.config.default_delivery,
    });
    if let Some(text) = unknown {
        warnings.push(format!(
            "{DELIVERY}: `{text}` is no delivery (web-identity, sidecar); {} is used",
            delivery.as_str()
        ));
    }
    delivery
}

/// The containers that a delivery serves: all but our own, and but those that run before it.
fn served_containers(pod: PodView<'_>, delivery: Delivery) -> impl Iterator<Item = ContainerView<'_>> {
    let first_init = if delivery == Delivery::Sidecar {
        sidecar::insert_at(pod)
    } else {
        0
    };
    pod.all_containers()
        .filter(|container| container.name() != SIDECAR)
        .filter(move |container| container.list == ContainerList::App || container.index >= first_init)
}

/// The names in the Pod's `skip-containers` annotation: its first CSV record; none where it cannot be read.
fn skipped_containers(pod: PodView<'_>, prefix: &str) -> Vec<String> {
    pod.annotation(&format!("{prefix}/{SKIP_CONTAINERS}"))
        .and_then(first_csv_record)
        .unwrap_or_default()
}

/// The fields of the first CSV record (RFC 4180, as Go's reader takes it: a quote inside a bare field is an error).
fn first_csv_record(text: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text.trim_start_matches(['\r', '\n']);
    if rest.is_empty() {
        return None;
    }
    loop {
        let (field, tail) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_field(quoted)?
        } else {
            let end = rest.find([',', '\r', '\n']).unwrap_or(rest.len());
            let bare = &rest[..end];
            if bare.contains('"') {
                return None;
            }
            (bare.to_owned(), &rest[end..])
        };
        fields.push(field);
        match tail.strip_prefix(',') {
            Some(more) => rest = more,
            None if tail.is_empty() || tail.starts_with(['\r', '\n']) => return Some(fields),
            None => return None,
        }
    }
}

/// A field whose opening quote has been read, and what follows its closing one.
fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, after)),
        }
    }
}

/// Marks the Pod as injected, and with which settings, so that stale Pods can be found.
fn mark(plan: &Plan<'_>, additions: &mut Additions) {
    let marks = vec![
        (INJECTED.to_owned(), Value::from(plan.delivery.as_str())),
        (CONFIG_HASH.to_owned(), Value::from(config_hash(plan))),
    ];
    let pod = plan.pod.raw();
    match pod.get("metadata") {
        Some(metadata) => additions.set_absent(&["metadata".to_owned()], metadata, "annotations", marks),
        None => additions.set_absent(
            &[],
            pod,
            "metadata",
            vec![("annotations".to_owned(), marks.into_iter().collect())],
        ),
    }
}

/// Twelve hexadecimal digits over everything but the Pod that shapes the patch.
fn config_hash(plan: &Plan<'_>) -> String {
    let shape = format!(
        "{:?}\n{:?}\n{:?}\n{:?}",
        plan.grant, plan.delivery, plan.input.effect, plan.input.config
    );
    let digest = Sha256::digest(shape);
    let first_bytes = digest
        .iter()
        .take(6)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{first_bytes:012x}")
}
