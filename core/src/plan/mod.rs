//! Plans the JSONPatch for one Pod.

mod env;
mod sidecar;
mod trace;
mod volumes;

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

pub use self::trace::{ContainerTrace, Fate, RegionSource, Trace, trace};
use crate::contract::{
    CONFIG_HASH, DEFAULT_TOKEN_EXPIRATION, DELIVERY, INJECTED, MAX_TOKEN_EXPIRATION, MIN_TOKEN_EXPIRATION,
    MIRROR_ANNOTATION, POD_IDENTITY_LABEL, POD_IDENTITY_MIN_EXPIRATION, SIDECAR, SKIP_CONTAINERS, SKIP_LABEL,
    TOKEN_EXPIRATION,
};
use crate::grant::{Grant, Identity, mistakes_of_pod, mistakes_of_service_account, parse_seconds};
use crate::patch::{Additions, Patch};
use crate::pod_view::{ContainerList, ContainerView, PodView};
use crate::rules::{
    Delivery, DeliverySource, DeliverySources, RuleEffect, choose_delivery, delivery_annotation,
};
use crate::trust_policy::shorten;

const METADATA: &str = "/metadata";

/// Settings of an install that shape every patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InjectConfig {
    /// Region pair to add where neither the container nor a Recipe sets one.
    pub region: Option<String>,
    /// URL of the emulator inside the cluster. `None` where credentials are good for real AWS: then no endpoint is added,
    /// and only the sidecar serves, as SDKs would take a web identity to an STS that does not know this cluster.
    pub emulator_url: Option<String>,
    /// URL of the emulator for S3: with the ClusterIP of its Service as host, so that every SDK asks in path style. `None`
    /// where that is not known.
    pub s3_url: Option<String>,
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
    pub pod: &'a PodView<'a>,
    /// The annotations of its ServiceAccount; `None` where it is not known.
    pub service_account: Option<&'a BTreeMap<String, String>>,
    /// What its ServiceAccount grants; `None` where it grants no role.
    pub grant: Option<&'a Grant>,
    /// The Namespace's `irsa-emu.dev/delivery` label.
    pub namespace_delivery: Option<&'a str>,
    /// What the Recipes' rules add for this ServiceAccount.
    pub effect: &'a RuleEffect,
    /// Settings of the install.
    pub config: &'a InjectConfig,
    /// A random number: tokens of EKS Pod Identity do not all expire at once.
    pub jitter: u32,
}

/// What becomes of a Pod.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The Pod is patched.
    Patched {
        /// `add` operations only.
        patch: Patch,
        /// How the Pod gets its credentials.
        method: Method,
        /// Probable mistakes, as sentences for the Pod's author.
        warnings: Vec<String>,
    },
    /// The Pod is left alone.
    Skipped {
        /// Why.
        reason: SkipReason,
        /// Probable mistakes, as sentences for the Pod's author.
        warnings: Vec<String>,
    },
    /// The object is none that Kubernetes could read as a Pod, so there is no view to plan for; the sentence says where
    /// ([`PodView::of`]). EKS denies it.
    Malformed(String),
}

/// How a Pod gets its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Delivery `web-identity`.
    WebIdentity,
    /// Delivery `sidecar`.
    Sidecar,
    /// EKS Pod Identity, for which there is no choice of delivery.
    PodIdentity,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 3] = [Self::WebIdentity, Self::Sidecar, Self::PodIdentity];

    /// A fixed word for logs, metric labels and the mark on the Pod.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebIdentity => Delivery::WebIdentity.as_str(),
            Self::Sidecar => Delivery::Sidecar.as_str(),
            Self::PodIdentity => "pod-identity",
        }
    }
}

impl From<Delivery> for Method {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::WebIdentity => Self::WebIdentity,
            Delivery::Sidecar => Self::Sidecar,
        }
    }
}

