//! The port of this machine for a cluster that publishes none: a container beside the nodes, which needs no change of
//! the cluster. Without it all works in the cluster, so that only a port that was asked for is worth a failure.

use std::time::Duration;

use irsa_emu_core::contract::DEFAULT_ACCOUNT;

use super::Up;
use super::install::host_endpoint;
use super::place::{Place, taken};
use crate::checks::aws;
use crate::cluster::host_way::{self, Route, Seen, Step};
use crate::cluster::port;
use crate::cluster::provider::emulator_port;
use crate::docker::{Docker, Node, Proxy, proxy_container};
use crate::error::{Attempt, CliError, Code, ExitStatus};
use crate::images::{self, ImageError, OwnImage};
use crate::manifests::options::BackendKind;

/// A program that cannot go on has ended after this.
const FIRST_STEPS: Duration = Duration::from_millis(400);
/// How often the emulator is asked through the port, and how long to wait in between.
const TRIES: (u32, Duration) = (4, Duration::from_secs(1));

/// The way of this machine to the emulator: as it is, and as it is to be.
pub(super) struct Way {
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

impl Way {
    /// The name of the proxy, as it is or would be.
    pub(super) fn container(&self) -> String {
        proxy_container(&self.cluster)
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
    pub(super) async fn way(&self, context: &str, docker: &Docker, nodes: &[Node]) -> Result<Way, CliError> {
        let proxies = docker.proxies(&self.app.instance).await;
        let proxies =
            proxies.map_err(|error| CliError::hinted("looking for the containers of irsa-emu", error))?;
        let mut way = Way {
            step: Step::Impossible,
            there: host_way::of_cluster(&proxies, context).cloned(),
            route: if docker.is_local() {
                host_way::route(nodes).ok_or("no node runs on a network of Docker where it has a name")
            } else {
                Err("Docker runs on another machine, and publishes ports there")
            },
            image: None,
            cluster: context.to_owned(),
        };
        if self.args.install.backend == BackendKind::Aws {
            return Ok(way);
        }
        let published = emulator_port(nodes);
        way.step = self.decide(&way, published);
        // Making an image costs a moment, and most clusters need none.
        if !matches!(way.step, Step::Published(_)) && way.route.is_ok() {
            way.image = Some(images::proxy(self.args.proxy_binary.clone()).await);
            way.step = self.decide(&way, published);
        }
        Ok(way)
    }

    fn decide(&self, way: &Way, published: Option<u16>) -> Step {
        let image = way.image.as_ref().and_then(|made| made.as_ref().ok());
        host_way::decide(Seen {
            asked: self.args.host_port,
            published,
            there: way.there.as_ref(),
            route: way.route.as_ref().ok(),
            image: image.map(|image| image.reference.as_str()),
        })
    }

    /// What a run would change about the container, and the port that would lead to the emulator then.
    pub(super) async fn foresee(&self, docker: &Docker, way: &Way) -> (Option<&'static str>, Option<u16>) {
        // A port that nobody asked for and that is taken is worth a warning, and nothing is done.
        if let Step::Make(port) | Step::Start(port) = way.step
            && self.args.host_port.is_none()
            && !way.has_port(port)
            && taken(docker, port).await.is_some()
        {
            return (None, None);
        }
        (way.change(), way.step.port())
    }

    /// Makes sure that a port of this machine leads to the emulator, where that can be; answers how much was changed.
    pub(super) async fn open_host_port(&self, place: &mut Place) -> Result<usize, CliError> {
        let Some((docker, nodes)) = &place.nodes else {
            return Ok(0);
        };
        // Whether what a signal undoes is only this run's must be known before the container is there.
        self.note_what_is_there(&place.cluster).await?;
        let opened = match self.way(&place.cluster.context, docker, nodes).await {
            Ok(way) => self.open(docker, &way).await,
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
                self.without_port(&error.or_next(|| self.app.command("port-forward --port 0")));
                place.host_port = emulator_port(nodes);
                Ok(0)
            }
        }
    }

    fn without_port(&self, error: &CliError) {
        self.app.progress.warn(&format!(
            "no port of this machine leads to the emulator; in the cluster all works\n  {}",
            error.render()
        ));
    }

