//! The environment variables that a container lacks.

use std::borrow::Cow;

use serde::Serialize;

use super::input::{Method, PlanInput};
use super::pod_plan::PodPlan;
use crate::contract::{
    AUTHORIZATION_TOKEN_FILE, CREDENTIALS_MOUNT, POD_IDENTITY_URL, SHARED_CREDENTIALS_FILE, env, sidecar_url,
};
use crate::grant::Identity;
use crate::pod_view::{ContainerView, PodView};

/// Variables that give an SDK its identity.
pub(super) const IDENTITY: [&str; 4] = [
    env::ROLE_ARN,
    env::TOKEN_FILE,
    env::CONTAINER_URI,
    env::CONTAINER_TOKEN_FILE,
];
/// The role and the token: EKS adds both or neither.
const WEB_IDENTITY: [&str; 2] = [env::ROLE_ARN, env::TOKEN_FILE];
const CONTAINER_CREDENTIALS: [&str; 2] = [env::CONTAINER_URI, env::CONTAINER_TOKEN_FILE];
const REGION: [&str; 2] = [env::REGION, env::DEFAULT_REGION];

/// Who chose a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionSource {
    /// The Recipe whose rule names the ServiceAccount.
    Recipe,
    /// The install.
    Install,
}

/// An item of a container's `env`.
#[derive(Debug, Serialize)]
pub(super) struct Variable<'a> {
    pub(super) name: &'a str,
    pub(super) value: Cow<'a, str>,
}

/// Variables to be, in their order.
type Wanted<'a> = Vec<Variable<'a>>;

fn want<'a>(wanted: &mut Wanted<'a>, name: &'a str, value: impl Into<Cow<'a, str>>) {
    let value = value.into();
    wanted.push(Variable { name, value });
}

/// Variables to append to a container's `env`, in EKS's order, then those that only a local cluster needs.
pub(super) fn variables<'a>(plan: &'a PodPlan<'_>, container: ContainerView<'_>) -> Wanted<'a> {
    let mut wanted = Vec::with_capacity(10);
    if !eks_leaves_alone(plan.method, container) {
        regional_sts(plan, container, &mut wanted);
        region(plan, container, &mut wanted);
        match plan.method {
            Method::WebIdentity => web_identity(plan, container, &mut wanted),
            Method::Sidecar => container_credentials(plan, container, &mut wanted),
            Method::PodIdentity => pod_identity(plan, container, &mut wanted),
        }
    }
    if !plan.input.config.strict_eks {
        endpoints(plan, container, &mut wanted);
        for (name, value) in &plan.input.effect.env {
            if !container.sets(name) && !wanted.iter().any(|other| other.name == name) {
                want(&mut wanted, name, value);
            }
        }
    }
    wanted
}

/// EKS's early exit: a container that sets all of it itself is not touched, and gets no mount either.
pub(super) fn eks_leaves_alone(method: Method, container: ContainerView<'_>) -> bool {
    let identity = match method {
        Method::WebIdentity => WEB_IDENTITY,
        Method::PodIdentity => CONTAINER_CREDENTIALS,
        // Not EKS's.
        Method::Sidecar => return false,
    };
    container.sets_any(&identity)
        && container.sets_any(&REGION)
        && container.sets(env::STS_REGIONAL_ENDPOINTS)
}

/// Whether the container names an identity of its own, which is never overwritten or mixed with ours.
pub(super) fn has_own_identity(container: ContainerView<'_>) -> bool {
    container.sets_any(&WEB_IDENTITY) || container.sets_any(&CONTAINER_CREDENTIALS)
}

fn regional_sts<'a>(plan: &'a PodPlan<'_>, container: ContainerView<'_>, wanted: &mut Wanted<'a>) {
    if plan.grant.regional_sts && !container.sets(env::STS_REGIONAL_ENDPOINTS) {
        want(wanted, env::STS_REGIONAL_ENDPOINTS, "regional");
    }
}

