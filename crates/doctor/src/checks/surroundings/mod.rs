//! What the checks look at: found when the first of them asks, and shared by the rest.

pub(crate) mod accounts;
pub(crate) mod canary;
mod forward;
pub(crate) mod pods;
pub mod scope;
pub mod versions;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use irsa_emu_cluster::docker::{Docker, DockerInfo};
use irsa_emu_cluster::failure::{Hint, rendered};
use irsa_emu_cluster::kubernetes::connect::Cluster;
use irsa_emu_cluster::kubernetes::looked_at::is_looked_at;
use irsa_emu_cluster::kubernetes::objects;
use irsa_emu_cluster::kubernetes::pods::is_ready;
use irsa_emu_cluster::local::family::Family;
use irsa_emu_cluster::local::host_port::HostAccess;
use irsa_emu_cluster::local::nodes::Node;
use irsa_emu_cluster::local::port;
use irsa_emu_core::causes::chain;
use irsa_emu_core::contract::{EMULATOR, EMULATOR_PORT, NAMESPACE, PART_LABEL, WEBHOOK};
use irsa_emu_core::recipe::Recipe;
use irsa_emu_install::recipe::wiring;
use irsa_emu_install::recorded;
use irsa_emu_install::session::Session;
use irsa_emu_install::settings::Settings;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::sync::OnceCell;

use self::accounts::Accounts;
use self::forward::Forward;
use self::pods::Pods;
use self::scope::Scope;
use self::versions::Versions;
use super::engine::{Kubectl, Trouble};
use crate::explain::gather::{self, Owners};
use crate::remedy::Remedy;

/// Why nothing is asked of Docker.
pub(crate) const NO_CONTAINERS: &str = "the cluster's nodes are not containers of kind or k3d";

/// What the checks look at.
pub struct Surroundings<'x> {
    /// Install and cluster.
    pub(super) session: &'x Session,
    pub(super) scope: Scope,
    /// Port of 127.0.0.1 that a new cluster would publish; 0 is any that is free.
    pub(super) host_port: u16,
    docker: OnceCell<Result<Docker, Trouble>>,
    docker_info: OnceCell<Result<DockerInfo, Trouble>>,
    nodes: OnceCell<Result<Vec<Node>, Trouble>>,
    host_access: OnceCell<Result<Option<HostAccess>, Trouble>>,
    cluster: OnceCell<Result<Cluster, Trouble>>,
    webhook: OnceCell<Result<Deployment, Trouble>>,
    registrations: OnceCell<Result<Vec<MutatingWebhookConfiguration>, Trouble>>,
    recipes: OnceCell<Result<Vec<Recipe>, Trouble>>,
    accounts: OnceCell<Result<Accounts, Trouble>>,
    pods: OnceCell<Result<Pods, Trouble>>,
    canary: OnceCell<Result<(), Trouble>>,
    canary_made: AtomicBool,
    probe_made: AtomicBool,
    emulator: OnceCell<Result<Endpoint, Trouble>>,
}

/// Where the emulator can be asked from here.
pub(super) struct Endpoint {
    pub(super) url: String,
    /// Keeps the port open.
    _forward: Option<Forward>,
}

impl<'x> Surroundings<'x> {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(session: &'x Session, scope: Scope) -> Self {
        Self {
            session,
            scope,
            host_port: EMULATOR_PORT,
            docker: OnceCell::new(),
            docker_info: OnceCell::new(),
            nodes: OnceCell::new(),
            host_access: OnceCell::new(),
            cluster: OnceCell::new(),
            webhook: OnceCell::new(),
            registrations: OnceCell::new(),
            recipes: OnceCell::new(),
            accounts: OnceCell::new(),
            pods: OnceCell::new(),
            canary: OnceCell::new(),
            canary_made: AtomicBool::new(false),
            probe_made: AtomicBool::new(false),
            emulator: OnceCell::new(),
        }
    }

