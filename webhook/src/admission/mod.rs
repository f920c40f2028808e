//! Admission: an AdmissionReview in, a JSONPatch out.

pub(crate) mod registration;
mod review;
mod router;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use irsa_emu_core::grant::{GrantDefaults, read_grant};
use irsa_emu_core::plan::{InjectConfig, Outcome, PlanInput, SkipReason, plan_patch};
use irsa_emu_core::rules::{RecipeRules, delivery_annotation, effect_of};

use crate::args::Settings;
use crate::directory::Directory;
use review::Request;

/// What admission asks of the cluster.
#[async_trait]
pub(crate) trait Accounts: Send + Sync {
    /// The annotations of a ServiceAccount; `None` where it does not exist.
    async fn annotations(&self, namespace: &str, name: &str) -> Option<BTreeMap<String, String>>;
    /// The injection rules of all Recipes.
    fn rules(&self) -> Vec<RecipeRules>;
}

#[async_trait]
impl Accounts for Directory {
    async fn annotations(&self, namespace: &str, name: &str) -> Option<BTreeMap<String, String>> {
        Directory::annotations(self, namespace, name).await
    }

    fn rules(&self) -> Vec<RecipeRules> {
        Directory::rules(self)
    }
}

/// The state of the admission handler.
#[derive(Clone)]
pub(crate) struct Admission {
    accounts: Arc<dyn Accounts>,
    grants: Arc<GrantDefaults>,
    inject: Arc<InjectConfig>,
}

impl Admission {
    pub(crate) fn new(accounts: Arc<dyn Accounts>, settings: &Settings) -> Self {
        Self {
            accounts,
            grants: Arc::new(settings.grants.clone()),
            inject: Arc::new(settings.inject.clone()),
        }
    }

    /// What becomes of the Pod of one request.
    async fn decide(&self, request: &Request) -> Outcome {
        let namespace = request.namespace();
        let service_account = request.service_account();
        let Some(annotations) = self.accounts.annotations(namespace, service_account).await else {
            return Outcome::Skipped {
                reason: SkipReason::NoServiceAccount,
                warnings: Vec::new(),
            };
        };
        let grant = read_grant(&annotations, &self.grants);
        let effect = effect_of(&self.accounts.rules(), namespace, service_account);
        plan_patch(&PlanInput {
            pod: &request.object,
            grant: grant.as_ref(),
            service_account_delivery: delivery_annotation(&annotations),
            namespace_delivery: None,
            effect: &effect,
            config: &self.inject,
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
    axum_server::bind_rustls(address, tls)
        .handle(handle)
        .serve(router::router(admission).into_make_service())
        .await
        .with_context(|| format!("cannot serve admission on {address}"))
}
