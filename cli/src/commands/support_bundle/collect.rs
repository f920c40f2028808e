//! Asks the cluster for everything that belongs to an install.

use futures::future::join_all;
use irsa_emu_core::contract::{INSTANCE_LABEL, NAMESPACE, SIDECAR};
use irsa_emu_core::recipe::Recipe;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Node, Pod, Secret, Service, ServiceAccount};
use kube::api::{ApiResource, DynamicObject, ListParams, LogParams};
use kube::{Api, Client, Resource};
use serde_json::Value;

use crate::commands::support_bundle::archive::Item;
use crate::commands::support_bundle::mask::Secrets;

/// How many of the last lines of each log.
const LINES: i64 = 2000;
/// How many bytes of each log.
const BYTES: i64 = 2_000_000;

/// Collects; what cannot be had is noted in the place where it would be.
pub async fn collect(client: &Client, instance: &str, secrets: &mut Secrets) -> Vec<Item> {
    let mut items = Vec::new();
    let all = ListParams::default();
    let of_install = ListParams::default().labels(&format!("{INSTANCE_LABEL}={instance}"));
    let in_namespace = |resource: &ApiResource| Api::namespaced_with(client.clone(), NAMESPACE, resource);
    let everywhere = |resource: &ApiResource| Api::all_with(client.clone(), resource);
    for resource in [
        erase::<Pod>(),
        erase::<Deployment>(),
        erase::<ReplicaSet>(),
        erase::<Service>(),
        erase::<ServiceAccount>(),
        erase::<ConfigMap>(),
        erase::<Secret>(),
        erase::<Event>(),
    ] {
        let name = format!("namespace/{}.yaml", resource.plural);
        items.push(objects(name, in_namespace(&resource), &resource, &all, secrets).await);
    }
    for (resource, which) in [
        (erase::<Namespace>(), &of_install),
        (erase::<Recipe>(), &all),
        (erase::<MutatingWebhookConfiguration>(), &all),
        (erase::<Node>(), &all),
    ] {
        let name = format!("cluster/{}.yaml", resource.plural);
        items.push(objects(name, everywhere(&resource), &resource, which, secrets).await);
    }
    items.extend(logs(client).await);
    items
}

fn erase<K: Resource<DynamicType = ()>>() -> ApiResource {
    ApiResource::erase::<K>(&())
}

async fn objects(
    name: String,
    api: Api<DynamicObject>,
    resource: &ApiResource,
    params: &ListParams,
    secrets: &mut Secrets,
) -> Item {
    let list = match api.list(params).await {
        Ok(list) => list,
        Err(error) => return Item::new(name, format!("# not there: {error}\n")),
    };
    let mut values = Vec::new();
    for mut object in list {
        object.metadata.managed_fields = None;
        let Ok(mut value) = serde_json::to_value(&object) else {
            continue;
        };
        // Lists leave out what each of their items is.
        value["kind"] = Value::from(resource.kind.clone());
        value["apiVersion"] = Value::from(resource.api_version.clone());
        secrets.mask(&mut value);
        values.push(value);
    }
    let text = serde_saphyr::to_string(&values).unwrap_or_else(|error| format!("# {error}\n"));
    Item::new(name, text)
}

/// The logs of our Pods, of this run and the one before, and of every sidecar.
async fn logs(client: &Client) -> Vec<Item> {
    let pods = Api::<Pod>::all(client.clone());
    let found = match pods.list(&ListParams::default()).await {
        Ok(found) => found,
        Err(error) => return vec![Item::new("logs/error.txt", error.to_string())],
    };
    let mut wanted = Vec::new();
    for pod in &found {
        let (Some(name), Some(namespace)) = (&pod.metadata.name, &pod.metadata.namespace) else {
            continue;
        };
        let Some(spec) = &pod.spec else { continue };
        let inner = spec.init_containers.iter().flatten().chain(&spec.containers);
        for container in inner.filter(|container| namespace == NAMESPACE || container.name == SIDECAR) {
            for previous in [false, true] {
                wanted.push(log(client, namespace, name, &container.name, previous));
            }
        }
    }
    join_all(wanted).await.into_iter().flatten().collect()
}

async fn log(client: &Client, namespace: &str, pod: &str, container: &str, previous: bool) -> Option<Item> {
    let params = LogParams {
        container: Some(container.to_owned()),
        previous,
        tail_lines: Some(LINES),
        limit_bytes: Some(BYTES),
        timestamps: true,
        ..LogParams::default()
    };
    let read = Api::<Pod>::namespaced(client.clone(), namespace)
        .logs(pod, &params)
        .await;
    let before = if previous { ".previous" } else { "" };
    let name = format!("logs/{namespace}/{pod}/{container}{before}.log");
    match read {
        Ok(text) => Some(Item::new(name, text)),
        // Most containers have not been started before.
        Err(_) if previous => None,
        Err(error) => Some(Item::new(name, format!("# {error}\n"))),
    }
}
