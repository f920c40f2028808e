//! Admission: an AdmissionReview in, a JSONPatch out.

pub(crate) mod in_force;
pub(crate) mod paths;
pub(crate) mod registration;
mod review;
mod router;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use irsa_emu_core::grant::{Grant, GrantDefaults, GrantTables, grant_for};
use irsa_emu_core::plan::{Outcome, PlanInput, SkipReason, plan_patch};
use irsa_emu_core::rules::{RecipeRules, effect_of};

use crate::args::Settings;
use crate::connections::{self, Door, Limits};
use crate::directory::{Directory, Lookup};
use crate::events::Events;
use crate::health::Readiness;
use crate::metrics::{Metrics, Port};
use in_force::InForce;
use paths::Paths;
use review::Request;

/// An API server keeps 25 connections and opens more while it has more Pods to create at once; 256 heads of strangers with
/// their TLS sessions are 30 MiB of the 128 that the process may have. An API server closes what it has not used for 90
/// seconds, and a review that meets our end of a connection is not sent again: so this end comes later.
const LIMITS: Limits = Limits {
    connections: 256,
    first_request: Duration::from_secs(5),
    idle: Duration::from_mins(2),
    head: 64 * 1024,
};

/// What admission asks of the cluster.
#[async_trait]
pub(crate) trait Accounts: Send + Sync {
    /// A ServiceAccount.
    async fn service_account(&self, namespace: &str, name: &str) -> Lookup;
    /// The delivery that a Namespace's label asks for.
    fn namespace_delivery(&self, namespace: &str) -> Option<String>;
    /// The `ConfigMap`s that name roles.
    fn tables(&self) -> Arc<GrantTables>;
    /// The injection rules of all Recipes.
    fn rules(&self) -> Arc<Vec<RecipeRules>>;
}

#[async_trait]
impl Accounts for Directory {
    async fn service_account(&self, namespace: &str, name: &str) -> Lookup {
        Directory::service_account(self, namespace, name).await
    }

    fn namespace_delivery(&self, namespace: &str) -> Option<String> {
        Directory::namespace_delivery(self, namespace)
    }

    fn tables(&self) -> Arc<GrantTables> {
        Directory::tables(self)
    }

    fn rules(&self) -> Arc<Vec<RecipeRules>> {
        Directory::rules(self)
    }
}

/// The state of the admission handler.
#[derive(Clone)]
pub(crate) struct Admission {
    accounts: Arc<dyn Accounts>,
    grants: Arc<GrantDefaults>,
    inject: InForce,
    metrics: Arc<Metrics>,
    events: Events,
    readiness: Readiness,
    paths: Paths,
}

impl Admission {
    pub(crate) fn new(
        accounts: Arc<dyn Accounts>,
        settings: &Settings,
        inject: InForce,
        metrics: Arc<Metrics>,
        events: Events,
        readiness: Readiness,
        paths: Paths,
    ) -> Self {
        Self {
            accounts,
            grants: Arc::new(settings.grants.clone()),
            inject,
            metrics,
            events,
            readiness,
            paths,
        }
    }

    /// What becomes of the Pod of one request.
    async fn decide(&self, request: &Request<'_>) -> Outcome {
        let pod = match &request.pod {
            Ok(pod) => pod,
            Err(problem) => return Outcome::Malformed(problem.clone()),
        };
        let (namespace, name) = (request.namespace(), pod.service_account());
        let lookup = self.accounts.service_account(namespace, name).await;
        let account = match &lookup {
            Lookup::Found(account) => Some(account),
            Lookup::Missing => None,
            Lookup::Failed(why) => {
                return Outcome::Skipped {
                    reason: SkipReason::LookupFailed,
                    warnings: vec![format!(
                        "the ServiceAccount {namespace}/{name} could not be looked up, so the Pod has no AWS identity: {why}"
                    )],
                };
            }
        };
        let annotations = account.map(|account| account.annotations());
        let inject = self.inject.now();
        let tables = self.accounts.tables();
        let grant = grant_for(namespace, name, annotations, &tables, &self.grants);
        plan_patch(&PlanInput {
            pod,
            service_account: annotations,
            grant: grant.as_ref(),
            namespace_delivery: self.accounts.namespace_delivery(namespace).as_deref(),
            effect: &effect_of(
                &self.accounts.rules(),
                namespace,
                name,
                grant.as_ref().and_then(Grant::role_arn),
                inject.emulator_url.as_deref(),
            ),
            config: &inject,
            jitter: rand::random(),
        })
    }
}

/// Serves admission over TLS until dropped.
pub(crate) async fn serve(
    address: SocketAddr,
    tls: RustlsConfig,
    handle: Handle<SocketAddr>,
    admission: Admission,
) -> anyhow::Result<()> {
    serve_within(&LIMITS, address, tls, handle, admission).await
}

async fn serve_within(
    limits: &Limits,
    address: SocketAddr,
    tls: RustlsConfig,
    handle: Handle<SocketAddr>,
    admission: Admission,
) -> anyhow::Result<()> {
    let door = Door::new(Port::Admission, limits, Arc::clone(&admission.metrics));
    let acceptor = RustlsAcceptor::new(tls)
        .handshake_timeout(limits.first_request)
        .acceptor(door);
    connections::server(address, handle, limits, acceptor)
        .serve(router::router(admission).into_make_service())
        .await
        .with_context(|| format!("cannot serve admission on {address}"))
}

#[cfg(test)]
mod tests;
