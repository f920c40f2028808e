//! Gathers what a judgement looks at: from the cluster, and from the emulator's IAM.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use irsa_emu_cluster::kubernetes::objects::{get, list, object};
use irsa_emu_core::contract::{
    EMULATOR, NAMESPACE, POD_IDENTITIES, POD_IDENTITIES_ENTRY, ROLE_MAP, ROLE_MAP_ENTRY, WEBHOOK,
    WEBHOOK_CONFIGURATION,
};
use irsa_emu_core::grant::{GrantTables, PodIdentities, RoleMap};
use irsa_emu_core::oidc_provider::account_of;
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::rules::RecipeRules;
use irsa_emu_core::trust_policy;
use irsa_emu_install::recipe::installed;
use irsa_emu_install::settings::Settings;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service, ServiceAccount};
use kube::api::{ApiResource, GroupVersionKind, ListParams};
use kube::{Api, Client, Resource};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::live::roles_of;
use super::subject::{Live, Subject, of_template};
use super::world::{AccountProviders, Registration, Role, World};
use crate::emulator::{self as aws, role};

/// What an install decides with; `None` where the cluster has none.
pub async fn world(client: &Client, kubectl: String) -> Result<Option<World>, kube::Error> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), NAMESPACE);
    let registrations = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let (deployment, emulator, registration, tables, rules, provider) = tokio::try_join!(
        deployments.get_opt(WEBHOOK),
        emulator(client),
        registrations.get_metadata_opt(WEBHOOK_CONFIGURATION),
        tables(client),
        rules(client),
        async { Ok(provider(client).await) },
    )?;
    let Some(settings) = deployment.as_ref().and_then(Settings::read) else {
        return Ok(None);
    };
    let since = registration.map(|found| {
        let value = serde_json::to_value(found.metadata.creation_timestamp).unwrap_or_default();
        value.as_str().unwrap_or_default().to_owned()
    });
    Ok(Some(World {
        registration: since.map_or(Registration::Missing, Registration::Since),
        tables,
        rules,
        provider,
        time_keys: time_keys(OffsetDateTime::now_utc()),
        kubectl,
        ..World::new(settings.with_emulator(emulator.as_ref()))
    }))
}

/// The Service of the emulator.
pub async fn emulator(client: &Client) -> Result<Option<Service>, kube::Error> {
    Api::<Service>::namespaced(client.clone(), NAMESPACE)
        .get_opt(EMULATOR)
        .await
}

async fn tables(client: &Client) -> Result<GrantTables, kube::Error> {
    let maps = Api::<ConfigMap>::namespaced(client.clone(), NAMESPACE);
    let entry = async |name: &str, entry: &str| {
        let found = maps.get_opt(name).await?;
        Ok::<_, kube::Error>(found.and_then(|map| map.data?.remove(entry)))
    };
    let roles = entry(ROLE_MAP, ROLE_MAP_ENTRY).await?;
    let identities = entry(POD_IDENTITIES, POD_IDENTITIES_ENTRY).await?;
    // What cannot be read the webhook does not follow either; it logs that.
    Ok(GrantTables {
        role_map: roles
            .and_then(|text| RoleMap::parse(&text).ok())
            .map(|(map, _)| map)
            .unwrap_or_default(),
        pod_identities: identities
            .and_then(|text| PodIdentities::parse(text.as_bytes()).ok())
            .unwrap_or_default(),
    })
}

async fn rules(client: &Client) -> Result<Vec<RecipeRules>, kube::Error> {
    let recipes = installed::list(client).await?;
    Ok(recipes.iter().map(RecipeRules::from).collect())
}

/// The issuer of the cluster's tokens, without its scheme.
async fn provider(client: &Client) -> Option<String> {
    let discovery: Value = get(client, "/.well-known/openid-configuration").await.ok()?;
    let issuer = discovery["issuer"].as_str()?;
    Some(issuer.strip_prefix("https://").unwrap_or(issuer).to_owned())
}

/// The condition keys of the time.
#[must_use]
pub fn time_keys(now: OffsetDateTime) -> BTreeMap<String, Vec<String>> {
    let whole = now.replace_nanosecond(0).unwrap_or(now);
    trust_policy::time_keys(whole.format(&Rfc3339).unwrap_or_default(), now.unix_timestamp())
}

/// Learns of the ServiceAccounts and Namespaces of subjects, where it does not know of them already.
pub async fn accounts(client: &Client, world: &mut World, subjects: &[Subject]) -> Result<(), kube::Error> {
    let pairs: BTreeSet<(&str, &str)> = subjects
        .iter()
        .map(|subject| (subject.namespace.as_str(), subject.service_account()))
        .collect();
    for (namespace, name) in pairs {
        if world.account(namespace, name).is_none() {
            learn::<ServiceAccount>(client, world, Some(namespace), name).await?;
        }
        if !world.namespaces.contains_key(namespace) {
            learn::<Namespace>(client, world, None, namespace).await?;
        }
    }
    Ok(())
}

async fn learn<K: Resource<DynamicType = ()>>(
    client: &Client,
    world: &mut World,
    namespace: Option<&str>,
    name: &str,
) -> Result<(), kube::Error> {
    let resource = ApiResource::erase::<K>(&());
    if let Some(object) = object(client, &resource, namespace, name).await? {
        // Neither of these kinds can be unreadable: the API server has checked them.
        let _ = world.learn(&object, namespace.unwrap_or_default());
    }
    Ok(())
}

