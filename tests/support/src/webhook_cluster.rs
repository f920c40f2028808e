//! A cluster, as far as the webhook needs one: a few ServiceAccounts, and the cluster's keys.

use std::sync::{Mutex, PoisonError};

use axum::http::{Method, StatusCode};
use irsa_emu_core::contract::WEBHOOK_TLS_SECRET;
use serde_json::{Value, json};

use crate::api_server::{ApiServer, Request, list, status};
use crate::http::Reply;
use crate::issuer::{ISSUER, Issuer};

/// Its API server. The ServiceAccounts of Namespace `n` have these names and roles.
#[must_use]
pub fn api_server(issuer: &Issuer, accounts: &[(&str, &str)]) -> ApiServer {
    let cluster = Cluster {
        jwks: issuer.jwks(),
        accounts: accounts.iter().map(|(name, role)| account(name, role)).collect(),
        secret: Mutex::default(),
    };
    ApiServer::default().replying(move |request| Some(cluster.reply(request)))
}

struct Cluster {
    jwks: Value,
    accounts: Vec<Value>,
    /// The Secret of the certificates, once it was written.
    secret: Mutex<Option<String>>,
}

impl Cluster {
    fn reply(&self, request: &Request<'_>) -> Reply {
        let last = request.path.rsplit('/').next().unwrap_or_default();
        match (request.method, last) {
            (&Method::GET, "openid-configuration") => (StatusCode::OK, json!({"issuer": ISSUER}).to_string()),
            (&Method::GET, "jwks") => (StatusCode::OK, self.jwks.to_string()),
            (&Method::GET, "serviceaccounts") => {
                list("PartialObjectMetadataList", "meta.k8s.io/v1", &self.accounts)
            }
            (&Method::GET, "namespaces") => list("PartialObjectMetadataList", "meta.k8s.io/v1", &[]),
            (&Method::GET, "recipes") => list("RecipeList", "irsa-emu.dev/v1alpha1", &[]),
            (&Method::GET, "configmaps") => list("ConfigMapList", "v1", &[]),
            (&Method::GET, "secrets") => list("SecretList", "v1", &[]),
            (&Method::GET, "mutatingwebhookconfigurations") => list(
                "MutatingWebhookConfigurationList",
                "admissionregistration.k8s.io/v1",
                &[],
            ),
            (&Method::GET, WEBHOOK_TLS_SECRET) => {
                let secret = self.secret.lock().unwrap_or_else(PoisonError::into_inner);
                let found = secret.clone().map(|secret| (StatusCode::OK, secret));
                found.unwrap_or_else(|| status(StatusCode::NOT_FOUND, "NotFound"))
            }
            (&Method::GET, _) => status(StatusCode::NOT_FOUND, "NotFound"),
            (&Method::POST, "secrets") => {
                let mut secret = self.secret.lock().unwrap_or_else(PoisonError::into_inner);
                *secret = Some(request.body.to_owned());
                (StatusCode::CREATED, request.body.to_owned())
            }
            (&Method::POST, "events") => (StatusCode::CREATED, request.body.to_owned()),
            (&Method::PATCH, _) if request.path.contains("/events/") => {
                (StatusCode::OK, request.body.to_owned())
            }
            _ => status(StatusCode::FORBIDDEN, "Forbidden"),
        }
    }
}

fn account(name: &str, role: &str) -> Value {
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {
        "name": name, "namespace": "n", "uid": format!("uid-{name}"), "resourceVersion": "1",
        "annotations": {"eks.amazonaws.com/role-arn": role}}})
}
