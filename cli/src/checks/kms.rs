//! Recipes: Ready, their keys there, and usable by their roles.

use aws_sdk_kms::error::DisplayErrorContext;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::KeyState;
use futures::FutureExt;
use irsa_emu_core::contract::{DEFAULT_AUDIENCE, EKS_PREFIX, ROLE_ARN};
use irsa_emu_core::recipe::Recipe;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;

use super::Surroundings;
use super::aws::{assume, kms, of_account, token};
use super::engine::{Check, Phase, Severity, Trouble, Verdict, fine, nothing};
use crate::recipe::wiring;

pub(super) fn checks<'x>() -> Vec<Check<Surroundings<'x>>> {
    vec![
        Check {
            id: "recipes-ready",
            phase: Phase::Kms,
            needs: &["emu-state"],
            severity: Severity::Error,
            title: "every Recipe is Ready",
            run: |s| recipes_ready(s).boxed(),
        },
        Check {
            id: "kms-key",
            phase: Phase::Kms,
            needs: &["recipes-ready", "emu-services"],
            severity: Severity::Error,
            title: "every key of every Recipe is there and enabled",
            run: |s| keys(s).boxed(),
        },
        Check {
            id: "kms-roundtrip",
            phase: Phase::Kms,
            needs: &["kms-key"],
            severity: Severity::Error,
            title: "what a Recipe's key encrypts it decrypts, as the Recipe's role where there is one",
            run: |s| round_trip(s).boxed(),
        },
    ]
}

fn name(recipe: &Recipe) -> &str {
    recipe.metadata.name.as_deref().unwrap_or_default()
}

async fn recipes_ready(s: &Surroundings<'_>) -> Verdict {
    let recipes = s.recipes().await?;
    if recipes.is_empty() {
        return nothing("there is no Recipe yet; see irsa-emu recipe list");
    }
    for recipe in recipes {
        let generation = recipe.metadata.generation.unwrap_or_default();
        let status = recipe.status.as_ref();
        if status.is_some_and(|status| status.is_ready(generation)) {
            continue;
        }
        let why = status
            .and_then(|status| status.message())
            .filter(|message| !message.is_empty())
            .unwrap_or("the keeper has not said anything about it");
        let fix = s.kubectl(&format!("describe recipe {}", name(recipe)));
        return Err(Trouble::new(format!("not Ready: {why}"), fix).about(format!("Recipe {}", name(recipe))));
    }
    let names: Vec<&str> = recipes.iter().map(name).collect();
    fine(names.join(", "))
}

async fn keys(s: &Surroundings<'_>) -> Verdict {
    let mut seen = Vec::new();
    for recipe in s.recipes().await? {
        for key in &recipe.spec.kms.keys {
            let arn = recipe.spec.key_arn(key);
            let trouble = |why: String| {
                Trouble::new(why, s.kubectl(&format!("describe recipe {}", name(recipe)))).about(arn.clone())
            };
            let client = kms(
                s.emulator().await?,
                &recipe.spec.region,
                of_account(&recipe.spec.account),
            );
            let answer = client.describe_key().key_id(&arn).send().await;
            let answer = answer
                .map_err(|error| trouble(format!("DescribeKey failed: {}", DisplayErrorContext(error))))?;
            let metadata = answer
                .key_metadata()
                .ok_or_else(|| trouble("DescribeKey answered nothing about it".to_owned()))?;
            if metadata.key_state() != Some(&KeyState::Enabled) {
                let state = metadata.key_state().map_or("unknown", KeyState::as_str);
                return Err(trouble(format!("it is not enabled but {state}")));
            }
            if metadata.arn() != Some(arn.as_str()) {
                return Err(trouble(format!(
                    "DescribeKey answers for {}",
                    metadata.arn().unwrap_or("no key")
                )));
            }
            seen.push(arn);
        }
    }
    if seen.is_empty() {
        return nothing("no Recipe has a KMS key");
    }
    fine(seen.join(", "))
}

async fn round_trip(s: &Surroundings<'_>) -> Verdict {
    const PLAIN: &[u8] = b"irsa-emu doctor";
    let mut seen = Vec::new();
    for recipe in s.recipes().await? {
        if recipe.spec.kms.keys.is_empty() {
            continue;
        }
        let (credentials, caller) = match as_role(s, recipe).await? {
            Some((credentials, arn)) => (credentials, arn),
            None => (
                of_account(&recipe.spec.account),
                format!("account {}", recipe.spec.account),
            ),
        };
        let client = kms(s.emulator().await?, &recipe.spec.region, credentials);
        for key in &recipe.spec.kms.keys {
            let arn = recipe.spec.key_arn(key);
            let trouble = |why: String| {
                Trouble::new(why, s.kubectl(&format!("describe recipe {}", name(recipe)))).about(arn.clone())
            };
            let encrypted = client
                .encrypt()
                .key_id(&arn)
                .plaintext(Blob::new(PLAIN))
                .send()
                .await;
            let encrypted = encrypted.map_err(|error| {
                trouble(format!(
                    "Encrypt as {caller} failed: {}",
                    DisplayErrorContext(error)
                ))
            })?;
            let Some(blob) = encrypted.ciphertext_blob else {
                return Err(trouble("Encrypt answered nothing".to_owned()));
            };
            let decrypted = client.decrypt().key_id(&arn).ciphertext_blob(blob).send().await;
            let decrypted = decrypted.map_err(|error| {
                trouble(format!(
                    "Decrypt as {caller} failed: {}",
                    DisplayErrorContext(error)
                ))
            })?;
            if decrypted.plaintext.as_ref().map(AsRef::as_ref) != Some(PLAIN) {
                return Err(trouble(
                    "Decrypt answers something else than was encrypted".to_owned(),
                ));
            }
        }
        seen.push(format!("{} as {caller}", name(recipe)));
    }
    if seen.is_empty() {
        return nothing("no Recipe has a KMS key");
    }
    fine(seen.join(", "))
}

/// Credentials of the Recipe's role, where a ServiceAccount that may have it is there and asks for it.
async fn as_role(
    s: &Surroundings<'_>,
    recipe: &Recipe,
) -> Result<Option<(aws_sdk_kms::config::Credentials, String)>, Trouble> {
    let client = s.client().await?;
    for (namespace, account, role) in wiring::accounts(&recipe.spec) {
        let found = Api::<ServiceAccount>::namespaced(client.clone(), &namespace)
            .get_opt(&account)
            .await?;
        let named = found.and_then(|found| {
            found
                .metadata
                .annotations?
                .remove(&format!("{EKS_PREFIX}/{ROLE_ARN}"))
        });
        if named.as_deref() != Some(&role) {
            continue;
        }
        let token = token(&client, &namespace, &account, DEFAULT_AUDIENCE).await?;
        let assumed = assume(&client, &token, &role).await.map_err(|refusal| {
            let fix = s.app.command("doctor --only sts-webidentity");
            Trouble::new(format!("it does not get its role {role}: {refusal}"), fix)
                .about(format!("ServiceAccount {namespace}/{account}"))
        })?;
        return Ok(Some((assumed.credentials(), assumed.arn)));
    }
    Ok(None)
}