/// Learns of every ServiceAccount and Namespace.
pub async fn all_accounts(client: &Client, world: &mut World) -> Result<(), kube::Error> {
    let kinds = [
        ApiResource::erase::<ServiceAccount>(&()),
        ApiResource::erase::<Namespace>(&()),
    ];
    for resource in kinds {
        for object in list(client, &resource, None, &ListParams::default()).await? {
            let _ = world.learn(&object, "");
        }
    }
    Ok(())
}

/// Looks up who made Pods, each owner once.
#[derive(Default)]
pub struct Owners(BTreeMap<(String, String, String), Option<Value>>);

impl Owners {
    /// The subject of a Pod that runs.
    pub async fn subject(&mut self, client: &Client, pod: Value) -> Option<Subject> {
        let namespace = pod["metadata"]["namespace"]
            .as_str()
            .unwrap_or("default")
            .to_owned();
        let mut live = Live::default();
        let mut owner = self.controller(client, &pod, &namespace).await;
        if let Some((kind, name, found)) = owner.take() {
            let template = found.as_ref().and_then(|found| found.pointer("/spec/template"));
            live.successor = template.map(|template| of_template(template, &namespace));
            let strategy = found
                .as_ref()
                .and_then(|found| found.pointer("/spec/updateStrategy/type"));
            live.replaced_on_delete = strategy.is_some_and(|strategy| strategy == "OnDelete");
            let above = match &found {
                Some(found) => self.controller(client, found, &namespace).await,
                None => None,
            };
            live.workload = Some(above.map_or((kind, name), |(kind, name, _)| (kind, name)));
        }
        Some(Subject {
            live: Some(live),
            ..Subject::of_object(&pod, &namespace)?
        })
    }

    /// Kind and name of an object's controller, and itself where it can be read.
    async fn controller(
        &mut self,
        client: &Client,
        object_of: &Value,
        namespace: &str,
    ) -> Option<(String, String, Option<Value>)> {
        let references = object_of["metadata"]["ownerReferences"].as_array()?;
        let owner = references.iter().find(|owner| owner["controller"] == true)?;
        let text = |name: &str| owner[name].as_str().unwrap_or_default().to_owned();
        let (api_version, kind, name) = (text("apiVersion"), text("kind"), text("name"));
        let key = (namespace.to_owned(), kind.clone(), name.clone());
        if !self.0.contains_key(&key) {
            let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
            // Who may not read it still learns its name.
            let found = object(client, &resource, Some(namespace), &name)
                .await
                .ok()
                .flatten();
            self.0.insert(key.clone(), found);
        }
        Some((kind, name, self.0.get(&key).cloned().flatten()))
    }
}

/// Asks the emulator for the roles of subjects, and for the OIDC providers of their accounts. `emulator` gives its
/// URL on this machine, or why there is none; it is only called if there is something to ask.
pub async fn roles(
    emulator: impl AsyncFnOnce() -> Result<String, String>,
    world: &mut World,
    subjects: &[Subject],
) {
    let wanted: BTreeSet<String> = subjects
        .iter()
        .flat_map(|subject| {
            let grant = world.grant(&subject.namespace, subject.service_account());
            let granted = grant.and_then(|(grant, _)| grant.role_arn().map(str::to_owned));
            let live = subject.live.as_ref();
            let successor = live.and_then(|live| live.successor.as_ref()).map(roles_of);
            let own = roles_of(&subject.pod);
            granted
                .into_iter()
                .chain(own)
                .chain(successor.into_iter().flatten())
        })
        .collect();
    let wanted: Vec<RoleArn> = wanted
        .iter()
        .filter_map(|text| RoleArn::parse(text).ok())
        .collect();
    if wanted.is_empty() || world.settings.inject.emulator_url.is_none() {
        return;
    }
    let url = emulator().await;
    let url = url.map_err(|why| format!("the emulator cannot be reached from here: {why}"));
    let asked = wanted.iter().map(async |arn| {
        let answer = match &url {
            Ok(url) => role(url, arn).await,
            Err(why) => Err(why.clone()),
        };
        let known = match answer {
            Ok(Some(found)) => Role::Found {
                arn: found.arn,
                trust: found.trust,
            },
            Ok(None) => Role::Missing,
            Err(why) => Role::NotAsked(why),
        };
        (arn.to_string(), known)
    });
    let (roles, providers) = tokio::join!(join_all(asked), providers(&url, world, &wanted));
    world.roles.extend(roles);
    world.providers.extend(providers);
}

/// Asks the emulator for the OIDC providers of the accounts of roles.
async fn providers(
    url: &Result<String, String>,
    world: &World,
    roles: &[RoleArn],
) -> Vec<(String, AccountProviders)> {
    // Whose providers they would have to be is not known.
    let Some(issuer) = &world.provider else {
        return Vec::new();
    };
    let accounts: BTreeMap<String, &RoleArn> = roles.iter().map(|role| (account_of(role), role)).collect();
    let asked = accounts.into_iter().map(async |(account, role)| {
        let answer = match url {
            Ok(url) => aws::providers(url, role, issuer, &world.settings.issuer_aliases).await,
            Err(why) => Err(why.clone()),
        };
        (
            account,
            answer.map_or_else(AccountProviders::NotAsked, AccountProviders::Found),
        )
    });
    join_all(asked).await
}
