//! What the checks look at: found when the first of them asks, and shared by the rest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use irsa_emu_core::contract::{
    DEFAULT_ACCOUNT, EKS_PREFIX, EMULATOR, EMULATOR_PORT, INSTANCE_LABEL, NAMESPACE, ROLE_ARN,
};
use irsa_emu_core::recipe::Recipe;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::{DeleteParams, ListParams, ObjectMeta};
use kube::{Api, Client};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;

use super::engine::Trouble;
use crate::app::App;
use crate::cluster::Family;
use crate::cluster::provider;
use crate::cluster::target::Cluster;
use crate::docker::{Docker, Node};
use crate::error::{CliError, Hint};
use crate::manifests::{self, HOST_ENDPOINT, Manifest, PART_LABEL};

/// Namespace of the canary.
pub(super) const CANARY_NAMESPACE: &str = "default";
/// ServiceAccount that the doctor makes for its own tests, and removes.
pub(super) const CANARY: &str = "irsa-emu-canary";
/// How long the removal of the canary may take when the doctor is interrupted.
const REMOVAL: Duration = Duration::from_secs(3);

/// What the checks look at.
pub struct Surroundings<'x> {
    /// Install and flags.
    pub(super) app: &'x App,
    docker: OnceCell<Result<Docker, Trouble>>,
    cluster: OnceCell<Result<Cluster, Trouble>>,
    canary: OnceCell<Result<(), Trouble>>,
    canary_made: AtomicBool,
    emulator: OnceCell<Result<Endpoint, Trouble>>,
}

/// Where the emulator can be asked from here.
pub(super) struct Endpoint {
    pub(super) url: String,
    /// Keeps the way open.
    _forward: Option<Forward>,
}

impl<'x> Surroundings<'x> {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(app: &'x App) -> Self {
        Self {
            app,
            docker: OnceCell::new(),
            cluster: OnceCell::new(),
            canary: OnceCell::new(),
            canary_made: AtomicBool::new(false),
            emulator: OnceCell::new(),
        }
    }

    /// Version of the cluster, if it was asked.
    #[must_use]
    pub fn cluster_version(&self) -> Option<&str> {
        let cluster = self.cluster.get()?.as_ref().ok()?;
        Some(&cluster.version)
    }

    /// `kubectl` for this cluster.
    pub(super) fn kubectl(&self, rest: &str) -> String {
        match self.app.context_name() {
            Ok(context) => format!("kubectl --context {context} {rest}"),
            Err(_) => format!("kubectl {rest}"),
        }
    }

    /// The cluster of containers that is meant; `None` where the context is of another kind.
    pub(super) fn containers(&self) -> Option<(Family, String)> {
        let context = self.app.context_name().ok();
        match context.as_deref().or(self.app.context.as_deref()) {
            Some(context) => Family::of_context(context).map(|(family, name)| (family, name.to_owned())),
            None => Some((Family::Kind, self.app.instance.clone())),
        }
    }

    /// The kind cluster that is meant.
    pub(super) fn kind_name(&self) -> Option<String> {
        self.containers()
            .and_then(|(family, name)| (family == Family::Kind).then_some(name))
    }

    pub(super) async fn docker(&self) -> Result<&Docker, Trouble> {
        let found = self.docker.get_or_init(|| async {
            Docker::connect(self.app.runner.as_ref()).await.map_err(|error| {
                let fix = error.hint().unwrap_or_else(|| "docker version".to_owned());
                Trouble::new(chain(&error), fix)
            })
        });
        found.await.as_ref().map_err(Clone::clone)
    }

    /// The containers of the cluster; empty where there are none.
    pub(super) async fn nodes(&self) -> Result<Vec<Node>, Trouble> {
        let Some((family, name)) = self.containers() else {
            return Ok(Vec::new());
        };
        let nodes = self.docker().await?.nodes(family, &name).await;
        nodes.map_err(|error| Trouble::new(chain(&error), "docker ps --all"))
    }

    pub(super) async fn cluster(&self) -> Result<&Cluster, Trouble> {
        let found = self.cluster.get_or_init(|| async {
            self.app
                .connect()
                .await
                .map_err(|error| from_cli(&error, || self.app.command("up")))
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
            Trouble::new("it does not exist", self.app.command("up"))
                .about(format!("Deployment {NAMESPACE}/{name}"))
        })
    }

    /// The value of a flag that the webhook runs with.
    pub(super) async fn webhook_flag(&self, flag: &str) -> Result<Option<String>, Trouble> {
        let deployment = self.deployment(irsa_emu_core::contract::WEBHOOK).await?;
        Ok(super::images::flag(&deployment, flag))
    }

    /// The emulator's URL on this machine, as `up` recorded it, or as Docker tells.
    pub(super) async fn host_endpoint(&self) -> Result<Option<String>, Trouble> {
        let namespace = Api::<Namespace>::all(self.client().await?)
            .get_opt(NAMESPACE)
            .await?;
        let recorded = namespace.and_then(|found| found.metadata.annotations?.remove(HOST_ENDPOINT));
        if recorded.is_some() || self.containers().is_none() {
            return Ok(recorded);
        }
        let port = provider::emulator_port(&self.nodes().await.unwrap_or_default());
        Ok(port.map(|port| format!("http://127.0.0.1:{port}")))
    }

