//! A stand-in for the Kubernetes API, as far as the webhook needs one: a few ServiceAccounts, the cluster's keys, and
//! nothing else. It counts what it is asked.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use irsa_emu_core::contract::WEBHOOK_TLS_SECRET;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::issuer::{ISSUER, Issuer};

/// What it holds, and what it was asked.
#[derive(Debug)]
pub struct ApiServer {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Served>,
}

#[derive(Debug)]
struct Served {
    jwks: Value,
    accounts: Vec<Value>,
    asked: Mutex<BTreeMap<String, usize>>,
    /// The Secret of the certificates, once it was written.
    secret: Mutex<Option<Bytes>>,
}

impl ApiServer {
    /// Starts it. The ServiceAccounts of Namespace `n` have these names and roles.
    pub async fn start(issuer: &Issuer, accounts: &[(&str, &str)]) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Served {
            jwks: issuer.jwks(),
            accounts: accounts.iter().map(|(name, role)| account(name, role)).collect(),
            asked: Mutex::default(),
            secret: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, state })
    }

    /// A kubeconfig that leads here.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{}", self.address)}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}],
        })
        .to_string()
    }

    /// How often it was asked for paths with this in them.
    #[must_use]
    pub fn asked(&self, part: &str) -> usize {
        let asked = self.state.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked
            .iter()
            .filter(|(path, _)| path.contains(part))
            .map(|(_, count)| count)
            .sum()
    }
}

fn account(name: &str, role: &str) -> Value {
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {
        "name": name, "namespace": "n", "uid": format!("uid-{name}"), "resourceVersion": "1",
        "annotations": {"eks.amazonaws.com/role-arn": role}}})
}

async fn answer(State(served): State<Arc<Served>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let path = parts.uri.path();
    let mut asked = served.asked.lock().unwrap_or_else(PoisonError::into_inner);
    *asked.entry(format!("{} {path}", parts.method)).or_default() += 1;
    drop(asked);
    let is_watch = parts
        .uri
        .query()
        .is_some_and(|query| query.contains("watch=true"));
    let last = path.rsplit('/').next().unwrap_or_default();
    match (parts.method, last) {
        (Method::GET, "openid-configuration") => json(StatusCode::OK, &json!({"issuer": ISSUER})),
        (Method::GET, "jwks") => json(StatusCode::OK, &served.jwks),
        (Method::GET, _) if is_watch => {
            Body::from_stream(futures::stream::pending::<std::io::Result<Bytes>>()).into_response()
        }
        (Method::GET, "serviceaccounts") => {
            list("PartialObjectMetadataList", "meta.k8s.io/v1", &served.accounts)
        }
        (Method::GET, "namespaces") => list("PartialObjectMetadataList", "meta.k8s.io/v1", &[]),
        (Method::GET, "recipes") => list("RecipeList", "irsa-emu.dev/v1alpha1", &[]),
        (Method::GET, "configmaps") => list("ConfigMapList", "v1", &[]),
        (Method::GET, "secrets") => list("SecretList", "v1", &[]),
        (Method::GET, "mutatingwebhookconfigurations") => list(
            "MutatingWebhookConfigurationList",
            "admissionregistration.k8s.io/v1",
            &[],
        ),
        (Method::GET, WEBHOOK_TLS_SECRET) => {
            let secret = served
                .secret
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            match secret {
                Some(secret) => as_json(secret).into_response(),
                None => status(StatusCode::NOT_FOUND, "NotFound"),
            }
        }
        (Method::GET, _) => status(StatusCode::NOT_FOUND, "NotFound"),
        (Method::POST, "secrets") => {
            let mut secret = served.secret.lock().unwrap_or_else(PoisonError::into_inner);
            *secret = Some(body.clone());
            (StatusCode::CREATED, as_json(body)).into_response()
        }
        (Method::POST, "events") => (StatusCode::CREATED, as_json(body)).into_response(),
        (Method::PATCH, _) if path.contains("/events/") => as_json(body).into_response(),
        _ => status(StatusCode::FORBIDDEN, "Forbidden"),
    }
}

fn list(kind: &str, api_version: &str, items: &[Value]) -> Response {
    json(
        StatusCode::OK,
        &json!({"apiVersion": api_version, "kind": kind, "metadata": {"resourceVersion": "1"}, "items": items}),
    )
}

fn status(code: StatusCode, reason: &str) -> Response {
    let body = json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "message": reason, "code": code.as_u16()});
    json(code, &body)
}

fn json(code: StatusCode, body: &Value) -> Response {
    (code, as_json(body.to_string().into())).into_response()
}

fn as_json(body: Bytes) -> impl axum::response::IntoResponse {
    ([("content-type", "application/json")], body)
}
