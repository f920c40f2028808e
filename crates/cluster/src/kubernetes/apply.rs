//! Server-side apply, which returns what it changed.

use irsa_emu_core::contract::FIELD_MANAGER;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde_json::Value;

/// Why an object cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It could not be written as JSON.
    #[error("{kind} could not be written as JSON")]
    Encode {
        /// Its kind.
        kind: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The API server refused it.
    #[error("the API server refused {object}")]
    Refused {
        /// Kind and name.
        object: String,
        /// Its message.
        #[source]
        source: Box<kube::Error>,
    },
}

/// An object, ready to be applied.
#[derive(Debug, Clone)]
pub struct Manifest {
    resource: ApiResource,
    /// The object as JSON.
    pub object: Value,
}

impl Manifest {
    /// Takes a typed object.
    pub fn of<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Result<Self, ApplyError> {
        let resource = ApiResource::erase::<K>(&());
        match serde_json::to_value(object) {
            Ok(object) => Ok(Self { resource, object }),
            Err(source) => Err(ApplyError::Encode {
                kind: resource.kind,
                source,
            }),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.object
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// Kind and name, for people.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.resource.kind, self.name())
    }

    fn api(&self, client: &Client) -> Api<DynamicObject> {
        match self.object.pointer("/metadata/namespace").and_then(Value::as_str) {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource),
            None => Api::all_with(client.clone(), &self.resource),
        }
    }
}

/// What applying an object did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was not there.
    Created,
    /// It was there and is different now.
    Changed,
    /// It was there and is as it was.
    Unchanged,
}

/// What applying an object would do, as the API server reports it.
pub async fn foresee(client: &Client, manifest: &Manifest) -> Result<Applied, ApplyError> {
    let refused = |source| ApplyError::Refused {
        object: manifest.title(),
        source: Box::new(source),
    };
    let api = manifest.api(client);
    let Some(before) = api.get_opt(manifest.name()).await.map_err(refused)? else {
        return Ok(Applied::Created);
    };
    let params = PatchParams::apply(FIELD_MANAGER).force().dry_run();
    let after = api
        .patch(manifest.name(), &params, &Patch::Apply(&manifest.object))
        .await
        .map_err(refused)?;
    Ok(if content(before) == content(after) {
        Applied::Unchanged
    } else {
        Applied::Changed
    })
}

/// An object without what the API server notes about its changes.
fn content(mut object: DynamicObject) -> DynamicObject {
    object.metadata.managed_fields = None;
    object.metadata.resource_version = None;
    object.metadata.generation = None;
    object
}

/// Applies an object.
pub async fn apply(client: &Client, manifest: &Manifest) -> Result<Applied, ApplyError> {
    let refused = |source| ApplyError::Refused {
        object: manifest.title(),
        source: Box::new(source),
    };
    let api = manifest.api(client);
    let before = api.get_metadata_opt(manifest.name()).await.map_err(refused)?;
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let after = api
        .patch(manifest.name(), &params, &Patch::Apply(&manifest.object))
        .await
        .map_err(refused)?;
    // An apply that changes nothing leaves the version as it is.
    Ok(match before {
        None => Applied::Created,
        Some(before) if before.metadata.resource_version == after.metadata.resource_version => {
            Applied::Unchanged
        }
        Some(_) => Applied::Changed,
    })
}