    async fn open(&self, docker: &Docker, way: &Way) -> Result<Opened, CliError> {
        let (app, name) = (self.app, way.container());
        let opened = |port, changed| Opened {
            port: Some(port),
            proxy: Some(name.clone()),
            changed,
        };
        match way.step {
            Step::Keep(port) => Ok(opened(port, false)),
            Step::Published(_) | Step::Impossible => {
                let changed = way.there.is_some();
                self.take_away(docker, way).await?;
                if way.step == Step::Impossible && self.args.install.backend == BackendKind::Emulator {
                    let error = CliError::because(ExitStatus::Failed, "making a proxy", way.obstacle());
                    self.without_port(&error.next(self.port_forward()));
                }
                Ok(Opened {
                    port: way.step.port(),
                    proxy: None,
                    changed,
                })
            }
            Step::Start(port) => {
                self.begin(port);
                self.require_free(docker, port).await?;
                if let Some(there) = &way.there {
                    let started = docker.start(&there.id).await;
                    started
                        .map_err(|error| CliError::hinted(format!("starting the container {name}"), error))?;
                }
                self.require_running(docker, way).await?;
                app.progress.done(&format!("started the container {name}"));
                Ok(opened(port, true))
            }
            Step::Make(wanted) => {
                let port = match wanted {
                    0 => port::any_free().attempting(|| "looking for a free port".to_owned())?,
                    port => port,
                };
                self.begin(port);
                if !way.has_port(port) {
                    self.require_free(docker, port).await?;
                }
                self.make(docker, way, port).await?;
                app.progress.done(&format!("by the container {name}"));
                Ok(opened(port, true))
            }
        }
    }

    fn begin(&self, port: u16) {
        let step = format!("leading port {port} of 127.0.0.1 to the emulator");
        self.app.progress.step(&step);
    }

    /// The command that does the same while it runs.
    fn port_forward(&self) -> String {
        let port = self.args.host_port.map(|port| format!(" --port {port}"));
        format!("{}{}", self.app.command("port-forward"), port.unwrap_or_default())
    }

    async fn require_free(&self, docker: &Docker, port: u16) -> Result<(), CliError> {
        let Some(owner) = taken(docker, port).await else {
            return Ok(());
        };
        let next = match self.args.host_port {
            Some(_) => format!("{} --host-port 0", self.app.command("up")),
            None => self.app.command("port-forward --port 0"),
        };
        let attempted = format!("leading port {port} of 127.0.0.1 to the emulator");
        Err(CliError::because(ExitStatus::Failed, attempted, owner)
            .code(Code::PortTaken)
            .next(next))
    }

    async fn make(&self, docker: &Docker, way: &Way, port: u16) -> Result<(), CliError> {
        let name = way.container();
        let attempted = || format!("making the container {name}");
        let failed = |error| CliError::hinted(attempted(), error);
        let (Some(Ok(image)), Ok(route)) = (&way.image, &way.route) else {
            return Err(CliError::because(ExitStatus::Failed, attempted(), way.obstacle()));
        };
        if !docker.architecture.is_empty() && docker.architecture != image.architecture {
            let why = format!(
                "the program is for {}, but Docker runs {}",
                image.architecture, docker.architecture
            );
            return Err(CliError::because(ExitStatus::Failed, attempted(), why).code(Code::ImageUnusable));
        }
        docker.load(image).await.map_err(failed)?;
        self.take_away(docker, way).await?;
        let spec = host_way::spec(&self.app.instance, &way.cluster, &image.reference, route, port);
        docker.create_proxy(&spec).await.map_err(failed)?;
        self.require_running(docker, way).await
    }

    /// Removes the proxy that is there, and its image where that is another than the new one's.
    async fn take_away(&self, docker: &Docker, way: &Way) -> Result<(), CliError> {
        let Some(there) = &way.there else { return Ok(()) };
        let removed = docker.remove_container(&there.id).await;
        removed.map_err(|error| CliError::hinted(format!("removing the container {}", there.name), error))?;
        let kept = way.image.as_ref().and_then(|made| made.as_ref().ok());
        if kept.is_none_or(|image| image.reference != there.spec.image) {
            docker.remove_unused_image(&there.spec.image).await;
        }
        Ok(())
    }

    /// That a container was started says nothing of how long it runs.
    async fn require_running(&self, docker: &Docker, way: &Way) -> Result<(), CliError> {
        tokio::time::sleep(FIRST_STEPS).await;
        let name = way.container();
        let attempted = format!("starting the container {name}");
        let proxies = docker.proxies(&self.app.instance).await;
        let proxies = proxies.map_err(|error| CliError::hinted(attempted.clone(), error))?;
        if host_way::of_cluster(&proxies, &way.cluster).is_some_and(|proxy| proxy.running) {
            return Ok(());
        }
        Err(
            CliError::because(ExitStatus::Failed, attempted, "its program ended at once")
                .code(Code::DockerFailed)
                .next(format!("docker logs {name}")),
        )
    }

    /// Asks the emulator, when it is ready, through the proxy, and warns where it does not answer.
    pub(super) async fn mind_host_port(&self, place: &Place) {
        let (Some(port), Some(name)) = (place.host_port, &place.proxy) else {
            return;
        };
        let url = host_endpoint(port);
        let (tries, pause) = TRIES;
        let mut why = String::new();
        for _ in 0..tries {
            match aws::caller(&url, DEFAULT_ACCOUNT).await {
                Ok(_) => return,
                Err(error) => why = error,
            }
            tokio::time::sleep(pause).await;
        }
        self.app.progress.warn(&format!(
            "the container {name} runs, but {url} does not answer: {why}\n  next: docker logs {name}"
        ));
    }
}

/// What came of it.
struct Opened {
    port: Option<u16>,
    proxy: Option<String>,
    changed: bool,
}
