//! Takes what was applied out of a cluster again, in the order that harms nobody.

use irsa_emu_cluster::kubernetes::POLL;
use irsa_emu_cluster::progress::Progress;
use irsa_emu_core::contract::{EMULATOR, INSTANCE_LABEL, NAMESPACE, WEBHOOK_CONFIGURATION};
use irsa_emu_core::recipe::Recipe;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret, Service};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams};
use kube::{Api, Client, CustomResourceExt, Resource};
use tokio::time::Instant;

use crate::objects::auth_token::AUTH_TOKEN_SECRET;

/// An object that belongs to an install.
#[derive(Debug, Clone)]
pub struct Owned {
    resource: ApiResource,
    /// Its name.
    pub name: String,
}

impl Owned {
    fn new<K: Resource<DynamicType = ()>>(name: String) -> Self {
        Self {
            resource: ApiResource::erase::<K>(&()),
            name,
        }
    }

    /// Kind and name, for people.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.resource.kind, self.name)
    }

    fn api(&self, client: &Client) -> Api<DynamicObject> {
        Api::all_with(client.clone(), &self.resource)
    }

    /// Asks for its deletion; one that is gone already is no failure.
    pub async fn delete(&self, client: &Client) -> Result<(), kube::Error> {
        match self
            .api(client)
            .delete(&self.name, &DeleteParams::foreground())
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether it is still there.
    pub async fn exists(&self, client: &Client) -> Result<bool, kube::Error> {
        match self.api(client).get_metadata_opt(&self.name).await {
            Ok(found) => Ok(found.is_some()),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Why something of an install is still there.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// The API server refused.
    #[error(transparent)]
    Kube(#[from] kube::Error),
    /// It took too long.
    #[error("still there: {}", .0.join(", "))]
    Left(Vec<String>),
}

/// Removes everything of an install, and looks until it is gone; returns what there was.
pub async fn remove(
    client: &Client,
    instance: &str,
    deadline: Instant,
    progress: &dyn Progress,
) -> Result<Vec<String>, RemovalError> {
    let mut seen = Vec::new();
    loop {
        let left = everything(client, instance).await?;
        if left.is_empty() {
            return Ok(seen);
        }
        if Instant::now() >= deadline {
            return Err(RemovalError::Left(left.iter().map(Owned::title).collect()));
        }
        for object in &left {
            if !seen.contains(&object.title()) {
                progress.detail(&object.title());
                seen.push(object.title());
            }
            // Asked again and again: the webhook puts its registration back for as long as it runs and may.
            object.delete(client).await?;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Everything of an install, in the order of removal.
pub async fn everything(client: &Client, instance: &str) -> Result<Vec<Owned>, kube::Error> {
    let mut all = registrations(client, instance).await?;
    all.extend(owned(client, instance).await?);
    Ok(all)
}

/// The webhook's registration, which is removed first: without it, nothing of ours affects any Pod.
pub async fn registrations(client: &Client, instance: &str) -> Result<Vec<Owned>, kube::Error> {
    let api = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let mut owned = labelled(&api, instance).await?;
    let known = owned.iter().any(|found| found.name == WEBHOOK_CONFIGURATION);
    let found = if known {
        None
    } else {
        api.get_opt(WEBHOOK_CONFIGURATION).await?
    };
    // One without any label of an install was registered by a webhook of ours that did not label it.
    let foreign = |found: &MutatingWebhookConfiguration| {
        found
            .metadata
            .labels
            .as_ref()
            .is_some_and(|labels| labels.contains_key(INSTANCE_LABEL))
    };
    if found.is_some_and(|found| !foreign(&found)) {
        owned.push(Owned::new::<MutatingWebhookConfiguration>(
            WEBHOOK_CONFIGURATION.to_owned(),
        ));
    }
    Ok(owned)
}

/// Everything else of an install, in the order of removal: Recipes while the keeper still runs, then the rest.
async fn owned(client: &Client, instance: &str) -> Result<Vec<Owned>, kube::Error> {
    let crds = labelled(&Api::<CustomResourceDefinition>::all(client.clone()), instance).await?;
    let mut owned = Vec::new();
    if crds.iter().any(|crd| crd.name == Recipe::crd_name()) {
        let recipes = Api::<Recipe>::all(client.clone())
            .list_metadata(&ListParams::default())
            .await?;
        owned.extend(
            recipes
                .into_iter()
                .filter_map(|recipe| recipe.metadata.name)
                .map(Owned::new::<Recipe>),
        );
    }
    owned.extend(crds);
    owned.extend(labelled(&Api::<ClusterRoleBinding>::all(client.clone()), instance).await?);
    owned.extend(labelled(&Api::<ClusterRole>::all(client.clone()), instance).await?);
    let namespaces = labelled(&Api::<Namespace>::all(client.clone()), instance).await?;
    owned.extend(
        namespaces
            .into_iter()
            .filter(|namespace| namespace.name == NAMESPACE),
    );
    Ok(owned)
}

/// Takes the emulator of an install away; returns how many objects were removed.
pub async fn emulator(client: &Client, instance: &str) -> Result<usize, kube::Error> {
    let (deployments, services, secrets) = tokio::try_join!(
        delete_own(
            Api::<Deployment>::namespaced(client.clone(), NAMESPACE),
            EMULATOR,
            instance
        ),
        delete_own(
            Api::<Service>::namespaced(client.clone(), NAMESPACE),
            EMULATOR,
            instance
        ),
        delete_own(
            Api::<Secret>::namespaced(client.clone(), NAMESPACE),
            AUTH_TOKEN_SECRET,
            instance
        ),
    )?;
    Ok(deployments + services + secrets)
}

/// Deletes an object if it belongs to the install.
async fn delete_own<K>(api: Api<K>, name: &str, instance: &str) -> Result<usize, kube::Error>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let found = api.get_metadata_opt(name).await?;
    let labels = found.and_then(|found| found.metadata.labels).unwrap_or_default();
    if labels.get(INSTANCE_LABEL).is_none_or(|label| label != instance) {
        return Ok(0);
    }
    api.delete(name, &DeleteParams::default()).await?;
    Ok(1)
}

async fn labelled<K>(api: &Api<K>, instance: &str) -> Result<Vec<Owned>, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let params = ListParams::default().labels(&format!("{INSTANCE_LABEL}={instance}"));
    let found = api.list_metadata(&params).await?;
    Ok(found
        .into_iter()
        .filter_map(|object| object.metadata.name)
        .map(Owned::new::<K>)
        .collect())
}