    /// The same, for a new cluster that would publish this port of 127.0.0.1.
    #[must_use]
    pub fn with_host_port(mut self, host_port: u16) -> Self {
        self.host_port = host_port;
        self
    }

    /// The versions of what was asked.
    #[must_use]
    pub fn versions(&self) -> Versions {
        let cluster = self.cluster.get().and_then(|found| found.as_ref().ok());
        let docker = self.docker.get().and_then(|found| found.as_ref().ok());
        Versions {
            kubernetes: cluster.map(|cluster| cluster.version.clone()),
            docker: docker.map(|docker| docker.version.clone()),
        }
    }

    /// `kubectl` for this cluster.
    pub(super) fn kubectl(&self, rest: &str) -> String {
        format!("{} {rest}", self.session.kubectl())
    }

    /// The cluster of containers that is meant; `None` where the context is of another kind.
    pub(super) fn containers(&self) -> Option<(Family, String)> {
        let context = self.session.context_name().ok();
        match context.as_deref().or(self.session.context.as_deref()) {
            Some(context) => Family::of_context(context).map(|(family, name)| (family, name.to_owned())),
            None => Some((Family::Kind, self.session.instance.clone())),
        }
    }

    /// A node that can be asked.
    pub(super) async fn running_node(&self) -> Result<Option<&Node>, Trouble> {
        let nodes = self.nodes().await?;
        Ok(nodes.iter().find(|node| node.running && node.runs_pods))
    }

    pub(super) async fn docker(&self) -> Result<&Docker, Trouble> {
        let found = self.docker.get_or_init(|| async {
            Docker::connect(self.session.runner.as_ref())
                .await
                .map_err(|error| {
                    let fix = error.hint().unwrap_or_else(|| "docker version".to_owned());
                    Trouble::new(chain(&error), fix)
                })
        });
        found.await.as_ref().map_err(Clone::clone)
    }

    /// What Docker reports of itself and of its machine.
    pub(super) async fn docker_info(&self) -> Result<&DockerInfo, Trouble> {
        let found = self.docker_info.get_or_init(|| async {
            let info = self.docker().await?.info().await;
            info.map_err(|error| Trouble::new(chain(&error), "docker info"))
        });
        found.await.as_ref().map_err(Clone::clone)
    }

    /// The containers of the cluster; empty where there are none.
    pub(super) async fn nodes(&self) -> Result<&[Node], Trouble> {
        let found = self.nodes.get_or_init(|| async {
            let Some((family, name)) = self.containers() else {
                return Ok(Vec::new());
            };
            let nodes = self.docker().await?.nodes(family, &name).await;
            nodes.map_err(|error| Trouble::new(chain(&error), "docker ps --all"))
        });
        found.await.as_deref().map_err(Clone::clone)
    }

