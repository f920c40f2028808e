//! The cluster that `up` works on: made, started again, or named by the user.

use irsa_emu_core::contract::EMULATOR_PORT;
use tokio::time::Instant;

use super::install::Sources;
use super::options::Provider;
use super::{Made, Up};
use crate::cluster::kind::{self, Kind};
use crate::cluster::target::{Cluster, kind_cluster, kind_context, require_safe};
use crate::cluster::{port, ready};
use crate::docker::{Docker, Node};
use crate::error::{Attempt, CliError, Code, ExitStatus};
use crate::progress::seconds;

/// A cluster that answers, and the Docker and the nodes that it runs on where they are at hand.
pub(super) struct Place {
    pub(super) cluster: Cluster,
    pub(super) nodes: Option<(Docker, Vec<Node>)>,
    pub(super) host_port: Option<u16>,
    pub(super) sources: Sources,
}

impl Up<'_> {
    pub(super) async fn place(&self) -> Result<Place, CliError> {
        match self.provider()? {
            Provider::Kind => self.kind_cluster().await,
            Provider::Existing => self.existing_cluster().await,
        }
    }

    pub(super) fn provider(&self) -> Result<Provider, CliError> {
        match (self.args.provider, &self.app.context) {
            (Some(Provider::Kind), Some(context)) if *context != kind_context(&self.app.instance) => {
                let why = format!(
                    "--provider kind makes the context {}, but --context names {context}",
                    kind_context(&self.app.instance)
                );
                Err(CliError::because(ExitStatus::Usage, "choosing the cluster", why)
                    .next("irsa-emu up --context NAME"))
            }
            (Some(Provider::Existing), None) => {
                let why = "--provider existing needs --context";
                Err(CliError::because(ExitStatus::Usage, "choosing the cluster", why)
                    .next("kubectl config get-contexts"))
            }
            (Some(provider), _) => Ok(provider),
            (None, Some(_)) => Ok(Provider::Existing),
            (None, None) => Ok(Provider::Kind),
        }
    }

    /// The kind cluster of the install, made if there is none.
    async fn kind_cluster(&self) -> Result<Place, CliError> {
        let (app, name) = (self.app, self.app.instance.as_str());
        app.progress.step("looking for Docker, kind and the cluster");
        let docker = Docker::connect(app.runner.as_ref())
            .await
            .map_err(|error| CliError::hinted("finding Docker", error))?;
        let kind = Kind::find(app.runner.as_ref(), app.kubeconfig.clone())
            .map_err(|error| CliError::hinted("finding kind", error))?;
        let has = kind
            .has(name)
            .await
            .map_err(|error| CliError::hinted("listing the clusters of kind", error))?;
        let nodes = docker
            .kind_nodes(name)
            .await
            .map_err(|error| CliError::hinted("listing the nodes", error))?;
        let there = has && !nodes.is_empty();
        let port = if there {
            None
        } else {
            Some(self.free_port(&docker).await?)
        };
        // Before anything is made, so that a program that is missing costs nothing.
        let sources = self.sources().await?;
        let found = if there { "is there" } else { "is not there yet" };
        app.progress
            .done(&format!("Docker {}, cluster {name} {found}", docker.version));
        match port {
            Some(port) => self.create(&kind, port).await?,
            None => self.reuse(&kind, &docker, &nodes).await?,
        }
        let cluster = self.connect_when_ready(&kind_context(name)).await?;
        if !there {
            self.record(Made::Cluster);
        }
        let nodes = docker
            .kind_nodes(name)
            .await
            .map_err(|error| CliError::hinted("listing the nodes", error))?;
        let host_port = kind::emulator_port(&nodes);
        self.mention_port(host_port);
        Ok(Place {
            cluster,
            nodes: Some((docker, nodes)),
            host_port,
            sources,
        })
    }

    fn mention_port(&self, actual: Option<u16>) {
        let recreate = format!("to change it: {}, then up again", self.app.command("down"));
        match (actual, self.args.host_port) {
            (None, _) => self.app.progress.warn(&format!("this cluster was made without a port for the emulator on this machine; in the cluster all works; {recreate}")),
            (Some(actual), Some(wanted)) if wanted != 0 && actual != wanted => {
                self.app.progress.warn(&format!("the cluster has the emulator on port {actual}, not {wanted}; {recreate}"));
            }
            (Some(_), _) => {}
        }
    }

    /// A port for a new cluster, known to be free.
    async fn free_port(&self, docker: &Docker) -> Result<u16, CliError> {
        let attempted = |port: u16| format!("reserving port {port} of 127.0.0.1 for the emulator");
        let wanted = self.args.host_port.unwrap_or(EMULATOR_PORT);
        if wanted == 0 {
            return port::any_free().attempting(|| attempted(0));
        }
        // Of another machine's ports only its Docker can tell.
        let Some(error) = (if docker.is_local() {
            port::is_free(wanted).err()
        } else {
            None
        }) else {
            return Ok(wanted);
        };
        let container = docker
            .port_owner(wanted)
            .await
            .ok()
            .flatten()
            .map(|name| format!("the container {name}"));
        let owner = container.or_else(|| port::owner(wanted));
        let why = match owner {
            Some(owner) => format!("it is taken by {owner}"),
            None => error.to_string(),
        };
        let next = format!("{} --host-port 0", self.app.command("up"));
        Err(CliError::because(ExitStatus::Failed, attempted(wanted), why)
            .code(Code::PortTaken)
            .next(next))
    }

    async fn create(&self, kind: &Kind<'_>, port: u16) -> Result<(), CliError> {
        let (app, name) = (self.app, self.app.instance.as_str());
        app.progress.step(&format!("creating the kind cluster {name}"));
        let before = app.kubeconfigs().remember_current();
        self.record(Made::HalfCluster);
        let image = self.args.node_image.as_deref();
        let show = |line: &str| {
            // kind marks the beginning of a step so; the rest is for people who called kind themselves.
            if let Some(step) = line.trim_start().strip_prefix('•') {
                let step = step.trim_matches(|c: char| !c.is_alphanumeric() && c != ')');
                app.progress.detail(step);
            }
        };
        let created = tokio::time::timeout_at(self.deadline(), kind.create(name, port, image, &show)).await;
        // kind makes its context the current one, even where it fails later.
        if !self.args.switch_context {
            before
                .restore()
                .attempting(|| "restoring the current context".to_owned())?;
        }
        let attempted = format!("creating the kind cluster {name}");
        match created {
            Ok(Ok(())) => {
                app.progress
                    .done(&format!("port {port} of 127.0.0.1 is the emulator's"));
                Ok(())
            }
            Ok(Err(error)) => Err(CliError::hinted(attempted, error)),
            Err(_) => {
                let why = format!("kind was not done within {}", seconds(self.args.timeout));
                let next = format!("{} --timeout 15m", app.command("up"));
                Err(CliError::because(ExitStatus::Timeout, attempted, why).next(next))
            }
        }
    }

    /// Starts the nodes of a cluster that is there, and makes sure that the kubeconfig knows it.
    async fn reuse(&self, kind: &Kind<'_>, docker: &Docker, nodes: &[Node]) -> Result<(), CliError> {
        let (app, name) = (self.app, self.app.instance.as_str());
        for node in nodes.iter().filter(|node| !node.running) {
            app.progress.step(&format!("starting the node {}", node.name));
            docker
                .start(&node.id)
                .await
                .map_err(|error| CliError::hinted(format!("starting the node {}", node.name), error))?;
            app.progress.done("");
        }
        let config = app
            .kubeconfigs()
            .read()
            .attempting(|| "reading the kubeconfig".to_owned())?;
        if config
            .contexts
            .iter()
            .any(|context| context.name == kind_context(name))
        {
            return Ok(());
        }
        let before = app.kubeconfigs().remember_current();
        kind.export_kubeconfig(name)
            .await
            .map_err(|error| CliError::hinted("writing the context into the kubeconfig", error))?;
        if !self.args.switch_context {
            before
                .restore()
                .attempting(|| "restoring the current context".to_owned())?;
        }
        Ok(())
    }

    /// A cluster that the user named.
    async fn existing_cluster(&self) -> Result<Place, CliError> {
        let app = self.app;
        let context = app.context_name()?;
        require_safe(&context, &app.allowed_contexts)?;
        let nodes = match kind_cluster(&context) {
            Some(name) => self.local_nodes(name).await,
            None => None,
        };
        if nodes.is_none() && (self.args.webhook_image.is_none() || self.args.sidecar_image.is_none()) {
            let why = "its nodes are no containers of a kind cluster in the local Docker, so images made here cannot be put on them";
            let attempted = format!("preparing the cluster of context `{context}`");
            let next = format!(
                "push both images to a registry of the cluster, then: {} --webhook-image IMAGE --sidecar-image IMAGE",
                app.command("up")
            );
            return Err(CliError::because(ExitStatus::Usage, attempted, why)
                .code(Code::ImagesRequired)
                .next(next));
        }
        let sources = self.sources().await?;
        let cluster = self.connect_when_ready(&context).await?;
        let host_port = nodes.as_ref().and_then(|(_, nodes)| kind::emulator_port(nodes));
        Ok(Place {
            cluster,
            nodes,
            host_port,
            sources,
        })
    }

    async fn local_nodes(&self, cluster: &str) -> Option<(Docker, Vec<Node>)> {
        let docker = Docker::connect(self.app.runner.as_ref()).await.ok()?;
        let nodes = docker.kind_nodes(cluster).await.ok()?;
        (!nodes.is_empty()).then_some((docker, nodes))
    }

    /// Waits for the API server, the nodes, the DNS and the default ServiceAccount.
    async fn connect_when_ready(&self, context: &str) -> Result<Cluster, CliError> {
        let app = self.app;
        app.progress.step("waiting for the nodes and the cluster's DNS");
        let cluster = loop {
            match Cluster::connect(&app.kubeconfigs(), context).await {
                Ok(cluster) => break cluster,
                Err(error) if Instant::now() >= self.deadline() => {
                    return Err(error.next(app.command("down")));
                }
                // A node that was just started needs a while; a cluster that is simply gone is told at once.
                Err(error) if app.context.is_some() => return Err(error),
                Err(_) => {
                    app.progress.detail("the API server does not answer yet");
                    tokio::time::sleep(ready::POLL).await;
                }
            }
        };
        match ready::wait(&cluster.client, self.deadline(), app.progress.as_ref()).await {
            Ok(()) => {
                app.progress.done(&format!("Kubernetes {}", cluster.version));
                Ok(cluster)
            }
            Err(lacking) => {
                let attempted = format!("waiting for the cluster of context `{context}`");
                let why = format!(
                    "not ready within {}: {}",
                    seconds(self.args.timeout),
                    lacking.join("; ")
                );
                let next = format!("kubectl --context {context} describe nodes");
                Err(CliError::because(ExitStatus::Timeout, attempted, why)
                    .code(Code::ClusterNotReady)
                    .detail("pending", lacking)
                    .next(next))
            }
        }
    }
}
