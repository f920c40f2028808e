//! Whether the emulator's image runs without a licence.

use irsa_emu_core::contract::{DEFAULT_EMULATOR_IMAGE, EMULATOR, NAMESPACE};
use k8s_openapi::api::apps::v1::Deployment;

use crate::checks::engine::{Trouble, Verdict, fine, nothing};
use crate::checks::{Surroundings, image};

/// The first release of LocalStack that does not start without a licence.
const LICENSED_SINCE: (u32, u32) = (2026, 3);
/// Tags that move to the newest release.
const MOVING: [&str; 3] = ["latest", "stable", "dev"];
/// Variables of the container that hold a licence.
const TOKENS: [&str; 2] = ["LOCALSTACK_AUTH_TOKEN", "LOCALSTACK_API_KEY"];

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
    if runs || has_token(&deployment) || !needs_licence(&image) {
        return fine(image);
    }
    let message = format!(
        "the image {image} does not start without a licence (LocalStack's exit code 55), and has none"
    );
    let fix = format!(
        "{} --emulator-image {DEFAULT_EMULATOR_IMAGE}",
        s.app.command("up")
    );
    Err(Trouble::new(message, fix).about(format!("Deployment {NAMESPACE}/{EMULATOR}")))
}

fn has_token(deployment: &Deployment) -> bool {
    let template = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    let containers = template.into_iter().flat_map(|template| &template.containers);
    containers
        .flat_map(|container| container.env.iter().flatten())
        .any(|variable| TOKENS.contains(&variable.name.as_str()))
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
        let with = |name: &str| -> Deployment {
            serde_json::from_value(serde_json::json!({
                "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "c", "env": [{"name": name}]}]}}}
            }))
            .unwrap()
        };
        assert!(has_token(&with("LOCALSTACK_AUTH_TOKEN")));
        assert!(!has_token(&with("SERVICES")));
        assert!(!has_token(&Deployment::default()));
    }
}