    /// Where to ask the emulator from here: its port on this machine, else a way through the API server.
    pub(super) async fn emulator(&self) -> Result<&str, Trouble> {
        let found = self.emulator.get_or_init(|| async {
            if let Some(url) = self.host_endpoint().await?
                && answers(&url).await
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

    /// Opens a port of this machine that leads to a port of a part's Pod.
    pub(super) async fn forward(&self, app: &str, port: u16) -> Result<Forward, Trouble> {
        let api = Api::<Pod>::namespaced(self.client().await?, NAMESPACE);
        let params = ListParams::default().labels(&format!("{PART_LABEL}={app}"));
        let ready = |pod: &Pod| {
            let conditions = pod
                .status
                .iter()
                .flat_map(|status| status.conditions.iter().flatten());
            let mut ready = conditions.filter(|condition| condition.type_ == "Ready");
            pod.metadata.deletion_timestamp.is_none() && ready.any(|condition| condition.status == "True")
        };
        let pods = api.list(&params).await?;
        let Some(name) = pods.into_iter().find(ready).and_then(|pod| pod.metadata.name) else {
            let fix = self.kubectl(&format!("-n {NAMESPACE} get pods"));
            return Err(Trouble::new(format!("no Pod of {app} is Ready"), fix));
        };
        Forward::open(api, name, port).await.map_err(|error| {
            Trouble::new(
                format!("no port of this machine can be opened: {error}"),
                "ip address show lo",
            )
        })
    }

    pub(super) async fn recipes(&self) -> Result<Vec<Recipe>, Trouble> {
        match Api::<Recipe>::all(self.client().await?)
            .list(&ListParams::default())
            .await
        {
            Ok(list) => Ok(list.items),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(Trouble::new(
                "the cluster does not know the kind Recipe",
                self.app.command("up"),
            )
            .about("CustomResourceDefinition recipes.irsa-emu.dev")),
            Err(error) => Err(error.into()),
        }
    }

    /// The role of the canary.
    pub(super) fn canary_role() -> String {
        format!("arn:aws:iam::{DEFAULT_ACCOUNT}:role/{CANARY}")
    }

    /// Makes the ServiceAccount that the doctor tests with; [`Self::clean`] removes it, and so does the drop.
    pub(super) async fn canary(&self) -> Result<(), Trouble> {
        let made = self.canary.get_or_init(|| async {
            let client = self.client().await?;
            let annotations = [(format!("{EKS_PREFIX}/{ROLE_ARN}"), Self::canary_role())];
            let labels = [(INSTANCE_LABEL.to_owned(), self.app.instance.clone())];
            let account = ServiceAccount {
                metadata: ObjectMeta {
                    name: Some(CANARY.to_owned()),
                    namespace: Some(CANARY_NAMESPACE.to_owned()),
                    annotations: Some(annotations.into()),
                    labels: Some(labels.into()),
                    ..ObjectMeta::default()
                },
                ..ServiceAccount::default()
            };
            let refused = |error: &dyn std::error::Error| {
                let fix = self.kubectl("auth can-i create serviceaccounts -n default");
                Trouble::new(chain(error), fix).about(format!("ServiceAccount {CANARY_NAMESPACE}/{CANARY}"))
            };
            let manifest = Manifest::of(&account).map_err(|error| refused(&error))?;
            self.canary_made.store(true, Ordering::SeqCst);
            manifests::apply(&client, &manifest)
                .await
                .map(|_| ())
                .map_err(|error| refused(&error))
        });
        made.await.clone()
    }

    /// Removes what the checks made in the cluster.
    pub async fn clean(&self) {
        if !self.canary_made.swap(false, Ordering::SeqCst) {
            return;
        }
        let Some(Ok(cluster)) = self.cluster.get() else {
            return;
        };
        let api = Api::<ServiceAccount>::namespaced(cluster.client.clone(), CANARY_NAMESPACE);
        if let Err(error) = api.delete(CANARY, &DeleteParams::default()).await {
            tracing::debug!(%error, "the canary could not be removed");
        }
    }
}

impl Drop for Surroundings<'_> {
    /// Leaves nothing in the cluster when the doctor is interrupted halfway.
    fn drop(&mut self) {
        if !self.canary_made.load(Ordering::SeqCst) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        tokio::task::block_in_place(|| {
            // Should it take longer, the next run of the doctor removes it.
            let _ = runtime.block_on(tokio::time::timeout(REMOVAL, self.clean()));
        });
    }
}

/// A port of this machine that leads into a Pod, through the API server.
pub(super) struct Forward {
    pub(super) port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Forward {
    async fn open(api: Api<Pod>, pod: String, port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let local = listener.local_addr()?.port();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(carry(api.clone(), pod.clone(), port, socket));
            }
        });
        Ok(Self { port: local, task })
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(api: Api<Pod>, pod: String, port: u16, mut socket: TcpStream) {
    match api.portforward(&pod, &[port]).await {
        Ok(mut forwarder) => {
            if let Some(mut stream) = forwarder.take_stream(port) {
                let carried = tokio::io::copy_bidirectional(&mut socket, &mut stream).await;
                tracing::debug!(?carried, pod, "a forwarded connection ended");
            }
        }
        Err(error) => tracing::debug!(%error, pod, "the connection could not be forwarded"),
    }
}

/// Whether someone listens there.
pub(super) async fn answers(url: &str) -> bool {
    let Some(address) = url.strip_prefix("http://") else {
        return false;
    };
    let connected = tokio::time::timeout(Duration::from_secs(2), TcpStream::connect(address)).await;
    matches!(connected, Ok(Ok(_)))
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}

pub(super) fn from_cli(error: &CliError, fix: impl FnOnce() -> String) -> Trouble {
    let rendered = error.render();
    let message = rendered
        .lines()
        .filter(|line| !line.starts_with("  next: "))
        .collect::<Vec<_>>()
        .join("\n");
    let fix = error.next_command().map_or_else(fix, str::to_owned);
    Trouble::new(message, fix)
}

impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Self {
        Self::new(
            format!("the API server did not answer as it should: {}", chain(&error)),
            "kubectl get --raw /readyz",
        )
    }
}
