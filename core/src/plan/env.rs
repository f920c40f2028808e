//! The environment variables that a container lacks.

use serde_json::{Value, json};

use super::{Method, Plan};
use crate::contract::{
    AUTHORIZATION_TOKEN_FILE, CREDENTIALS_MOUNT, POD_IDENTITY_URL, SHARED_CREDENTIALS_FILE, env, sidecar_url,
};
use crate::grant::Identity;
use crate::pod_view::ContainerView;

/// The role and the token: EKS adds both or neither.
const WEB_IDENTITY: [&str; 2] = [env::ROLE_ARN, env::TOKEN_FILE];
const CONTAINER_CREDENTIALS: [&str; 2] = [env::CONTAINER_URI, env::CONTAINER_TOKEN_FILE];
const REGION: [&str; 2] = [env::REGION, env::DEFAULT_REGION];

/// Variables to append to a container's `env`, in EKS's order, then those that only a local cluster needs.
pub(super) fn variables(plan: &Plan<'_>, container: ContainerView<'_>) -> Vec<Value> {
    let mut wanted: Vec<(&str, String)> = Vec::new();
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
            if !container.sets(name) && !wanted.iter().any(|(other, _)| other == name) {
                wanted.push((name, value.clone()));
            }
        }
    }
    wanted
        .into_iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
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

fn regional_sts(plan: &Plan<'_>, container: ContainerView<'_>, wanted: &mut Vec<(&str, String)>) {
    if plan.grant.regional_sts && !container.sets(env::STS_REGIONAL_ENDPOINTS) {
        wanted.push((env::STS_REGIONAL_ENDPOINTS, "regional".to_owned()));
    }
}

/// Always the pair, and equal: SDKs that find two different regions choose one at random.
fn region(plan: &Plan<'_>, container: ContainerView<'_>, wanted: &mut Vec<(&str, String)>) {
    let config = plan.input.config;
    let of_recipe = plan.input.effect.region.as_ref().filter(|_| !config.strict_eks);
    let Some(region) = of_recipe.or(config.region.as_ref()) else {
        return;
    };
    if !container.sets_any(&REGION) {
        wanted.push((env::DEFAULT_REGION, region.clone()));
        wanted.push((env::REGION, region.clone()));
    }
}

fn web_identity(plan: &Plan<'_>, container: ContainerView<'_>, wanted: &mut Vec<(&str, String)>) {
    if let Identity::WebIdentity { role_arn } = &plan.grant.identity
        && !container.sets_any(&WEB_IDENTITY)
    {
        wanted.push((env::ROLE_ARN, role_arn.clone()));
        wanted.push((env::TOKEN_FILE, token_path(plan)));
    }
}

fn pod_identity(plan: &Plan<'_>, container: ContainerView<'_>, wanted: &mut Vec<(&str, String)>) {
    if !container.sets_any(&CONTAINER_CREDENTIALS) {
        wanted.push((env::CONTAINER_URI, POD_IDENTITY_URL.to_owned()));
        wanted.push((env::CONTAINER_TOKEN_FILE, token_path(plan)));
    }
}

fn container_credentials(plan: &Plan<'_>, container: ContainerView<'_>, wanted: &mut Vec<(&str, String)>) {
    // Web identity beside a container endpoint would win in new SDKs, and cost old ones a call to the real STS.
    if has_own_identity(container) {
        return;
    }
    wanted.push((env::CONTAINER_URI, sidecar_url()));
    wanted.push((
        env::CONTAINER_TOKEN_FILE,
        format!("{CREDENTIALS_MOUNT}/{AUTHORIZATION_TOKEN_FILE}"),
    ));
    if plan.input.effect.credentials_file && !container.sets(env::SHARED_CREDENTIALS_FILE) {
        wanted.push((
            env::SHARED_CREDENTIALS_FILE,
            format!("{CREDENTIALS_MOUNT}/{SHARED_CREDENTIALS_FILE}"),
        ));
    }
}

fn endpoints(plan: &Plan<'_>, container: ContainerView<'_>, wanted: &mut Vec<(&str, String)>) {
    let config = plan.input.config;
    if !container.sets(env::ENDPOINT) {
        wanted.push((env::ENDPOINT, config.emulator_url.clone()));
    }
    // The web identity provider of Go's SDK v2 honours only the variable of the service.
    if plan.method == Method::WebIdentity && !container.sets(env::ENDPOINT_STS) {
        wanted.push((env::ENDPOINT_STS, config.sts_url.clone()));
    }
}

/// Path of the token as the container sees it; EKS changes it for Windows, but not the mount.
fn token_path(plan: &Plan<'_>) -> String {
    let place = plan.method.token();
    let path = format!("{}/{}", place.mount, place.file);
    if plan.pod.selects_windows() {
        format!("C:{}", path.replace('/', "\\"))
    } else {
        path
    }
}
