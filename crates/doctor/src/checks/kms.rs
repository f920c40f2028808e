//! Recipes: Ready, their keys there, and usable by their roles.

use std::collections::BTreeMap;

use aws_sdk_kms::error::DisplayErrorContext;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{DataKeySpec, KeyMetadata, KeySpec, KeyState, KeyUsageType};
use futures::FutureExt;
use irsa_emu_core::contract::{DEFAULT_AUDIENCE, EKS_PREFIX, ROLE_ARN};
use irsa_emu_core::recipe::{KmsKey, Recipe};
use irsa_emu_install::recipe::wiring;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;

use super::engine::{Check, Phase, Severity, Trouble, Verdict, fine, nothing};
use crate::checks::asked::{assume, token};
use crate::checks::surroundings::Surroundings;
use crate::emulator::{kms, of_account, of_session};

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
            needs: &["kms-key", "wh-ready"],
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
            .unwrap_or("the keeper has not reported anything about it");
        let fix = s.kubectl(&format!("describe recipe {}", name(recipe)));
        return Err(Trouble::new(format!("not Ready: {why}"), fix).about(format!("Recipe {}", name(recipe))));
    }
    let names: Vec<&str> = recipes.iter().map(name).collect();
    fine(names.join(", "))
}

async fn keys(s: &Surroundings<'_>) -> Verdict {
    let mut seen = Vec::new();
    for recipe in s.recipes().await? {
        if recipe.spec.kms.keys.is_empty() {
            continue;
        }
        for key in &recipe.spec.kms.keys {
            let account = of_account(&recipe.spec.account);
            let client = kms(s.emulator().await?, recipe.spec.key_region(key), account);
            let aliases = aliases(&client).await?;
            let arn = recipe.spec.key_arn(key);
            let trouble = |why: String| {
                Trouble::new(why, s.kubectl(&format!("describe recipe {}", name(recipe)))).about(arn.clone())
            };
            let answer = client.describe_key().key_id(&arn).send().await;
            let answer = answer
                .map_err(|error| trouble(format!("DescribeKey failed: {}", DisplayErrorContext(error))))?;
            let metadata = answer
                .key_metadata()
                .ok_or_else(|| trouble("DescribeKey returned nothing about it".to_owned()))?;
            judge_key(&arn, key, metadata, &aliases).map_err(trouble)?;
            seen.push(arn);
        }
    }
    if seen.is_empty() {
        return nothing("no Recipe has a KMS key");
    }
    fine(seen.join(", "))
}

/// The key that each alias points to.
type Aliases = BTreeMap<String, String>;

async fn aliases(client: &aws_sdk_kms::Client) -> Result<Aliases, Trouble> {
    let listed = client
        .list_aliases()
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await;
    let listed = listed.map_err(|error| {
        let why = format!(
            "the emulator does not respond to ListAliases: {}",
            DisplayErrorContext(error)
        );
        Trouble::new(why, "irsa-emu doctor --only emu-*")
    })?;
    let pair = |alias: aws_sdk_kms::types::AliasListEntry| alias.alias_name.zip(alias.target_key_id);
    Ok(listed.into_iter().filter_map(pair).collect())
}

/// Whether a key can do what the keeper made it for.
fn judge_key(arn: &str, key: &KmsKey, found: &KeyMetadata, aliases: &Aliases) -> Result<(), String> {
    if found.arn() != Some(arn) {
        return Err(format!("DescribeKey returns {}", found.arn().unwrap_or("no key")));
    }
    if found.key_state() != Some(&KeyState::Enabled) {
        let state = found.key_state().map_or("unknown", KeyState::as_str);
        return Err(format!("it is not enabled but {state}"));
    }
    if found.key_usage() != Some(&KeyUsageType::EncryptDecrypt) {
        let usage = found.key_usage().map_or("unknown", KeyUsageType::as_str);
        return Err(format!("it is not for encrypting but for {usage}"));
    }
    if found.key_spec() != Some(&KeySpec::SymmetricDefault) {
        let spec = found.key_spec().map_or("unknown", KeySpec::as_str);
        return Err(format!("it is not symmetric but {spec}"));
    }
    for alias in &key.aliases {
        match aliases.get(alias) {
            Some(target) if *target == key.id => {}
            Some(target) => return Err(format!("{alias} points to the key {target}")),
            None => return Err(format!("{alias} does not exist")),
        }
    }
    Ok(())
}