/// Why a Pod is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// Its ServiceAccount names no role.
    NoRoleArn,
    /// Its ServiceAccount does not exist (yet).
    NoServiceAccount,
    /// Whether its ServiceAccount names a role could not be found out.
    LookupFailed,
    /// The Pod has the label that switches injection off.
    SkipLabel,
    /// It is a mirror Pod of the kubelet.
    MirrorPod,
    /// Everything is there already.
    AlreadyInjected,
    /// Every container that delivery `sidecar` would serve is listed in `skip-containers`.
    AllContainersSkipped,
    /// The object has no containers.
    NotAPod,
    /// Delivery `sidecar` cannot serve a Pod on the host's network: its port would be the host's.
    HostNetwork,
    /// Delivery `sidecar` is the only one there is, and it does not run on Windows.
    Windows,
}

impl SkipReason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::NoRoleArn,
        Self::NoServiceAccount,
        Self::LookupFailed,
        Self::SkipLabel,
        Self::MirrorPod,
        Self::AlreadyInjected,
        Self::AllContainersSkipped,
        Self::NotAPod,
        Self::HostNetwork,
        Self::Windows,
    ];

    /// A fixed word for logs and metric labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRoleArn => "no-role-arn",
            Self::NoServiceAccount => "no-service-account",
            Self::LookupFailed => "lookup-failed",
            Self::SkipLabel => "skip-label",
            Self::MirrorPod => "mirror-pod",
            Self::AlreadyInjected => "already-injected",
            Self::AllContainersSkipped => "all-containers-skipped",
            Self::NotAPod => "not-a-pod",
            Self::HostNetwork => "host-network",
            Self::Windows => "windows",
        }
    }
}

/// Plans the patch for one Pod.
#[must_use]
pub fn plan_patch(input: &PlanInput<'_>) -> Outcome {
    let pod = input.pod;
    if !pod.is_pod() {
        return skipped(SkipReason::NotAPod, Vec::new());
    }
    if pod.has_annotation(MIRROR_ANNOTATION) {
        return skipped(SkipReason::MirrorPod, Vec::new());
    }
    if pod.has_label(SKIP_LABEL) {
        return skipped(SkipReason::SkipLabel, Vec::new());
    }
    let mut warnings = mistakes(pod, input);
    let Some(grant) = input.grant else {
        let reason = match input.service_account {
            Some(_) => SkipReason::NoRoleArn,
            None => SkipReason::NoServiceAccount,
        };
        return skipped(reason, warnings);
    };
    let (method, _) = method_of(pod, grant, input, &mut warnings);
    if method == Method::Sidecar && pod.is_host_network() {
        warnings.push(
            "delivery sidecar cannot serve a Pod with hostNetwork; use delivery web-identity".to_owned(),
        );
        return skipped(SkipReason::HostNetwork, warnings);
    }
    if method == Method::Sidecar && pod.is_windows() {
        warnings.push("the sidecar does not run on Windows, and nothing else serves real AWS".to_owned());
        return skipped(SkipReason::Windows, warnings);
    }
    let skip = skipped_containers(pod, &input.config.annotation_prefix);
    let served: Vec<ContainerView<'_>> = served_containers(pod, method)
        .filter(|container| !skip.iter().any(|name| name == container.name()))
        .collect();
    // EKS adds its volume all the same; a sidecar that serves nobody would be a joke.
    if served.is_empty() && method == Method::Sidecar {
        return skipped(SkipReason::AllContainersSkipped, warnings);
    }
    let plan = Plan {
        pod,
        grant,
        method,
        token_path: env::token_path(pod, method),
        input,
    };
    let additions = plan.additions(&served, &mut warnings);
    if additions.is_empty() {
        return skipped(SkipReason::AlreadyInjected, warnings);
    }
    Outcome::Patched {
        patch: additions.into_patch(),
        method,
        warnings,
    }
}

/// One Pod's plan: what every part of the patch is made from.
struct Plan<'a> {
    pod: &'a PodView<'a>,
    grant: &'a Grant,
    method: Method,
    /// Path of the token as containers see it.
    token_path: String,
    input: &'a PlanInput<'a>,
}

