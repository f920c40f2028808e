//! The cluster that `up` works on: made, started again, or there before.

use irsa_emu_cluster::docker::Docker;
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_cluster::images::Sources;
use irsa_emu_cluster::kubernetes::POLL;
use irsa_emu_cluster::kubernetes::connect::{Cluster, require_safe};
use irsa_emu_cluster::kubernetes::ready;
use irsa_emu_cluster::local::family::Family;
use irsa_emu_cluster::local::nodes::Node;
use irsa_emu_cluster::local::port;
use irsa_emu_cluster::local::provider::{ClusterProvider, emulator_port};
use irsa_emu_cluster::progress::seconds;
use irsa_emu_core::contract::EMULATOR_PORT;
use irsa_emu_core::kubectl::kubectl;
use irsa_emu_install::session::connecting;
use tokio::time::Instant;

use super::attempt::Up;
use crate::error::{Attempt, CliError};

/// A cluster that responds, and the Docker and the nodes that it runs on where they are at hand.
pub(super) struct Place {
    pub(super) cluster: Cluster,
    pub(super) nodes: Option<(Docker, Vec<Node>)>,
    /// The port of this machine for the emulator.
    pub(super) host_port: Option<u16>,
    /// The container that carries it there, where the nodes publish none.
    pub(super) proxy: Option<String>,
    pub(super) sources: Sources,
    /// Whether the cluster comes and goes with the install.
    pub(super) is_own: bool,
}

