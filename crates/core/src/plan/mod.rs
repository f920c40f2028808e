//! Plans the JSONPatch for one Pod.

mod env;
mod hash;
mod input;
mod pod_plan;
mod selection;
mod sidecar;
mod trace;
mod volumes;

pub use self::env::RegionSource;
use self::hash::config_hash;
pub use self::input::{InjectConfig, Method, PlanInput, PlanOutcome, SkipReason};
use self::pod_plan::PodPlan;
use self::selection::{method_of, served_containers, skipped_containers};
pub use self::trace::{ContainerTrace, Fate, Trace, trace};
use crate::contract::{CONFIG_HASH, INJECTED, MIRROR_ANNOTATION, POD_IDENTITY_LABEL, SKIP_LABEL};
use crate::grant::{mistakes_of_pod, mistakes_of_service_account};
use crate::patch::Additions;
use crate::pod_view::{ContainerView, PodView};

const METADATA: &str = "/metadata";

/// Plans the patch for one Pod.
#[must_use]
pub fn plan_patch(input: &PlanInput<'_>) -> PlanOutcome {
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
    let plan = PodPlan {
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
    PlanOutcome::Patched {
        patch: additions.into_patch(),
        method,
        warnings,
    }
}

impl PodPlan<'_> {
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

fn skipped(reason: SkipReason, warnings: Vec<String>) -> PlanOutcome {
    PlanOutcome::Skipped { reason, warnings }
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
    // What a Secret holds is not ours to read; its name is enough for a warning.
    for source in container.suspicious_sources() {
        warnings.push(format!(
            "container {name}: if {source} of envFrom holds AWS_ACCESS_KEY_ID, that wins over the role in every AWS SDK"
        ));
    }
}

/// Marks the Pod as injected, and with which settings, so that stale Pods can be found.
fn mark(plan: &PodPlan<'_>, additions: &mut Additions) {
    let hash = config_hash(plan);
    let marks = [(INJECTED, plan.method.as_str()), (CONFIG_HASH, &hash)];
    additions.make_object(METADATA, plan.pod.has_metadata());
    additions.set_absent("/metadata/annotations", plan.pod.annotations(), &marks);
}