impl Plan<'_> {
    /// Everything that the Pod lacks.
    fn additions(&self, served: &[ContainerView<'_>], warnings: &mut Vec<String>) -> Additions {
        let mut additions = Additions::default();
        if self.method == Method::PodIdentity {
            self.label(&mut additions);
        }
        volumes::add_volumes(self, &mut additions);
        for container in served {
            self.serve(*container, &mut additions, warnings);
        }
        // Last, as it moves the init containers that the paths above speak of.
        if self.method == Method::Sidecar {
            sidecar::add_sidecar(self, &mut additions);
        }
        if !additions.is_empty() && !self.input.config.strict_eks {
            mark(self, &mut additions);
        }
        additions
    }

    /// Lifetime of the Pod's token in seconds: the Pod's own annotation wins over the ServiceAccount's.
    fn token_expiration(&self) -> i64 {
        let prefix = &self.input.config.annotation_prefix;
        let own = self.pod.annotation_of(prefix, TOKEN_EXPIRATION);
        let seconds = own
            .and_then(parse_seconds)
            .unwrap_or(self.grant.token_expiration)
            .clamp(MIN_TOKEN_EXPIRATION, MAX_TOKEN_EXPIRATION);
        if self.method == Method::PodIdentity && seconds == DEFAULT_TOKEN_EXPIRATION {
            let span = DEFAULT_TOKEN_EXPIRATION - POD_IDENTITY_MIN_EXPIRATION + 1;
            POD_IDENTITY_MIN_EXPIRATION + i64::from(self.input.jitter) % span
        } else {
            seconds
        }
    }

    /// The label by which EKS's agent and its users find Pods.
    fn label(&self, additions: &mut Additions) {
        additions.make_object(METADATA, self.pod.has_metadata());
        additions.set_absent(
            "/metadata/labels",
            self.pod.labels(),
            &[(POD_IDENTITY_LABEL, "enabled")],
        );
    }

    /// Adds to one container what it lacks.
    fn serve(&self, container: ContainerView<'_>, additions: &mut Additions, warnings: &mut Vec<String>) {
        warn_of_static_keys(container, warnings);
        let mount = volumes::mount_for(self, container);
        if let volumes::Mount::Clash { path: at, volume } = &mount {
            let name = container.name();
            warnings.push(format!(
                "container {name}: volume {volume} is already mounted at {at}; no credentials are added"
            ));
            return;
        }
        let place = format!("/spec/{}/{}", container.list.key(), container.index);
        let variables = env::variables(self, container);
        additions.append(&[&place, "/env"].concat(), container.has_env(), &variables);
        if let volumes::Mount::Add(mount) = mount {
            let mounts = [&place, "/volumeMounts"].concat();
            additions.append(&mounts, container.has_volume_mounts(), &[mount]);
        }
    }
}

fn skipped(reason: SkipReason, warnings: Vec<String>) -> Outcome {
    Outcome::Skipped { reason, warnings }
}

/// Probable mistakes in the annotations of the Pod and its ServiceAccount.
fn mistakes(pod: &PodView<'_>, input: &PlanInput<'_>) -> Vec<String> {
    let prefix = &input.config.annotation_prefix;
    let mut found = mistakes_of_pod(pod.all_annotations(), prefix);
    if let Some(annotations) = input.service_account {
        found.extend(mistakes_of_service_account(annotations, prefix));
    }
    found
}

/// Keys in the environment win over any role in every AWS SDK.
fn warn_of_static_keys(container: ContainerView<'_>, warnings: &mut Vec<String>) {
    let name = container.name();
    if container.sets("AWS_ACCESS_KEY_ID") {
        warnings.push(format!(
            "container {name}: AWS_ACCESS_KEY_ID is set and wins over the role in every AWS SDK"
        ));
    }
    // What a Secret holds is not ours to read; its name tells enough to warn.
    for source in container.suspicious_sources() {
        warnings.push(format!(
            "container {name}: if {source} of envFrom holds AWS_ACCESS_KEY_ID, that wins over the role in every AWS SDK"
        ));
    }
}