/// Always the pair, and equal: SDKs that find two different regions choose one at random.
fn region<'a>(plan: &'a PodPlan<'_>, container: ContainerView<'_>, wanted: &mut Wanted<'a>) {
    let Some((region, _)) = chosen_region(plan.input) else {
        return;
    };
    if !container.sets_any(&REGION) {
        want(wanted, env::DEFAULT_REGION, region);
        want(wanted, env::REGION, region);
    }
}

/// The region of a Pod, and who chose it.
pub(super) fn chosen_region<'a>(input: &PlanInput<'a>) -> Option<(&'a str, RegionSource)> {
    let of_recipe = input
        .effect
        .region
        .as_deref()
        .filter(|_| !input.config.strict_eks);
    let of_install = || Some((input.config.region.as_deref()?, RegionSource::Install));
    of_recipe
        .map(|region| (region, RegionSource::Recipe))
        .or_else(of_install)
}

fn web_identity<'a>(plan: &'a PodPlan<'_>, container: ContainerView<'_>, wanted: &mut Wanted<'a>) {
    if let Identity::WebIdentity { role_arn } = &plan.grant.identity
        && !container.sets_any(&WEB_IDENTITY)
    {
        want(wanted, env::ROLE_ARN, role_arn);
        want(wanted, env::TOKEN_FILE, &*plan.token_path);
    }
}

fn pod_identity<'a>(plan: &'a PodPlan<'_>, container: ContainerView<'_>, wanted: &mut Wanted<'a>) {
    if !container.sets_any(&CONTAINER_CREDENTIALS) {
        want(wanted, env::CONTAINER_URI, POD_IDENTITY_URL);
        want(wanted, env::CONTAINER_TOKEN_FILE, &*plan.token_path);
    }
}

fn container_credentials<'a>(plan: &'a PodPlan<'_>, container: ContainerView<'_>, wanted: &mut Wanted<'a>) {
    // Web identity beside a container endpoint would win in new SDKs, and cost old ones a call to the real STS.
    if has_own_identity(container) {
        return;
    }
    want(wanted, env::CONTAINER_URI, sidecar_url());
    let token = format!("{CREDENTIALS_MOUNT}/{AUTHORIZATION_TOKEN_FILE}");
    want(wanted, env::CONTAINER_TOKEN_FILE, token);
    if plan.input.effect.credentials_file && !container.sets(env::SHARED_CREDENTIALS_FILE) {
        let file = format!("{CREDENTIALS_MOUNT}/{SHARED_CREDENTIALS_FILE}");
        want(wanted, env::SHARED_CREDENTIALS_FILE, file);
    }
}

fn endpoints<'a>(plan: &'a PodPlan<'_>, container: ContainerView<'_>, wanted: &mut Wanted<'a>) {
    let config = plan.input.config;
    let Some(emulator) = &config.emulator_url else {
        return;
    };
    if !container.sets(env::ENDPOINT) {
        want(wanted, env::ENDPOINT, emulator);
    }
    // The web identity provider of Go's SDK v2 honours only the variable of the service.
    if plan.method == Method::WebIdentity && !container.sets(env::ENDPOINT_STS) {
        want(wanted, env::ENDPOINT_STS, &config.sts_url);
    }
    // A container with an endpoint of its own means S3, too; and a Recipe's rule knows better than we do.
    let is_ours =
        |name: &str| !container.sets_any(&[env::ENDPOINT, name]) && !plan.input.effect.env.contains_key(name);
    if let Some(s3) = &config.s3_url
        && is_ours(env::ENDPOINT_S3)
    {
        want(wanted, env::ENDPOINT_S3, s3);
    }
    if is_ours(env::DISABLE_HOST_PREFIX) {
        want(wanted, env::DISABLE_HOST_PREFIX, "true");
    }
}

/// Path of the token as the container sees it; EKS changes it for Windows, but not the mount.
pub(super) fn token_path(pod: &PodView<'_>, method: Method) -> String {
    let place = method.token();
    let path = [place.mount, "/", place.file].concat();
    if pod.selects_windows() {
        format!("C:{}", path.replace('/', "\\"))
    } else {
        path
    }
}
