//! What shapes every patch now: the settings of the process, and the ClusterIP that the cluster gave the emulator's Service.

use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwap;
use irsa_emu_core::contract::EMULATOR;
use irsa_emu_core::plan::InjectConfig;
use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client};
use tokio::task::JoinSet;

use crate::args::Settings;
use crate::one_object::{self, Followed};

/// The settings in force, as often as they change.
#[derive(Clone)]
pub(crate) struct InForce(Arc<ArcSwap<InjectConfig>>);

impl InForce {
    /// Settings that nothing in the cluster changes.
    pub(crate) fn fixed(settings: InjectConfig) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(settings)))
    }

    /// Follows the emulator's Service if Pods are given its ClusterIP. Ends as soon as it is known whether there is such a
    /// Service: a replica that served earlier would mark Pods with other settings than the other replicas do.
    pub(crate) async fn follow(
        client: &Client,
        settings: &Settings,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<Self> {
        let in_force = Self::fixed(settings.inject.clone());
        if !settings.inject.gives_cluster_ip(&settings.install.namespace) {
            return Ok(in_force);
        }
        let services = Api::namespaced(client.clone(), &settings.install.namespace);
        let (mut service, following) = one_object::follow::<Service>(services, EMULATOR);
        tasks.spawn(following);
        service
            .changed()
            .await
            .context("the watch of the emulator's Service ended")?;
        in_force.learn(
            &settings.install.namespace,
            service.borrow_and_update().as_deref(),
        );
        tasks.spawn(in_force.clone().keep(settings.install.namespace.clone(), service));
        Ok(in_force)
    }

    /// The settings now.
    pub(crate) fn now(&self) -> Arc<InjectConfig> {
        self.0.load_full()
    }

    async fn keep(self, namespace: String, mut service: Followed<Service>) -> anyhow::Result<()> {
        loop {
            service.changed().await?;
            self.learn(&namespace, service.borrow_and_update().as_deref());
        }
    }

    /// Without the Service nobody is at its former address, so none is given.
    fn learn(&self, namespace: &str, service: Option<&Service>) {
        let cluster_ip = service.and_then(|service| service.spec.as_ref()?.cluster_ip.as_deref());
        let before = self.now();
        let now = InjectConfig::clone(&before).with_cluster_ip(namespace, cluster_ip);
        if now.s3_url != before.s3_url {
            tracing::info!(url = now.s3_url, "the address at which Pods ask S3");
        }
        self.0.store(Arc::new(now));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;
    use crate::args::Args;

    #[test]
    fn the_address_is_that_of_the_service_as_it_is_now() {
        let settings = Settings::resolve(Args::parse_from(["w", "--sidecar-image", "i"]));
        let in_force = InForce::fixed(settings.inject);
        let url = || in_force.now().s3_url.clone();
        let service =
            |ip: &str| -> Service { serde_json::from_value(json!({"spec": {"clusterIP": ip}})).unwrap() };
        assert_eq!(url(), None);
        in_force.learn("irsa-emu", Some(&service("10.96.3.4")));
        assert_eq!(url().as_deref(), Some("http://10.96.3.4:4566"));
        in_force.learn("irsa-emu", Some(&service("fd00::1")));
        assert_eq!(url().as_deref(), Some("http://[fd00::1]:4566"));
        in_force.learn("irsa-emu", Some(&service("None")));
        assert_eq!(url(), None, "a headless Service");
        in_force.learn("irsa-emu", Some(&service("10.96.3.5")));
        in_force.learn("irsa-emu", None);
        assert_eq!(url(), None, "a Service that was deleted");
        let other = in_force.clone();
        other.learn("irsa-emu", Some(&service("10.96.3.6")));
        assert!(url().is_some(), "every connection sees the change");
    }
}