/// How the Pod gets its credentials, and who chose that; nobody does where there is no choice.
fn method_of(
    pod: &PodView<'_>,
    grant: &Grant,
    input: &PlanInput<'_>,
    warnings: &mut Vec<String>,
) -> (Method, Option<DeliverySource>) {
    if grant.identity == Identity::PodIdentity {
        return (Method::PodIdentity, None);
    }
    if input.config.strict_eks {
        return (Method::WebIdentity, None);
    }
    let choice = choose_delivery(&DeliverySources {
        pod: pod.annotation(DELIVERY),
        service_account: input.service_account.and_then(delivery_annotation),
        rule: input.effect.delivery,
        namespace_label: input.namespace_delivery,
        default: input.config.default_delivery,
    });
    if let Some(text) = choice.unknown {
        warnings.push(format!(
            "{DELIVERY}: `{}` is no delivery (web-identity, sidecar); {} is used",
            shorten(&text),
            choice.delivery.as_str()
        ));
    }
    if input.config.emulator_url.is_none() {
        if choice.delivery != Delivery::Sidecar {
            warnings.push(format!(
                "{DELIVERY}: credentials of real AWS come by the sidecar only, so {} is not used",
                choice.delivery.as_str()
            ));
        }
        let followed = (choice.delivery == Delivery::Sidecar).then_some(choice.source);
        return (Method::Sidecar, followed);
    }
    if choice.delivery == Delivery::Sidecar && pod.is_windows() {
        warnings.push(
            "the sidecar does not run on Windows; the Pod gets delivery web-identity in its place".to_owned(),
        );
        return (Method::WebIdentity, None);
    }
    (choice.delivery.into(), Some(choice.source))
}

/// The containers that a method serves: all but our own, and but those that run before it.
fn served_containers<'a>(pod: &'a PodView<'_>, method: Method) -> impl Iterator<Item = ContainerView<'a>> {
    let first_init = if method == Method::Sidecar {
        sidecar::insert_at(pod)
    } else {
        0
    };
    pod.all_containers()
        .filter(|container| container.name() != SIDECAR)
        .filter(move |container| container.list == ContainerList::App || container.index >= first_init)
}

/// The names in the Pod's `skip-containers` annotation: its first CSV record; none where it cannot be read.
fn skipped_containers(pod: &PodView<'_>, prefix: &str) -> Vec<String> {
    pod.annotation_of(prefix, SKIP_CONTAINERS)
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
    let hash = config_hash(plan);
    let marks = [(INJECTED, plan.method.as_str()), (CONFIG_HASH, &hash)];
    additions.make_object(METADATA, plan.pod.has_metadata());
    additions.set_absent("/metadata/annotations", plan.pod.annotations(), &marks);
}

/// Everything but the Pod that shapes the patch.
#[derive(Serialize)]
struct Shape<'a> {
    config: &'a InjectConfig,
    effect: &'a RuleEffect,
    grant: &'a Grant,
    method: &'static str,
}

/// Twelve hexadecimal digits over everything but the Pod that shapes the patch: SHA-256 over JSON without spaces, with
/// fields in the order of their declarations and maps in the order of their keys. No compiler has a say in that.
fn config_hash(plan: &Plan<'_>) -> String {
    let shape = Shape {
        config: plan.input.config,
        effect: plan.input.effect,
        grant: plan.grant,
        method: plan.method.as_str(),
    };
    // Structures of texts, numbers and maps of texts: such JSON is always written.
    let text = serde_json::to_vec(&shape).unwrap_or_default();
    let digest = Sha256::digest(text);
    let first_bytes = digest
        .iter()
        .take(6)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{first_bytes:012x}")
}