    /// How this machine gets to the emulator, as Docker reports it; `None` where no port of it does.
    pub(super) async fn host_access(&self) -> Result<Option<&HostAccess>, Trouble> {
        let found = self.host_access.get_or_init(|| async {
            let Some((family, name)) = self.containers() else {
                return Ok(None);
            };
            let (nodes, docker) = (self.nodes().await?, self.docker().await?);
            let access =
                HostAccess::look(docker, &self.session.instance, &family.context(&name), nodes).await;
            access.map_err(|error| Trouble::new(chain(&error), "docker ps --all"))
        });
        found.await.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    pub(super) async fn cluster(&self) -> Result<&Cluster, Trouble> {
        let found = self.cluster.get_or_init(|| async {
            self.session.connect().await.map_err(|error| {
                let fix = error.hint().unwrap_or_else(|| self.session.command("up"));
                Trouble::new(rendered(&error.attempted(), &error), fix)
            })
        });
        found.await.as_ref().map_err(Clone::clone)
    }

    pub(super) async fn client(&self) -> Result<Client, Trouble> {
        Ok(self.cluster().await?.client.clone())
    }

    pub(super) async fn deployment(&self, name: &str) -> Result<Deployment, Trouble> {
        let found = Api::<Deployment>::namespaced(self.client().await?, NAMESPACE)
            .get_opt(name)
            .await?;
        found.ok_or_else(|| {
            Trouble::new("it does not exist", self.session.command("up"))
                .about(format!("Deployment {NAMESPACE}/{name}"))
                .repaired_by(Remedy::Up)
        })
    }

    /// The Deployment of the webhook.
    pub(super) async fn webhook(&self) -> Result<&Deployment, Trouble> {
        let found = self.webhook.get_or_init(|| self.deployment(WEBHOOK));
        found.await.as_ref().map_err(Clone::clone)
    }

    /// The settings that the webhook runs with.
    pub(super) async fn settings(&self) -> Result<Settings, Trouble> {
        Settings::read(self.webhook().await?).ok_or_else(|| {
            Trouble::new("it has no container", self.session.command("up"))
                .about(format!("Deployment {NAMESPACE}/{WEBHOOK}"))
                .repaired_by(Remedy::Up)
        })
    }

    /// Whether the credentials of Pods are good for real AWS, so that there is no emulator.
    pub(super) async fn is_real_aws(&self) -> Result<bool, Trouble> {
        Ok(self.settings().await?.inject.emulator_url.is_none())
    }

    /// Every webhook that changes objects.
    pub(super) async fn registrations(&self) -> Result<&[MutatingWebhookConfiguration], Trouble> {
        let found = self.registrations.get_or_init(|| async {
            let api = Api::<MutatingWebhookConfiguration>::all(self.client().await?);
            Ok(api.list(&ListParams::default()).await?.items)
        });
        found.await.as_deref().map_err(Clone::clone)
    }

    /// The emulator's URL on this machine, as `up` recorded it, or as Docker reports it.
    pub(super) async fn host_endpoint(&self) -> Result<Option<String>, Trouble> {
        let recorded = recorded::read(&self.client().await?).await?;
        let recorded = recorded.and_then(|recorded| recorded.host_endpoint);
        if recorded.is_some() || self.containers().is_none() {
            return Ok(recorded);
        }
        let access = self.host_access().await.unwrap_or_default();
        Ok(access.map(|access| format!("http://127.0.0.1:{}", access.port())))
    }

    /// Where to ask the emulator from here: its port on this machine, else one that is forwarded through the API server.
    pub(crate) async fn emulator(&self) -> Result<&str, Trouble> {
        let found = self.emulator.get_or_init(|| async {
            if let Some(url) = self.host_endpoint().await?
                && port::answers(&url).await
            {
                return Ok(Endpoint { url, _forward: None });
            }
            let forward = self.forward(EMULATOR, EMULATOR_PORT).await?;
            let url = format!("http://127.0.0.1:{}", forward.port);
            Ok(Endpoint {
                url,
                _forward: Some(forward),
            })
        });
        let endpoint = found.await.as_ref().map_err(Clone::clone)?;
        Ok(&endpoint.url)
    }

    /// The same for those who are no checks.
    pub async fn emulator_url(&self) -> Result<String, String> {
        let url = self.emulator().await;
        url.map(str::to_owned).map_err(|trouble| trouble.message)
    }

    /// Opens a port of this machine for a port of a part's Pod.
    pub(super) async fn forward(&self, app: &str, port: u16) -> Result<Forward, Trouble> {
        let api = Api::<Pod>::namespaced(self.client().await?, NAMESPACE);
        let params = ListParams::default().labels(&format!("{PART_LABEL}={app}"));
        let mut pods = api.list(&params).await?.items;
        pods.retain(|pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            pod.metadata.deletion_timestamp.is_none() && phase == Some("Running")
        });
        // One that is not Ready may still listen, and is the one to look at where none is.
        let chosen = pods.iter().find(|pod| is_ready(pod)).or(pods.first());
        let Some(name) = chosen.and_then(|pod| pod.metadata.name.clone()) else {
            let fix = self.kubectl(&format!("-n {NAMESPACE} get pods"));
            return Err(Trouble::new(format!("no Pod of {app} runs"), fix));
        };
        Forward::open(api, name, port).await.map_err(|error| {
            Trouble::new(
                format!("no port of this machine can be opened: {error}"),
                "ip address show lo",
            )
        })
    }

