//! KMS keys with a fixed id and derived material.

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::Tag;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use irsa_emu_core::recipe::{KeySeed, KmsKey, derive_key_material};

use super::Outcome;
use crate::aws::explain_call;

/// Tags by which LocalStack takes a key's id and its material (its KMS provider, 4.14.0).
const ID_TAG: &str = "_custom_id_";
const MATERIAL_TAG: &str = "_custom_key_material_";

/// Makes sure that a key and its aliases are there. A key that is there is never made again: LocalStack would replace it.
pub(super) async fn keep(kms: &Client, seed: &KeySeed, arn: &str, key: &KmsKey) -> Outcome {
    let made = match kms.describe_key().key_id(&key.id).send().await {
        Ok(_) => false,
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|e| e.is_not_found_exception()) =>
        {
            if let Err(why) = create(kms, seed, arn, key).await {
                return Outcome::absent(why);
            }
            true
        }
        Err(error) => return Outcome::unseen(format!("DescribeKey: {}", explain_call(&error))),
    };
    Outcome::of(made, keep_aliases(kms, key).await)
}

async fn create(kms: &Client, seed: &KeySeed, arn: &str, key: &KmsKey) -> Result<(), String> {
    let material = Blob::new(derive_key_material(seed, arn));
    let tag = |name: &str, value: String| {
        Tag::builder()
            .tag_key(name)
            .tag_value(value)
            .build()
            .map_err(|error| format!("tag {name}: {error}"))
    };
    kms.create_key()
        .description(&key.description)
        .tags(tag(ID_TAG, key.id.clone())?)
        .tags(tag(MATERIAL_TAG, STANDARD.encode(material))?)
        .send()
        .await
        .map_err(|error| format!("CreateKey: {}", explain_call(&error)))?;
    Ok(())
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
