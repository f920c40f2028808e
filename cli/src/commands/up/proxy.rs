//! The port of this machine for a cluster that publishes none: a container beside the nodes, which needs no change of
//! the cluster. Without it all works in the cluster, so that only a port that was asked for is worth a failure.

use std::time::Duration;

use irsa_emu_cluster::docker::Docker;
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_cluster::images::{self, ImageError, OwnImage};
use irsa_emu_cluster::local::host_port::{self, PortFacts, Route, Step};
use irsa_emu_cluster::local::nodes::Node;
use irsa_emu_cluster::local::port;
use irsa_emu_cluster::local::provider::emulator_port;
use irsa_emu_cluster::local::proxy::{Proxy, container};
use irsa_emu_core::contract::DEFAULT_ACCOUNT;
use irsa_emu_core::install::Backend;
use irsa_emu_doctor::emulator;

use super::attempt::Up;
use super::install::host_endpoint;
use super::place::{Place, taken};
use crate::error::{Attempt, CliError};

/// A program that cannot go on has ended after this.
const FIRST_STEPS: Duration = Duration::from_millis(400);
/// How often the emulator is asked through the port, and how long to wait in between.
const TRIES: (u32, Duration) = (4, Duration::from_secs(1));

/// How this machine reaches the emulator: as it is, and as it is to be.
pub(super) struct HostPort {
    /// What is to be done.
    pub(super) step: Step,
    /// The proxy that is there.
    there: Option<Proxy>,
    /// Where a proxy leads, or why it cannot.
    route: Result<Route, &'static str>,
    /// The image of a proxy; not made where none is wanted.
    image: Option<Result<OwnImage, ImageError>>,
    /// The context that the cluster's own program writes for it.
    cluster: String,
}

impl HostPort {
    /// The name of the proxy, as it is or would be.
    pub(super) fn container(&self) -> String {
        container(&self.cluster)
    }

    /// What is to be done about the container, for a plan.
    fn change(&self) -> Option<&'static str> {
        match (self.step, &self.there) {
            (Step::Start(_), _) => Some("start"),
            (Step::Make(_), None) => Some("create"),
            (Step::Make(_), Some(_)) => Some("recreate"),
            (step, Some(_)) if step.replaces() => Some("remove"),
            _ => None,
        }
    }

    fn has_port(&self, port: u16) -> bool {
        let holds = |proxy: &Proxy| proxy.running && proxy.spec.port == port;
        self.there.as_ref().is_some_and(holds)
    }

    /// Why there can be no proxy.
    fn obstacle(&self) -> String {
        match (&self.route, &self.image) {
            (Err(why), _) => (*why).to_owned(),
            (_, Some(Err(error))) => error.to_string(),
            _ => "its image was not made".to_owned(),
        }
    }
}

