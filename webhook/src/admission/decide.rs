//! What becomes of the Pod of one request.

use std::sync::Arc;

use async_trait::async_trait;
use irsa_emu_core::grant::{Grant, GrantDefaults, GrantTables, grant_for};
use irsa_emu_core::plan::{PlanInput, PlanOutcome, SkipReason, plan_patch};
use irsa_emu_core::rules::{RecipeRules, effect_of};

use super::in_force::InForce;
use super::paths::Paths;
use super::review::Request;
use crate::args::Settings;
use crate::directory::{Directory, Lookup};
use crate::events::Events;
use crate::health::Readiness;
use crate::metrics::Metrics;

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
    pub(super) accounts: Arc<dyn Accounts>,
    pub(super) grants: Arc<GrantDefaults>,
    pub(super) inject: InForce,
    pub(super) metrics: Arc<Metrics>,
    pub(super) events: Events,
    pub(super) readiness: Readiness,
    pub(super) paths: Paths,
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
    pub(super) async fn decide(&self, request: &Request<'_>) -> PlanOutcome {
        let pod = match &request.pod {
            Ok(pod) => pod,
            Err(problem) => return PlanOutcome::Malformed(problem.clone()),
        };
        let (namespace, name) = (request.namespace(), pod.service_account());
        let lookup = self.accounts.service_account(namespace, name).await;
        let account = match &lookup {
            Lookup::Found(account) => Some(account),
            Lookup::Missing => None,
            Lookup::Failed(why) => {
                return PlanOutcome::Skipped {
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
