//! The seed of this install, from which the material of every key is derived. One that was used is never replaced, since
//! every ciphertext of the install depends on it.

use std::sync::Arc;

use anyhow::Context;
use irsa_emu_core::contract::{KEY_SEED_ENTRY, KEY_SEED_SECRET};
use irsa_emu_core::recipe::{KeySeed, Recipe, ResourceState, SEED_BYTES};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use rand::RngExt as _;

/// The seed that the Secret holds. Where the Secret is gone it is written again from memory, or made where no key can
/// have been made yet.
pub(super) async fn keep(
    api: &Api<Secret>,
    own: Option<&KeySeed>,
    recipes: &[Arc<Recipe>],
) -> anyhow::Result<KeySeed> {
    if let Some(secret) = api
        .get_opt(KEY_SEED_SECRET)
        .await
        .context("cannot read the Secret of the seed")?
    {
        return read(&secret).context("the Secret of the seed holds no seed");
    }
    let seed = match own {
        Some(seed) => {
            tracing::warn!(secret = KEY_SEED_SECRET, "it was deleted, and is written again");
            seed.clone()
        }
        None if recipes.iter().any(|recipe| has_made_keys(recipe)) => anyhow::bail!(
            "the Secret {KEY_SEED_SECRET} is gone, and keys were made with it: another seed could not decrypt what they \
             encrypted; restore the Secret, or delete and apply the Recipes again to start over"
        ),
        None => KeySeed::from(rand::rng().random::<[u8; SEED_BYTES]>()),
    };
    match api.create(&PostParams::default(), &to_secret(&seed)).await {
        Ok(_) => Ok(seed),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            read(&api.get(KEY_SEED_SECRET).await?).context("the Secret of the seed holds no seed")
        }
        Err(error) => Err(error).context("cannot write the Secret of the seed"),
    }
}

/// Whether a key of the Recipe was ever there.
fn has_made_keys(recipe: &Recipe) -> bool {
    let resources = recipe.status.iter().flat_map(|status| &status.resources);
    resources
        .filter(|resource| resource.arn.contains(":kms:"))
        .any(|key| key.state != ResourceState::Missing)
}

fn read(secret: &Secret) -> Option<KeySeed> {
    KeySeed::new(&secret.data.as_ref()?.get(KEY_SEED_ENTRY)?.0)
}

fn to_secret(seed: &KeySeed) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(KEY_SEED_SECRET.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some([(KEY_SEED_ENTRY.to_owned(), ByteString(seed.expose().to_vec()))].into()),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use irsa_emu_core::recipe::{RecipeStatus, ResourceStatus};
    use serde_json::json;

    use super::*;

    fn recipe(arn: &str, state: ResourceState) -> Recipe {
        let spec = serde_json::from_value(json!({"account": "123456789012", "region": "us-east-1"}));
        let mut recipe = Recipe::new("r", spec.unwrap());
        recipe.status = Some(RecipeStatus {
            resources: vec![ResourceStatus {
                arn: arn.into(),
                state,
                restored: 0,
                made_instead: None,
            }],
            ..RecipeStatus::default()
        });
        recipe
    }

    #[test]
    fn only_keys_that_were_there_forbid_another_seed() {
        let key = "arn:aws:kms:us-east-1:123456789012:key/x";
        assert!(has_made_keys(&recipe(key, ResourceState::Present)));
        assert!(has_made_keys(&recipe(key, ResourceState::Lost)));
        assert!(!has_made_keys(&recipe(key, ResourceState::Missing)));
        assert!(!has_made_keys(&recipe(
            "arn:aws:iam::123456789012:role/x",
            ResourceState::Present
        )));
    }

    #[test]
    fn a_seed_reads_back() {
        let seed = KeySeed::from([7; SEED_BYTES]);
        assert_eq!(read(&to_secret(&seed)), Some(seed));
    }
}
