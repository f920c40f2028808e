//! Containers of our own, each of which carries a port of this machine to a cluster that others made.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HostConfig, HostConfigLogConfig, PortBinding,
    RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptions, ImportImageOptions, InspectContainerOptions, ListContainersOptions,
    RemoveContainerOptions, RemoveImageOptions, StartContainerOptions,
};
use futures::TryStreamExt;
use irsa_emu_core::contract::{EMULATOR_PORT, INSTANCE_LABEL, RUN_AS};

use crate::docker::{Docker, DockerError, api};
use crate::images::OwnImage;

/// Label of our containers: what they are for.
const ROLE_LABEL: &str = "irsa-emu.dev/role";
/// Value of [`ROLE_LABEL`].
const ROLE: &str = "proxy";
/// Label of our containers: the context that the cluster's own program writes for it.
const CLUSTER_LABEL: &str = "irsa-emu.dev/cluster";
/// What one may use: a relay of 512 connections needs a quarter of it.
const MEMORY: i64 = 64 << 20;
/// What one may run: threads of the runtime.
const THREADS: i64 = 64;

/// What a proxy is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxySpec {
    /// The install that it belongs to.
    pub instance: String,
    /// The context that the cluster's own program writes for it, such as `kind-dev`.
    pub cluster: String,
    /// Its image.
    pub image: String,
    /// The Docker network of the cluster.
    pub network: String,
    /// Where connections go: a node and a port of it.
    pub to: String,
    /// Port of 127.0.0.1.
    pub port: u16,
}

/// A proxy that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    /// Id of the container.
    pub id: String,
    /// Name of the container.
    pub name: String,
    /// Whether it runs, and does not start again and again.
    pub running: bool,
    /// What it is made of.
    pub spec: ProxySpec,
}

impl ProxySpec {
    /// The name of the container: a cluster has one install, and an install in it one proxy.
    #[must_use]
    pub fn container(&self) -> String {
        container(&self.cluster)
    }
}

/// The name of the proxy of a cluster.
#[must_use]
pub fn container(cluster: &str) -> String {
    format!("irsa-emu-proxy-{cluster}")
}

impl Docker {
    /// The proxies of an install, by name.
    pub async fn proxies(&self, instance: &str) -> Result<Vec<Proxy>, DockerError> {
        let labels = vec![
            format!("{ROLE_LABEL}={ROLE}"),
            format!("{INSTANCE_LABEL}={instance}"),
        ];
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([("label".to_owned(), labels)])),
            ..ListContainersOptions::default()
        };
        let found = self.api.list_containers(Some(options)).await;
        let mut proxies = Vec::new();
        for id in found
            .map_err(api("listing containers"))?
            .into_iter()
            .filter_map(|found| found.id)
        {
            match self
                .api
                .inspect_container(&id, None::<InspectContainerOptions>)
                .await
            {
                Ok(found) => proxies.extend(read(found)),
                // It went between the two questions.
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(api("inspecting a container")(error)),
            }
        }
        proxies.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(proxies)
    }

    /// Creates a proxy and starts it; one that does not start is taken away again.
    pub async fn create_proxy(&self, spec: &ProxySpec) -> Result<(), DockerError> {
        let options = CreateContainerOptions {
            name: Some(spec.container()),
            ..CreateContainerOptions::default()
        };
        let created = self.api.create_container(Some(options), body(spec)).await;
        let id = created.map_err(api("creating a container"))?.id;
        let started = self.api.start_container(&id, None::<StartContainerOptions>).await;
        if let Err(error) = started {
            // Why it did not start matters more than that it cannot be removed either.
            let _ = self.remove_container(&id).await;
            return Err(api("starting a container")(error));
        }
        Ok(())
    }

    /// Removes a container, whatever it does; one that is gone is no failure.
    pub async fn remove_container(&self, id: &str) -> Result<(), DockerError> {
        let options = RemoveContainerOptions {
            force: true,
            v: true,
            ..RemoveContainerOptions::default()
        };
        match self.api.remove_container(id, Some(options)).await {
            Err(error) if !is_absent(&error) => Err(api("removing a container")(error)),
            _ => Ok(()),
        }
    }

    /// Puts an image of ours into Docker itself, unless it is there. Its tag identifies its content.
    pub async fn load(&self, image: &OwnImage) -> Result<(), DockerError> {
        if self.has_image(&image.reference).await? {
            return Ok(());
        }
        let body = bollard::body_full(image.archive.clone());
        let answers = self.api.import_image(ImportImageOptions::default(), body, None);
        let failed = |source| DockerError::Api {
            doing: format!("loading the image {}", image.reference),
            source,
        };
        let said: Vec<_> = answers.try_collect().await.map_err(failed)?;
        if self.has_image(&image.reference).await? {
            return Ok(());
        }
        // Some versions report a failure in a response with a code of success.
        let error = format!("it was reported as done, but the image is missing: {said:?}");
        Err(failed(bollard::errors::Error::DockerStreamError { error }))
    }

    /// Removes an image that no container needs any more; others keep it.
    pub async fn remove_unused_image(&self, reference: &str) {
        let removed = self
            .api
            .remove_image(reference, None::<RemoveImageOptions>, None)
            .await;
        tracing::debug!(?removed, reference, "removed an image");
    }
}

