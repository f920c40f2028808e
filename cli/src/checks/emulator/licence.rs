//! Whether the emulator's image runs without a licence.

use irsa_emu_core::contract::{DEFAULT_EMULATOR_IMAGE, EMULATOR, NAMESPACE};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::EnvVar;

use crate::checks::engine::{Trouble, Verdict, fine, nothing};
use crate::checks::{Surroundings, image};
use crate::manifests::LICENCES;
use crate::manifests::auth_token::{self, AUTH_TOKEN, AUTH_TOKEN_SECRET};

/// The first release of LocalStack that does not start without a licence.
const LICENSED_SINCE: (u32, u32) = (2026, 3);
/// Tags that move to the newest release.
const MOVING: [&str; 3] = ["latest", "stable", "dev"];

pub(super) async fn covered(s: &Surroundings<'_>) -> Verdict {
    if s.is_real_aws().await? {
        return nothing("the backend is real AWS: there is no emulator");
    }
    let deployment = s.deployment(EMULATOR).await?;
    let image = image(&deployment).unwrap_or_default();
    let runs = deployment
        .status
        .as_ref()
        .and_then(|status| status.available_replicas)
        > Some(0);
    if runs || !needs_licence(&image) || has_token(s, &deployment).await? {
        return fine(image);
    }
    let message = format!(
        "the image {image} does not start without a licence (LocalStack's exit code 55), and has none: \
there is no {AUTH_TOKEN} in the Secret {NAMESPACE}/{AUTH_TOKEN_SECRET}"
    );
    let fix = format!(
        "{} --emulator-image {DEFAULT_EMULATOR_IMAGE}",
        s.app.command("up")
    );
    Err(Trouble::new(message, fix).about(format!("Deployment {NAMESPACE}/{EMULATOR}")))
}

async fn has_token(s: &Surroundings<'_>, deployment: &Deployment) -> Result<bool, Trouble> {
    let variables = licences(deployment);
    if variables.iter().any(|variable| is_written(variable)) {
        return Ok(true);
    }
    if !variables.iter().any(|variable| reads_secret(variable)) {
        return Ok(false);
    }
    let kept = auth_token::kept(&s.client().await?).await;
    kept.map(|mark| mark.is_some()).map_err(|error| {
        let fix = s.kubectl(&format!("-n {NAMESPACE} get secret {AUTH_TOKEN_SECRET}"));
        Trouble::new(
            format!("the Secret {AUTH_TOKEN_SECRET} cannot be read: {error}"),
            fix,
        )
    })
}

/// The variables that may hold a licence.
fn licences(deployment: &Deployment) -> Vec<&EnvVar> {
    let template = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let containers = template.into_iter().flat_map(|template| &template.containers);
    containers
        .flat_map(|container| container.env.iter().flatten())
        .filter(|variable| LICENCES.contains(&variable.name.as_str()))
        .collect()
}

/// Whether somebody wrote it into the Deployment.
fn is_written(variable: &EnvVar) -> bool {
    variable.value.as_ref().is_some_and(|value| !value.is_empty())
}

/// Whether it comes from the Secret that `up` writes.
fn reads_secret(variable: &EnvVar) -> bool {
    let from = variable.value_from.as_ref();
    let secret = from.and_then(|from| from.secret_key_ref.as_ref());
    secret.is_some_and(|secret| secret.name == AUTH_TOKEN_SECRET)
}

/// Whether an image of LocalStack's is, by its name, one that does not start without a licence.
pub(crate) fn needs_licence(image: &str) -> bool {
    let (repository, tag) = match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, "latest"),
    };
    // A digest does not tell.
    if repository.contains('@') {
        return false;
    }
    let name = repository.rsplit('/').next().unwrap_or(repository);
    match name {
        "localstack-pro" => true,
        "localstack" => {
            MOVING.contains(&tag) || release(tag).is_some_and(|release| release >= LICENSED_SINCE)
        }
        _ => false,
    }
}

/// Year and month of a tag such as `2026.03.0`; also the first two numbers of `4.14.0`.
fn release(tag: &str) -> Option<(u32, u32)> {
    let mut parts = tag.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_image_tells_whether_it_needs_a_licence() {
        for (image, needs) in [
            ("localstack/localstack:4.14.0", false),
            ("localstack/localstack:4", false),
            ("localstack/localstack:latest", true),
            ("localstack/localstack", true),
            ("docker.io/localstack/localstack:stable", true),
            ("localstack/localstack:2026.03.0", true),
            ("localstack/localstack:2026.02.1", false),
            ("localstack/localstack:2027.01.0-arm64", true),
            ("localstack/localstack-pro:4.14.0", true),
            ("registry:5000/localstack", true),
            ("irsa-emu.test/localstack:4.14.0", false),
            ("localstack/localstack@sha256:abc", false),
            ("motoserver/moto:latest", false),
        ] {
            assert_eq!(needs_licence(image), needs, "{image}");
        }
    }

    #[test]
    fn a_licence_is_a_variable_of_the_container() {
        let found = |variable: serde_json::Value| -> Vec<(bool, bool)> {
            let deployment: Deployment = serde_json::from_value(serde_json::json!({
                "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "c", "env": [variable]}]}}}
            }))
            .unwrap();
            let found = licences(&deployment);
            found
                .into_iter()
                .map(|found| (is_written(found), reads_secret(found)))
                .collect()
        };
        let from = |secret: &str| serde_json::json!({"name": AUTH_TOKEN, "valueFrom": {"secretKeyRef": {"name": secret, "key": AUTH_TOKEN}}});
        let written = |name: &str, value: &str| serde_json::json!({"name": name, "value": value});
        assert_eq!(found(written(AUTH_TOKEN, "x")), [(true, false)]);
        assert_eq!(found(written("LOCALSTACK_API_KEY", "x")), [(true, false)]);
        assert_eq!(found(written(AUTH_TOKEN, "")), [(false, false)]);
        assert_eq!(found(from(AUTH_TOKEN_SECRET)), [(false, true)]);
        assert_eq!(found(from("another")), [(false, false)]);
        assert_eq!(found(written("SERVICES", "")), []);
    }
}