impl Up<'_> {
    pub(super) async fn place(&self) -> Result<Place, CliError> {
        let provider = self.provider().await?;
        if provider.is_own() {
            self.own_cluster(provider.as_ref()).await
        } else {
            self.existing_cluster(provider.as_ref()).await
        }
    }

    /// The cluster of the install, made if there is none.
    async fn own_cluster(&self, provider: &dyn ClusterProvider) -> Result<Place, CliError> {
        let app = self.app;
        app.progress
            .step(&format!("looking for Docker and the {}", provider.title()));
        let docker = Docker::connect(app.session.runner.as_ref())
            .await
            .map_err(|error| CliError::hinted("finding Docker", error))?;
        provider
            .require()
            .map_err(|error| CliError::hinted("finding the provider of the cluster", error))?;
        let found = self.settled(provider, &docker).await?;
        // Before anything is made or deleted, so that a file or a program that is missing costs nothing.
        let config = self.cluster_config(provider)?;
        let sources = if found.is_empty() {
            None
        } else {
            Some(self.images.sources().await?)
        };
        let replaced = self.replace_if_different(provider, &found).await?;
        let there = !found.is_empty() && !replaced;
        let port = if there {
            None
        } else {
            Some(self.free_port(&docker).await?)
        };
        let sources = match sources {
            Some(sources) => sources,
            None => self.images.sources().await?,
        };
        let state = if there { "is there" } else { "is not there yet" };
        app.progress.done(&format!(
            "Docker {}, {} {state}",
            docker.version,
            provider.title()
        ));
        match port {
            Some(port) => {
                self.warn_about_host().await;
                self.warn_about_licence(self.token.is_some());
                self.create(provider, port, config.as_ref()).await?;
            }
            None => self.reuse(provider, &docker, &found).await?,
        }
        let cluster = self.connect_when_ready(provider).await?;
        if !there {
            self.created(provider);
        }
        let nodes = nodes(&docker, provider).await?;
        Ok(Place {
            cluster,
            host_port: emulator_port(&nodes),
            nodes: Some((docker, nodes)),
            proxy: None,
            sources,
            is_own: true,
        })
    }

    /// A port for a new cluster, known to be free.
    async fn free_port(&self, docker: &Docker) -> Result<u16, CliError> {
        let attempted = |port: u16| format!("reserving port {port} of 127.0.0.1 for the emulator");
        let wanted = self.args.host_port.unwrap_or(EMULATOR_PORT);
        if wanted == 0 {
            return port::any_free().attempting(|| attempted(0));
        }
        let Some(why) = taken(docker, wanted).await else {
            return Ok(wanted);
        };
        let next = format!("{} --host-port 0", self.app.session.command("up"));
        Err(CliError::because(ExitStatus::Failed, attempted(wanted), why)
            .code(Code::PortTaken)
            .next(next))
    }

    /// Starts the nodes of a cluster that is there, and makes sure that the kubeconfig knows it.
    async fn reuse(
        &self,
        provider: &dyn ClusterProvider,
        docker: &Docker,
        nodes: &[Node],
    ) -> Result<(), CliError> {
        let app = self.app;
        if nodes.iter().any(|node| !node.running) {
            let attempted = format!("starting the {}", provider.title());
            app.progress.step(&attempted);
            for node in nodes.iter().filter(|node| !node.running) {
                app.progress.detail(&node.name);
                docker
                    .start(&node.id)
                    .await
                    .map_err(|error| CliError::hinted(format!("starting the node {}", node.name), error))?;
            }
            provider
                .start(self.deadline().saturating_duration_since(Instant::now()))
                .await
                .map_err(|error| CliError::hinted(attempted, error))?;
            app.progress.done("");
        }
        let known = app.session.kubeconfigs().know(provider.context());
        if known.attempting(|| "reading the kubeconfig".to_owned())? {
            return Ok(());
        }
        let before = app.session.kubeconfigs().remember_current();
        provider
            .write_context()
            .await
            .map_err(|error| CliError::hinted("writing the context into the kubeconfig", error))?;
        self.keep_current(&before)
    }

    /// A cluster that was there before.
    async fn existing_cluster(&self, provider: &dyn ClusterProvider) -> Result<Place, CliError> {
        let app = self.app;
        let context = provider.context();
        app.session.require_context(context)?;
        require_safe(context, &app.session.allowed_contexts)?;
        let nodes = match provider.containers() {
            Some((family, name)) => self.local_nodes(family, name).await,
            None => None,
        };
        if nodes.is_none()
            && (self.bundle.is_some()
                || self.images.webhook_image.is_none()
                || self.images.sidecar_image.is_none())
        {
            let why = "its nodes are not containers of a kind or k3d cluster in the local Docker, so images made here \
cannot be put on them";
            let attempted = format!("preparing the cluster of context `{context}`");
            let next = format!(
                "push both images to a registry of the cluster, then: {} --webhook-image IMAGE --sidecar-image IMAGE",
                app.session.command("up")
            );
            return Err(CliError::because(ExitStatus::Usage, attempted, why)
                .code(Code::ImagesRequired)
                .next(next));
        }
        let sources = self.images.sources().await?;
        let cluster = self.connect_when_ready(provider).await?;
        let host_port = nodes.as_ref().and_then(|(_, nodes)| emulator_port(nodes));
        Ok(Place {
            cluster,
            nodes,
            host_port,
            proxy: None,
            sources,
            is_own: false,
        })
    }

    async fn local_nodes(&self, family: Family, cluster: &str) -> Option<(Docker, Vec<Node>)> {
        let docker = Docker::connect(self.app.session.runner.as_ref()).await.ok()?;
        let nodes = docker.nodes(family, cluster).await.ok()?;
        (!nodes.is_empty()).then_some((docker, nodes))
    }

    /// Waits for the API server, the nodes, the DNS and the default ServiceAccount.
    async fn connect_when_ready(&self, provider: &dyn ClusterProvider) -> Result<Cluster, CliError> {
        let (app, context) = (self.app, provider.context());
        app.progress.step("waiting for the nodes and the cluster's DNS");
        let cluster = loop {
            match Cluster::connect(&app.session.kubeconfigs(), context).await {
                Ok(cluster) => break cluster,
                Err(error) if Instant::now() >= self.deadline() => {
                    let attempted = format!("waiting for the cluster of context `{context}`");
                    let error = CliError::hinted(connecting(context), error);
                    let why = format!(
                        "not ready within {}: {}",
                        seconds(self.args.timeout),
                        error.render()
                    );
                    return Err(CliError::because(ExitStatus::Timeout, attempted, why)
                        .code(Code::ClusterNotReady)
                        .next(app.session.command("down")));
                }
                // A node that was just started needs a while; a cluster that is simply gone is reported at once.
                Err(error) if !provider.is_own() => {
                    let error = CliError::hinted(connecting(context), error);
                    return Err(error.next(format!("{} cluster-info", kubectl(context))));
                }
                Err(_) => {
                    app.progress.detail("the API server does not respond yet");
                    tokio::time::sleep(POLL).await;
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
                let next = format!("{} describe nodes", kubectl(context));
                Err(CliError::because(ExitStatus::Timeout, attempted, why)
                    .code(Code::ClusterNotReady)
                    .detail("pending", lacking)
                    .next(next))
            }
        }
    }
}

/// Why a port is not free: who has it.
pub(super) async fn taken(docker: &Docker, wanted: u16) -> Option<String> {
    // Another machine's ports are known only to its Docker.
    if !docker.is_local() {
        return None;
    }
    let error = port::is_free(wanted).err()?;
    let container = docker
        .port_owner(wanted)
        .await
        .ok()
        .flatten()
        .map(|name| format!("the container {name}"));
    Some(match container.or_else(|| port::owner(wanted)) {
        Some(owner) => format!("it is taken by {owner}"),
        None => error.to_string(),
    })
}

/// The containers of a cluster.
pub(super) async fn nodes(docker: &Docker, provider: &dyn ClusterProvider) -> Result<Vec<Node>, CliError> {
    let Some((family, name)) = provider.containers() else {
        return Ok(Vec::new());
    };
    let nodes = docker.nodes(family, name).await;
    nodes.map_err(|error| CliError::hinted("listing the nodes", error))
}
