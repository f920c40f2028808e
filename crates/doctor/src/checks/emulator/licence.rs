//! Whether the emulator's image runs without a licence.

use irsa_emu_cluster::kubernetes::deployment::image;
use irsa_emu_core::contract::{EMULATOR, NAMESPACE};
use irsa_emu_core::emulator::{self, EmulatorFacts};
use irsa_emu_install::objects::auth_token::{self, AUTH_TOKEN_SECRET};
use irsa_emu_install::objects::emulator_options::AUTH_TOKEN;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::EnvVar;

use crate::checks::engine::{Trouble, Verdict, fine, nothing};
use crate::checks::surroundings::Surroundings;

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
    let EmulatorFacts { name, licence, .. } = emulator::DEFAULT;
    if runs || !licence.is_needed_by(&image) || has_token(s, &deployment).await? {
        return fine(image);
    }
    let message = format!(
        "the image {image} does not start without a licence ({name}'s exit code {}), and has none: \
there is no {AUTH_TOKEN} in the Secret {NAMESPACE}/{AUTH_TOKEN_SECRET}",
        licence.exit_code
    );
    let fix = format!(
        "{} --emulator-image {}",
        s.session.command("up"),
        emulator::DEFAULT.image
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
        .filter(|variable| emulator::DEFAULT.licence.is_held_by(&variable.name))
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

#[cfg(test)]
mod tests {
    use super::*;

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