impl Up<'_> {
    /// Looks how this machine gets to the emulator, and decides what is to be done.
    pub(super) async fn host_port(
        &self,
        context: &str,
        docker: &Docker,
        nodes: &[Node],
    ) -> Result<HostPort, CliError> {
        let proxies = docker.proxies(&self.app.session.instance).await;
        let proxies =
            proxies.map_err(|error| CliError::hinted("looking for the containers of irsa-emu", error))?;
        let mut host_port = HostPort {
            step: Step::Impossible,
            there: host_port::of_cluster(&proxies, context).cloned(),
            route: if docker.is_local() {
                host_port::route(nodes).ok_or("no node runs on a network of Docker where it has a name")
            } else {
                Err("Docker runs on another machine, and publishes ports there")
            },
            image: None,
            cluster: context.to_owned(),
        };
        if self.args.install.backend == Backend::Aws {
            return Ok(host_port);
        }
        let published = emulator_port(nodes);
        host_port.step = self.decide(&host_port, published);
        // Making an image costs a moment, and most clusters need none.
        if !matches!(host_port.step, Step::Published(_)) && host_port.route.is_ok() {
            host_port.image = Some(images::proxy(self.args.proxy_binary.clone()).await);
            host_port.step = self.decide(&host_port, published);
        }
        Ok(host_port)
    }

    fn decide(&self, host_port: &HostPort, published: Option<u16>) -> Step {
        let image = host_port.image.as_ref().and_then(|made| made.as_ref().ok());
        host_port::decide(PortFacts {
            asked: self.args.host_port,
            published,
            there: host_port.there.as_ref(),
            route: host_port.route.as_ref().ok(),
            image: image.map(|image| image.reference.as_str()),
        })
    }

    /// What a run would change about the container, and the port for the emulator afterwards.
    pub(super) async fn foresee(
        &self,
        docker: &Docker,
        host_port: &HostPort,
    ) -> (Option<&'static str>, Option<u16>) {
        // A port that nobody asked for and that is taken is worth a warning, and nothing is done.
        if let Step::Make(port) | Step::Start(port) = host_port.step
            && self.args.host_port.is_none()
            && !host_port.has_port(port)
            && taken(docker, port).await.is_some()
        {
            return (None, None);
        }
        (host_port.change(), host_port.step.port())
    }

    /// Makes sure that this machine has a port for the emulator, if it can; returns how much was changed.
    pub(super) async fn open_host_port(&self, place: &mut Place) -> Result<usize, CliError> {
        let Some((docker, nodes)) = &place.nodes else {
            return Ok(0);
        };
        // Whether what a signal undoes is only this run's must be known before the container is there.
        self.note_what_is_there(&place.cluster).await?;
        let opened = match self.host_port(&place.cluster.context, docker, nodes).await {
            Ok(host_port) => self.open(docker, &host_port).await,
            Err(error) => Err(error),
        };
        match opened {
            Ok(Opened { port, proxy, changed }) => {
                (place.host_port, place.proxy) = (port, proxy);
                Ok(usize::from(changed))
            }
            Err(error) if self.args.host_port.is_some() => Err(error),
            Err(error) => {
                self.app.progress.failed();
                self.without_port(&error.or_next(|| self.app.session.command("port-forward --port 0")));
                place.host_port = emulator_port(nodes);
                Ok(0)
            }
        }
    }

    fn without_port(&self, error: &CliError) {
        self.app.progress.warn(&format!(
            "this machine has no port for the emulator; in the cluster all works\n  {}",
            error.render()
        ));
    }

    async fn open(&self, docker: &Docker, host_port: &HostPort) -> Result<Opened, CliError> {
        let (app, name) = (self.app, host_port.container());
        let opened = |port, changed| Opened {
            port: Some(port),
            proxy: Some(name.clone()),
            changed,
        };
        match host_port.step {
            Step::Keep(port) => Ok(opened(port, false)),
            Step::Published(_) | Step::Impossible => {
                let changed = host_port.there.is_some();
                self.take_away(docker, host_port).await?;
                if host_port.step == Step::Impossible && self.args.install.backend == Backend::Emulator {
                    let error = CliError::because(ExitStatus::Failed, "making a proxy", host_port.obstacle());
                    self.without_port(&error.next(self.port_forward()));
                }
                Ok(Opened {
                    port: host_port.step.port(),
                    proxy: None,
                    changed,
                })
            }
            Step::Start(port) => {
                self.begin(port);
                self.require_free(docker, port).await?;
                if let Some(there) = &host_port.there {
                    let started = docker.start(&there.id).await;
                    started
                        .map_err(|error| CliError::hinted(format!("starting the container {name}"), error))?;
                }
                self.require_running(docker, host_port).await?;
                app.progress.done(&format!("started the container {name}"));
                Ok(opened(port, true))
            }
            Step::Make(wanted) => {
                let port = match wanted {
                    0 => port::any_free().attempting(|| "looking for a free port".to_owned())?,
                    port => port,
                };
                self.begin(port);
                if !host_port.has_port(port) {
                    self.require_free(docker, port).await?;
                }
                self.make(docker, host_port, port).await?;
                app.progress.done(&format!("by the container {name}"));
                Ok(opened(port, true))
            }
        }
    }

    fn begin(&self, port: u16) {
        let step = format!("forwarding port {port} of 127.0.0.1 to the emulator");
        self.app.progress.step(&step);
    }

    /// The command that does the same while it runs.
    fn port_forward(&self) -> String {
        let port = self.args.host_port.map(|port| format!(" --port {port}"));
        format!(
            "{}{}",
            self.app.session.command("port-forward"),
            port.unwrap_or_default()
        )
    }

    async fn require_free(&self, docker: &Docker, port: u16) -> Result<(), CliError> {
        let Some(owner) = taken(docker, port).await else {
            return Ok(());
        };
        let next = match self.args.host_port {
            Some(_) => format!("{} --host-port 0", self.app.session.command("up")),
            None => self.app.session.command("port-forward --port 0"),
        };
        let attempted = format!("forwarding port {port} of 127.0.0.1 to the emulator");
        Err(CliError::because(ExitStatus::Failed, attempted, owner)
            .code(Code::PortTaken)
            .next(next))
    }

    async fn make(&self, docker: &Docker, host_port: &HostPort, port: u16) -> Result<(), CliError> {
        let name = host_port.container();
        let attempted = || format!("making the container {name}");
        let failed = |error| CliError::hinted(attempted(), error);
        let (Some(Ok(image)), Ok(route)) = (&host_port.image, &host_port.route) else {
            return Err(CliError::because(
                ExitStatus::Failed,
                attempted(),
                host_port.obstacle(),
            ));
        };
        if !docker.architecture.is_empty() && docker.architecture != image.architecture {
            let why = format!(
                "the program is for {}, but Docker runs {}",
                image.architecture, docker.architecture
            );
            return Err(CliError::because(ExitStatus::Failed, attempted(), why).code(Code::ImageUnusable));
        }
        docker.load(image).await.map_err(failed)?;
        self.take_away(docker, host_port).await?;
        let spec = host_port::spec(
            &self.app.session.instance,
            &host_port.cluster,
            &image.reference,
            route,
            port,
        );
        docker.create_proxy(&spec).await.map_err(failed)?;
        self.require_running(docker, host_port).await
    }

    /// Removes the proxy that is there, and its image where that is another than the new one's.
    async fn take_away(&self, docker: &Docker, host_port: &HostPort) -> Result<(), CliError> {
        let Some(there) = &host_port.there else {
            return Ok(());
        };
        let removed = docker.remove_container(&there.id).await;
        removed.map_err(|error| CliError::hinted(format!("removing the container {}", there.name), error))?;
        let kept = host_port.image.as_ref().and_then(|made| made.as_ref().ok());
        if kept.is_none_or(|image| image.reference != there.spec.image) {
            docker.remove_unused_image(&there.spec.image).await;
        }
        Ok(())
    }

    /// A container that was started may end at once.
    async fn require_running(&self, docker: &Docker, host_port: &HostPort) -> Result<(), CliError> {
        tokio::time::sleep(FIRST_STEPS).await;
        let name = host_port.container();
        let attempted = format!("starting the container {name}");
        let proxies = docker.proxies(&self.app.session.instance).await;
        let proxies = proxies.map_err(|error| CliError::hinted(attempted.clone(), error))?;
        if host_port::of_cluster(&proxies, &host_port.cluster).is_some_and(|proxy| proxy.running) {
            return Ok(());
        }
        Err(
            CliError::because(ExitStatus::Failed, attempted, "its program ended at once")
                .code(Code::DockerFailed)
                .next(format!("docker logs {name}")),
        )
    }

    /// Asks the emulator, when it is ready, through the proxy, and warns where it does not respond.
    pub(super) async fn warn_about_host_port(&self, place: &Place) {
        let (Some(port), Some(name)) = (place.host_port, &place.proxy) else {
            return;
        };
        let url = host_endpoint(port);
        let (tries, pause) = TRIES;
        let mut why = String::new();
        for _ in 0..tries {
            match emulator::caller(&url, DEFAULT_ACCOUNT).await {
                Ok(_) => return,
                Err(error) => why = error,
            }
            tokio::time::sleep(pause).await;
        }
        self.app.progress.warn(&format!(
            "the container {name} runs, but {url} does not respond: {why}\n  next: docker logs {name}"
        ));
    }
}

/// What came of it.
struct Opened {
    port: Option<u16>,
    proxy: Option<String>,
    changed: bool,
}