async fn round_trip(s: &Surroundings<'_>) -> Verdict {
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
        for key in &recipe.spec.kms.keys {
            let region = recipe.spec.key_region(key);
            let client = kms(s.emulator().await?, region, credentials.clone());
            let arn = recipe.spec.key_arn(key);
            use_key(&client, &arn).await.map_err(|why| {
                let fix = s.kubectl(&format!("describe recipe {}", name(recipe)));
                Trouble::new(format!("as {caller}: {why}"), fix).about(arn.clone())
            })?;
        }
        seen.push(format!("{} as {caller}", name(recipe)));
    }
    if seen.is_empty() {
        return nothing("no Recipe has a KMS key");
    }
    fine(seen.join(", "))
}

/// What apps do with a key: encrypt with a context, decrypt with the same one, get a data key.
async fn use_key(client: &aws_sdk_kms::Client, arn: &str) -> Result<(), String> {
    const PLAIN: &[u8] = b"irsa-emu doctor";
    const CONTEXT: (&str, &str) = ("asked-by", "irsa-emu-doctor");
    let encrypted = client
        .encrypt()
        .key_id(arn)
        .plaintext(Blob::new(PLAIN))
        .encryption_context(CONTEXT.0, CONTEXT.1)
        .send()
        .await
        .map_err(|error| format!("Encrypt failed: {}", DisplayErrorContext(error)))?;
    let blob = encrypted.ciphertext_blob.ok_or("Encrypt returned nothing")?;
    let decrypted = client
        .decrypt()
        .key_id(arn)
        .ciphertext_blob(blob)
        .encryption_context(CONTEXT.0, CONTEXT.1)
        .send()
        .await
        .map_err(|error| format!("Decrypt failed: {}", DisplayErrorContext(error)))?;
    if decrypted.plaintext.as_ref().map(AsRef::as_ref) != Some(PLAIN) {
        return Err("Decrypt returns something else than was encrypted".to_owned());
    }
    let data = client
        .generate_data_key()
        .key_id(arn)
        .key_spec(DataKeySpec::Aes256)
        .send()
        .await
        .map_err(|error| format!("GenerateDataKey failed: {}", DisplayErrorContext(error)))?;
    match data.plaintext.map(|plain| plain.into_inner().len()) {
        Some(32) => Ok(()),
        other => Err(format!(
            "GenerateDataKey returns {} bytes, not 32",
            other.unwrap_or_default()
        )),
    }
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
            let fix = s.session.command("doctor --only sts-webidentity");
            Trouble::new(format!("it does not get its role {role}: {refusal}"), fix)
                .about(format!("ServiceAccount {namespace}/{account}"))
        })?;
        return Ok(Some((of_session(&assumed), assumed.arn)));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:us-east-1:123456789012:key/f4f7a2e2-c5c6-ea6d-dc42-526ef280e794";
    const ID: &str = "f4f7a2e2-c5c6-ea6d-dc42-526ef280e794";

    fn judged(change: impl FnOnce(&mut KeyMetadata), target: Option<&str>) -> Result<(), String> {
        let key: KmsKey =
            serde_json::from_value(serde_json::json!({"id": ID, "aliases": ["alias/a"]})).unwrap();
        let mut found = KeyMetadata::builder()
            .key_id(ID)
            .arn(ARN)
            .key_state(KeyState::Enabled)
            .key_usage(KeyUsageType::EncryptDecrypt)
            .key_spec(KeySpec::SymmetricDefault)
            .build()
            .unwrap();
        change(&mut found);
        let aliases = target.map(|target| ("alias/a".to_owned(), target.to_owned()));
        judge_key(ARN, &key, &found, &aliases.into_iter().collect())
    }

    #[test]
    fn each_fault_of_a_key_is_told() {
        assert_eq!(judged(|_| (), Some(ID)), Ok(()));
        let told = |change: fn(&mut KeyMetadata)| judged(change, Some(ID)).unwrap_err();
        assert_eq!(
            told(|key| key.key_state = Some(KeyState::Disabled)),
            "it is not enabled but Disabled"
        );
        assert!(told(|key| key.key_usage = Some(KeyUsageType::SignVerify)).contains("SIGN_VERIFY"));
        assert!(told(|key| key.key_spec = Some(KeySpec::Rsa2048)).contains("RSA_2048"));
        assert!(told(|key| key.arn = Some("arn:other".into())).contains("arn:other"));
        assert_eq!(judged(|_| (), None).unwrap_err(), "alias/a does not exist");
        assert_eq!(
            judged(|_| (), Some("x")).unwrap_err(),
            "alias/a points to the key x"
        );
    }
}