fn is_absent(error: &bollard::errors::Error) -> bool {
    matches!(
        error,
        bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }
    )
}

/// The port that the program in a proxy listens on.
fn inner_port() -> String {
    format!("{EMULATOR_PORT}/tcp")
}

/// A proxy as Docker is asked for it: it may do nothing but connect.
fn body(spec: &ProxySpec) -> ContainerCreateBody {
    let owned = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    let binding = PortBinding {
        host_ip: Some("127.0.0.1".to_owned()),
        host_port: Some(spec.port.to_string()),
    };
    let logs = [("max-size", "1m"), ("max-file", "1")];
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        cmd: owned(&[
            "proxy",
            "--listen",
            &format!("0.0.0.0:{EMULATOR_PORT}"),
            "--to",
            &spec.to,
        ]),
        user: Some(format!("{RUN_AS}:{RUN_AS}")),
        exposed_ports: Some(vec![inner_port()]),
        labels: Some(HashMap::from([
            (INSTANCE_LABEL.to_owned(), spec.instance.clone()),
            (ROLE_LABEL.to_owned(), ROLE.to_owned()),
            (CLUSTER_LABEL.to_owned(), spec.cluster.clone()),
        ])),
        host_config: Some(HostConfig {
            network_mode: Some(spec.network.clone()),
            port_bindings: Some(HashMap::from([(inner_port(), Some(vec![binding]))])),
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
                maximum_retry_count: None,
            }),
            readonly_rootfs: Some(true),
            cap_drop: owned(&["ALL"]),
            security_opt: owned(&["no-new-privileges"]),
            memory: Some(MEMORY),
            memory_swap: Some(MEMORY),
            pids_limit: Some(THREADS),
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(HashMap::from(
                    logs.map(|(name, value)| (name.to_owned(), value.to_owned())),
                )),
            }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// A proxy as Docker reports it.
fn read(found: ContainerInspectResponse) -> Option<Proxy> {
    let config = found.config.unwrap_or_default();
    let host = found.host_config.unwrap_or_default();
    let state = found.state.unwrap_or_default();
    let mut labels = config.labels.unwrap_or_default();
    let mut words = config.cmd.unwrap_or_default().into_iter();
    let to = words.find(|word| word == "--to").and_then(|_| words.next());
    let bindings = host.port_bindings.unwrap_or_default().remove(&inner_port());
    let port = bindings
        .flatten()
        .and_then(|bindings| bindings.into_iter().next()?.host_port?.parse().ok());
    Some(Proxy {
        id: found.id?,
        name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        running: state.running.unwrap_or_default() && !state.restarting.unwrap_or_default(),
        spec: ProxySpec {
            instance: labels.remove(INSTANCE_LABEL).unwrap_or_default(),
            cluster: labels.remove(CLUSTER_LABEL).unwrap_or_default(),
            image: config.image.unwrap_or_default(),
            network: host.network_mode.unwrap_or_default(),
            to: to.unwrap_or_default(),
            port: port.unwrap_or_default(),
        },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec() -> ProxySpec {
        ProxySpec {
            instance: "irsa-emu".into(),
            cluster: "kind-dev".into(),
            image: "irsa-emu.dev/proxy:1".into(),
            network: "kind".into(),
            to: "dev-control-plane:30566".into(),
            port: 4570,
        }
    }

    #[test]
    fn a_proxy_publishes_on_loopback_only_and_may_do_nothing_else() {
        let body = serde_json::to_value(body(&spec())).unwrap();
        let expected = json!({
            "Image": "irsa-emu.dev/proxy:1",
            "Cmd": ["proxy", "--listen", "0.0.0.0:4566", "--to", "dev-control-plane:30566"],
            "User": "65532:65532",
            "ExposedPorts": {"4566/tcp": {}},
            "Labels": {
                "irsa-emu.dev/instance": "irsa-emu", "irsa-emu.dev/role": "proxy", "irsa-emu.dev/cluster": "kind-dev",
            },
            "HostConfig": {
                "NetworkMode": "kind",
                "PortBindings": {"4566/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4570"}]},
                "RestartPolicy": {"Name": "unless-stopped"},
                "ReadonlyRootfs": true,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges"],
                "Memory": 67_108_864, "MemorySwap": 67_108_864, "PidsLimit": 64,
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
            },
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn what_docker_tells_of_a_proxy_is_what_it_was_made_of() {
        let mut told: Value = serde_json::to_value(body(&spec())).unwrap();
        let host = told["HostConfig"].take();
        let inspected = |running: bool, restarting: bool| -> ContainerInspectResponse {
            serde_json::from_value(json!({
                "Id": "p1", "Name": "/irsa-emu-proxy-kind-dev", "Config": told, "HostConfig": host,
                "State": {"Running": running, "Restarting": restarting},
            }))
            .unwrap()
        };
        let proxy = read(inspected(true, false)).unwrap();
        assert_eq!((proxy.name, proxy.running), (spec().container(), true));
        assert_eq!(proxy.spec, spec());
        assert!(!read(inspected(false, false)).unwrap().running);
        assert!(
            !read(inspected(true, true)).unwrap().running,
            "it does not stay up"
        );
    }
}
