//! Objects of any kind as the API server has them, and its own documents.

use hyper::http::Request;
use irsa_emu_core::causes::chain;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::kinds::{KINDS, SubjectKind};

/// A document that the API server did not give.
#[derive(Debug, thiserror::Error)]
#[error("the API server has no response for {path}: {why}")]
pub struct GetError {
    /// Its path.
    pub path: String,
    /// Why not.
    pub why: String,
}

/// Gets JSON from a path of the API server.
pub async fn get<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T, GetError> {
    let failed = |why: String| GetError {
        path: path.to_owned(),
        why,
    };
    let request = Request::get(path)
        .body(Vec::new())
        .map_err(|error| failed(error.to_string()))?;
    client
        .request(request)
        .await
        .map_err(|error| failed(chain(&error)))
}

/// The Pods of one Namespace, or of all, as the API server has them.
pub async fn pods(client: &Client, namespace: Option<&str>, fields: &str) -> Result<Vec<Value>, kube::Error> {
    let mut params = ListParams::default();
    if !fields.is_empty() {
        params = params.fields(fields);
    }
    list(client, &resource_of(&KINDS[0]), namespace, &params).await
}

/// An object of a kind that is, or makes, Pods.
pub async fn workload(
    client: &Client,
    kind: &SubjectKind,
    namespace: &str,
    name: &str,
) -> Result<Option<Value>, kube::Error> {
    object(client, &resource_of(kind), Some(namespace), name).await
}

fn resource_of(kind: &SubjectKind) -> ApiResource {
    let (group, version) = kind.api_version.split_once('/').unwrap_or(("", kind.api_version));
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind.name), kind.plural)
}

fn api(client: &Client, resource: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    }
}

/// An object of a kind, where there is one.
pub async fn object(
    client: &Client,
    resource: &ApiResource,
    namespace: Option<&str>,
    name: &str,
) -> Result<Option<Value>, kube::Error> {
    let found = api(client, resource, namespace).get_opt(name).await?;
    Ok(found.map(|found| typed(&found, resource)))
}

/// The objects of a kind in one Namespace, or in all.
pub async fn list(
    client: &Client,
    resource: &ApiResource,
    namespace: Option<&str>,
    params: &ListParams,
) -> Result<Vec<Value>, kube::Error> {
    let found = api(client, resource, namespace).list(params).await?;
    Ok(found.items.iter().map(|item| typed(item, resource)).collect())
}

/// The object with its kind, which the API server leaves out of the items of a list.
fn typed(object: &DynamicObject, resource: &ApiResource) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if value.is_object() {
        value["apiVersion"] = resource.api_version.clone().into();
        value["kind"] = resource.kind.clone().into();
    }
    value
}
