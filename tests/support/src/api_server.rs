//! A stand-in for the Kubernetes API: the objects that a test gives it, by their paths. It counts what it is asked.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use irsa_emu_core::contract::NAMESPACE;
use serde_json::{Value, json};

use crate::http::{self, Reply};

/// A request, as far as tests look at it.
#[derive(Debug)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Without its query.
    pub path: &'a str,
    /// What comes behind the `?`.
    pub query: &'a str,
    /// All of it.
    pub body: &'a str,
}

type Own = dyn Fn(&Request<'_>) -> Option<Reply> + Send + Sync;

/// An API server before its start. It has a version, an empty list of everything that is asked for by label, and nothing
/// else.
#[derive(Clone, Default)]
pub struct ApiServer {
    objects: Vec<(String, String)>,
    own: Option<Arc<Own>>,
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiServer")
            .field("objects", &self.objects)
            .finish_non_exhaustive()
    }
}

/// A running API server. It runs until the process ends.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Asked>,
}

/// How often each path was asked for.
type Asked = Mutex<BTreeMap<String, usize>>;

impl ApiServer {
    /// One with an install that reaches the emulator by this URL of the machine, if by any.
    #[must_use]
    pub fn installed(host_endpoint: Option<&str>) -> Self {
        let mut annotations = json!({"irsa-emu.dev/region": "eu-west-1"});
        if let Some(url) = host_endpoint {
            annotations["irsa-emu.dev/host-endpoint"] = url.into();
        }
        let namespace = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": NAMESPACE, "annotations": annotations}});
        Self::default().with(&format!("/api/v1/namespaces/{NAMESPACE}"), &namespace.to_string())
    }

    /// The same with one more object.
    #[must_use]
    pub fn with(mut self, path: &str, object: &str) -> Self {
        self.objects.push((path.to_owned(), object.to_owned()));
        self
    }

    /// The same, where the test itself replies to what it wants to.
    #[must_use]
    pub fn replying(mut self, own: impl Fn(&Request<'_>) -> Option<Reply> + Send + Sync + 'static) -> Self {
        self.own = Some(Arc::new(own));
        self
    }

    /// Starts it.
    pub fn start(self) -> Result<Running> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let asked = Arc::<Asked>::default();
        let router = Router::new()
            .fallback(reply)
            .with_state((Arc::new(self), Arc::clone(&asked)));
        http::serve(move || tokio::net::TcpListener::from_std(listener), router)?;
        Ok(Running { address, asked })
    }

    fn reply(&self, request: &Request<'_>) -> Reply {
        if let Some(reply) = self.own.as_ref().and_then(|own| own(request)) {
            return reply;
        }
        let object = self.objects.iter().find(|(path, _)| path == request.path);
        match (request.path, object) {
            ("/version", _) => (StatusCode::OK, version().to_string()),
            (_, Some((_, object))) => (StatusCode::OK, object.clone()),
            _ if request.query.contains("labelSelector") => {
                list("PartialObjectMetadataList", "meta.k8s.io/v1", &[])
            }
            _ => status(StatusCode::NOT_FOUND, "NotFound"),
        }
    }
}

impl Running {
    /// A kubeconfig with one context, whose cluster is this one.
    #[must_use]
    pub fn kubeconfig(&self, context: &str) -> String {
        kubeconfig(context, self.address)
    }

    /// How often it was asked for paths with this in them.
    #[must_use]
    pub fn asked(&self, part: &str) -> usize {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked
            .iter()
            .filter(|(path, _)| path.contains(part))
            .map(|(_, count)| count)
            .sum()
    }
}

/// A kubeconfig with one context, whose API server has this address.
#[must_use]
pub fn kubeconfig(context: &str, server: SocketAddr) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": context,
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{server}")}}],
        "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
    })
    .to_string()
}

async fn reply(
    State((server, asked)): State<(Arc<ApiServer>, Arc<Asked>)>,
    request: axum::extract::Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let request = Request {
        method: &parts.method,
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        body: &String::from_utf8_lossy(&body),
    };
    let line = format!("{} {}", request.method, request.path);
    let mut counts = asked.lock().unwrap_or_else(PoisonError::into_inner);
    *counts.entry(line).or_default() += 1;
    drop(counts);
    if request.query.contains("watch=true") {
        return Body::from_stream(futures::stream::pending::<std::io::Result<Bytes>>()).into_response();
    }
    let (status, body) = server.reply(&request);
    http::json(status, body)
}

fn version() -> Value {
    json!({"major": "1", "minor": "34", "gitVersion": "v1.34.0", "gitCommit": "", "gitTreeState": "", "buildDate": "",
        "goVersion": "", "compiler": "", "platform": ""})
}

/// A list of objects.
#[must_use]
pub fn list(kind: &str, api_version: &str, items: &[Value]) -> Reply {
    let list = json!({"apiVersion": api_version, "kind": kind, "metadata": {"resourceVersion": "1"}, "items": items});
    (StatusCode::OK, list.to_string())
}

/// What an API server returns in place of an object.
#[must_use]
pub fn status(code: StatusCode, reason: &str) -> Reply {
    let message = code.canonical_reason().unwrap_or(reason).to_lowercase();
    let status = json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "reason": reason,
        "message": message, "code": code.as_u16()});
    (code, status.to_string())
}