    /// The ServiceAccounts that are looked at.
    pub(super) async fn accounts(&self) -> Result<&Accounts, Trouble> {
        let found = self.accounts.get_or_init(|| async {
            let defaults = self.settings().await?.grants;
            let api = Api::<ServiceAccount>::all(self.client().await?);
            let found = api.list(&ListParams::default()).await?.items;
            Ok(Accounts::of(found, &self.scope, defaults))
        });
        found.await.as_ref().map_err(Clone::clone)
    }

    /// The Pods that are looked at.
    pub(super) async fn pods(&self) -> Result<&Pods, Trouble> {
        let found = self.pods.get_or_init(|| self.judged_pods());
        found.await.as_ref().map_err(Clone::clone)
    }

    async fn judged_pods(&self) -> Result<Pods, Trouble> {
        let client = self.client().await?;
        let world = gather::world(&client, self.session.kubectl()).await?;
        let Some(mut world) = world else {
            return Ok(Pods { list: Vec::new() });
        };
        let namespaces = match &self.scope {
            Scope::Everywhere => None,
            Scope::Named(names) => Some(names.clone()),
            Scope::Annotated => Some(
                self.accounts()
                    .await?
                    .namespaces()
                    .into_iter()
                    .map(str::to_owned)
                    .collect(),
            ),
        };
        let all = match namespaces.as_deref() {
            Some([one]) => objects::pods(&client, Some(one), "").await?,
            Some([]) => Vec::new(),
            _ => objects::pods(&client, None, "").await?,
        };
        let looked_at = all
            .into_iter()
            .filter(|pod| is_looked_at(pod, namespaces.as_deref()));
        let (mut owners, mut subjects) = (Owners::default(), Vec::new());
        for pod in looked_at {
            subjects.extend(owners.subject(&client, pod).await);
        }
        gather::accounts(&client, &mut world, &subjects).await?;
        let mut key_regions = BTreeMap::new();
        for recipe in self
            .recipes()
            .await?
            .iter()
            .filter(|recipe| !recipe.spec.kms.keys.is_empty())
        {
            for (namespace, name, _) in wiring::accounts(&recipe.spec) {
                key_regions.insert((namespace, name), recipe.spec.region.clone());
            }
        }
        Ok(Pods::of(subjects, &world, &key_regions))
    }

    /// Every Recipe.
    pub(super) async fn recipes(&self) -> Result<&[Recipe], Trouble> {
        let found = self.recipes.get_or_init(|| async {
            let api = Api::<Recipe>::all(self.client().await?);
            match api.list(&ListParams::default()).await {
                Ok(list) => Ok(list.items),
                Err(kube::Error::Api(status)) if status.code == 404 => Err(Trouble::new(
                    "the cluster does not know the kind Recipe",
                    self.session.command("up"),
                )
                .about("CustomResourceDefinition recipes.irsa-emu.dev")
                .repaired_by(Remedy::Up)),
                Err(error) => Err(error.into()),
            }
        });
        found.await.as_deref().map_err(Clone::clone)
    }
}

impl Kubectl for Surroundings<'_> {
    fn kubectl(&self, words: &str) -> String {
        self.kubectl(words)
    }
}

impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Self {
        Self::kubectl(
            format!("the API server did not respond as expected: {}", chain(&error)),
            "get --raw /readyz",
        )
    }
}
