//! A stand-in for an emulator's STS and IAM. Its responses are good unless a test sets others.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::form_urlencoded;

/// What becomes of one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Credentials.
    Credentials,
    /// 503.
    Unavailable,
    /// `AccessDenied`.
    Denied,
    /// A page that is no response of STS.
    Garbage,
    /// Nothing, ever.
    Silence,
}

/// How the emulator behaves.
#[derive(Debug)]
pub struct Behaviour {
    /// The life of credentials.
    pub life: Duration,
    /// What becomes of the first exchange, the second and so on, again from the start after the last.
    pub answers: Vec<Answer>,
    /// The only token that it takes, if there is one: the end of it is enough.
    pub token: std::sync::Mutex<Option<String>>,
    exchanges: AtomicUsize,
}

impl Behaviour {
    /// Responds in this order with credentials of this life.
    #[must_use]
    pub fn new(life: Duration, answers: &[Answer]) -> Arc<Self> {
        Arc::new(Self {
            life,
            answers: answers.to_vec(),
            token: std::sync::Mutex::default(),
            exchanges: AtomicUsize::new(0),
        })
    }

    /// Exchanges so far.
    pub fn exchanges(&self) -> usize {
        self.exchanges.load(Ordering::SeqCst)
    }
}

/// The running emulator; it stops with the value.
#[derive(Debug)]
pub struct Emulator {
    /// Where it listens.
    pub address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Emulator {
    /// Starts it.
    pub async fn start(address: SocketAddr, behaviour: Arc<Behaviour>) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(answer).with_state(behaviour);
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, serving })
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(behaviour): State<Arc<Behaviour>>, body: String) -> Response {
    let parameters: BTreeMap<_, _> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let parameter = |name: &str| parameters.get(name).map_or("", String::as_str);
    match parameter("Action") {
        "AssumeRoleWithWebIdentity" => exchange(&behaviour, parameter("WebIdentityToken")).await,
        "GetRole" | "CreateRole" => role(parameter("Action"), parameter("RoleName")),
        "ListOpenIDConnectProviders" => xml(
            "ListOpenIDConnectProviders",
            "<OpenIDConnectProviderList><member><Arn>arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF</Arn></member></OpenIDConnectProviderList>",
        ),
        "GetOpenIDConnectProvider" => xml(
            "GetOpenIDConnectProvider",
            "<ClientIDList><member>sts.amazonaws.com</member></ClientIDList>",
        ),
        _ => (StatusCode::BAD_REQUEST, "no such action").into_response(),
    }
}

async fn exchange(behaviour: &Behaviour, token: &str) -> Response {
    let number = behaviour.exchanges.fetch_add(1, Ordering::SeqCst);
    let wanted = behaviour
        .token
        .lock()
        .map(|token| token.clone())
        .unwrap_or_default();
    if wanted.is_some_and(|wanted| !token.ends_with(&wanted)) {
        return error(StatusCode::BAD_REQUEST, "ExpiredTokenException");
    }
    match behaviour.answers[number % behaviour.answers.len()] {
        Answer::Credentials => credentials(number, behaviour.life),
        Answer::Unavailable => error(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
        Answer::Denied => error(StatusCode::FORBIDDEN, "AccessDenied"),
        Answer::Garbage => (StatusCode::OK, "<html>proxy</html>").into_response(),
        Answer::Silence => std::future::pending().await,
    }
}

fn credentials(number: usize, life: Duration) -> Response {
    let end = (OffsetDateTime::now_utc() + life)
        .format(&Rfc3339)
        .unwrap_or_default();
    xml(
        "AssumeRoleWithWebIdentity",
        &format!(
            "<Credentials><AccessKeyId>LSIA{number}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
             <SessionToken>session</SessionToken><Expiration>{end}</Expiration></Credentials>"
        ),
    )
}

/// In the name of a role that trusts nobody of the cluster.
const FOREIGN: &str = "-foreign";

/// A role that every ServiceAccount may assume, unless its name says that it is a foreign one.
fn role(action: &str, name: &str) -> Response {
    let trusted = if name.contains(FOREIGN) {
        "system:serviceaccount:elsewhere:somebody"
    } else {
        "system:serviceaccount:*:*"
    };
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF:sub":"TRUSTED"}}}]}"#;
    let policy = policy.replace("TRUSTED", trusted);
    let encoded: String = form_urlencoded::byte_serialize(policy.as_bytes()).collect();
    xml(
        action,
        &format!(
            "<Role><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROA1</RoleId><Arn>arn:aws:iam::123456789012:role/{name}</Arn>\
             <CreateDate>2026-01-01T00:00:00Z</CreateDate><AssumeRolePolicyDocument>{encoded}</AssumeRolePolicyDocument></Role>"
        ),
    )
}

fn xml(action: &str, result: &str) -> Response {
    format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>").into_response()
}

fn error(status: StatusCode, code: &str) -> Response {
    let text =
        format!("<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>");
    (status, text).into_response()
}
