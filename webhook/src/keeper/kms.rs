//! KMS keys with a fixed id and derived material.

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeyState, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use irsa_emu_core::emulator;
use irsa_emu_core::recipe::{KeySeed, KmsKey, derive_key_material};

use super::outcome::ResourceOutcome;
use crate::aws::explain_call;

/// The shortest time that a key waits for its deletion, in days (KMS API reference, `ScheduleKeyDeletion`).
const DELETION_DAYS: i32 = 7;

/// Makes sure that a key and its aliases are there. A key that is there is never made again: the emulator would replace it.
/// `instead` is the key that the emulator made under an id of its own when it was asked last.
pub(super) async fn keep(
    kms: &Client,
    seed: &KeySeed,
    arn: &str,
    key: &KmsKey,
    instead: Option<&str>,
) -> ResourceOutcome {
    let made = match state(kms, &key.id).await {
        Ok(Some(_)) => false,
        Ok(None) => {
            if let Some(id) = instead {
                match state(kms, id).await {
                    Ok(Some(state)) => return give_back(kms, key, id, state).await,
                    // The emulator has lost it, so it is another one now, or another release of it.
                    Ok(None) => {}
                    Err(why) => return ResourceOutcome::unseen(why),
                }
            }
            match create(kms, seed, arn, key).await {
                Ok(id) if id == key.id => true,
                Ok(id) => return give_back(kms, key, &id, KeyState::Enabled).await,
                Err(why) => return ResourceOutcome::absent(why),
            }
        }
        Err(why) => return ResourceOutcome::unseen(why),
    };
    ResourceOutcome::of(made, keep_aliases(kms, key).await)
}

/// The state of a key; `None` where there is none of this id.
async fn state(kms: &Client, id: &str) -> Result<Option<KeyState>, String> {
    match kms.describe_key().key_id(id).send().await {
        // A response without a body is a good one to the SDK, but shows no key.
        Ok(found) => match found.key_metadata {
            Some(metadata) => Ok(Some(metadata.key_state.unwrap_or(KeyState::Enabled))),
            None => Err("DescribeKey: the emulator returned no key".to_owned()),
        },
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|e| e.is_not_found_exception()) =>
        {
            Ok(None)
        }
        Err(error) => Err(format!("DescribeKey: {}", explain_call(&error))),
    }
}

/// Makes a key; the id of the one that the emulator made.
async fn create(kms: &Client, seed: &KeySeed, arn: &str, key: &KmsKey) -> Result<String, String> {
    let tags = emulator::DEFAULT.key_tags;
    let material = Blob::new(derive_key_material(seed, arn));
    let tag = |name: &str, value: String| {
        Tag::builder()
            .tag_key(name)
            .tag_value(value)
            .build()
            .map_err(|error| format!("tag {name}: {error}"))
    };
    let made = kms
        .create_key()
        .description(&key.description)
        .set_multi_region(key.id.starts_with("mrk-").then_some(true))
        .tags(tag(tags.id, key.id.clone())?)
        .tags(tag(tags.material, STANDARD.encode(material))?)
        .send()
        .await
        .map_err(|error| format!("CreateKey: {}", explain_call(&error)))?;
    let id = made.key_metadata.map(|metadata| metadata.key_id);
    id.ok_or_else(|| "CreateKey: the emulator does not name the key that it made".to_owned())
}

/// Has a key deleted that has another id than the Recipe's, and so is of no use.
async fn give_back(kms: &Client, key: &KmsKey, id: &str, state: KeyState) -> ResourceOutcome {
    let mut rest = "it will be deleted".to_owned();
    if state != KeyState::PendingDeletion {
        let request = kms
            .schedule_key_deletion()
            .key_id(id)
            .pending_window_in_days(DELETION_DAYS);
        if let Err(error) = request.send().await {
            rest = format!(
                "it could not be deleted (ScheduleKeyDeletion: {})",
                explain_call(&error)
            );
        }
    }
    ResourceOutcome::Instead {
        id: id.to_owned(),
        why: format!(
            "CreateKey: the emulator made a key with the id {id} instead of {}, so it cannot have keys of production; {rest}, \
             and no other is made until the Recipe changes or the emulator has lost its memory",
            key.id
        ),
    }
}

/// Makes every alias point at the key.
async fn keep_aliases(kms: &Client, key: &KmsKey) -> Result<(), String> {
    if key.aliases.is_empty() {
        return Ok(());
    }
    let mut there = Vec::new();
    let mut pages = kms.list_aliases().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| format!("ListAliases: {}", explain_call(&error)))?;
        there.extend(page.aliases.unwrap_or_default());
    }
    for alias in &key.aliases {
        match there
            .iter()
            .find(|entry| entry.alias_name.as_ref() == Some(alias))
        {
            Some(entry) if entry.target_key_id.as_ref() == Some(&key.id) => {}
            Some(_) => {
                let request = kms.update_alias().alias_name(alias).target_key_id(&key.id).send();
                request
                    .await
                    .map_err(|error| format!("UpdateAlias {alias}: {}", explain_call(&error)))?;
            }
            None => {
                let request = kms.create_alias().alias_name(alias).target_key_id(&key.id).send();
                request
                    .await
                    .map_err(|error| format!("CreateAlias {alias}: {}", explain_call(&error)))?;
            }
        }
    }
    Ok(())
}
