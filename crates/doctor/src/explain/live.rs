//! What a Pod that runs really has: read from the Pod itself, whatever ought to be.

use irsa_emu_core::contract::{CONFIG_HASH, INJECTED, POD_IDENTITY_TOKEN, SIDECAR, TOKEN_VOLUME, env};
use serde::Serialize;
use serde_json::Value;

/// What a Pod has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Now {
    /// When it was created (RFC 3339, as Kubernetes writes it).
    pub created: String,
    /// Its phase.
    pub phase: String,
    /// The mark of the injection: its delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub injected: Option<String>,
    /// The mark of the settings that shaped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_hash: Option<String>,
    /// Its containers, ours left out.
    pub containers: Vec<NowContainer>,
    /// The state of the sidecar, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sidecar: Option<Sidecar>,
    /// The roles that its containers ask for, the sidecar among them.
    #[serde(skip)]
    pub roles: Vec<String>,
    #[serde(skip)]
    has_token: bool,
}

/// What a container has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NowContainer {
    /// Its name.
    pub name: String,
    /// `AWS_ROLE_ARN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<String>,
    /// `AWS_CONTAINER_CREDENTIALS_FULL_URI`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_uri: Option<String>,
    /// `AWS_REGION`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `AWS_ENDPOINT_URL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// How the sidecar does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sidecar {
    /// Whether it runs, and has had its first success.
    pub is_running: bool,
    /// Its state in words.
    pub state: String,
}

impl Now {
    /// Reads a Pod.
    #[must_use]
    pub fn read(pod: &Value) -> Self {
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let annotation = |key: &str| pod["metadata"]["annotations"][key].as_str().map(str::to_owned);
        let lists = ["initContainers", "containers"].map(|list| pod["spec"][list].as_array());
        let all = || lists.into_iter().flatten().flatten();
        let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
        let ours = [TOKEN_VOLUME, POD_IDENTITY_TOKEN];
        let has_token = volumes
            .filter_map(|volume| volume["name"].as_str())
            .any(|name| ours.contains(&name));
        Self {
            created: text("/metadata/creationTimestamp").unwrap_or_default(),
            phase: text("/status/phase").unwrap_or_default(),
            injected: annotation(INJECTED),
            config_hash: annotation(CONFIG_HASH),
            containers: all()
                .filter(|container| container["name"] != SIDECAR)
                .map(read_container)
                .collect(),
            sidecar: all()
                .any(|container| container["name"] == SIDECAR)
                .then(|| read_sidecar(pod)),
            roles: roles_of(pod),
            has_token,
        }
    }

    /// Whether the webhook was here. Under the profile `strict-eks` only what it added shows that.
    #[must_use]
    pub fn is_injected(&self) -> bool {
        let has_identity =
            |container: &NowContainer| container.token_file.is_some() || container.credentials_uri.is_some();
        self.injected.is_some() || (self.has_token && self.containers.iter().any(has_identity))
    }
}

/// The ARNs of the roles that a Pod's containers ask for, ours among them.
#[must_use]
pub fn roles_of(pod: &Value) -> Vec<String> {
    let lists = ["initContainers", "containers"].map(|list| pod["spec"][list].as_array());
    let all = lists.into_iter().flatten().flatten();
    let roles = all.filter_map(|container| variable(container, env::ROLE_ARN));
    roles.filter(|role| role.starts_with("arn:")).collect()
}

/// The role that a container asks for with a token that nobody injected.
#[must_use]
pub fn role_by_hand(pod: &Value) -> Option<String> {
    let mut containers = Now::read(pod).containers.into_iter();
    containers
        .find(|container| container.role_arn.is_some() && container.token_file.is_some())?
        .role_arn
}

/// The audience of the token that a Pod has for STS: the one that was injected, or else the first that names an audience.
#[must_use]
pub fn audience_of(pod: &Value) -> Option<String> {
    let volumes = || pod["spec"]["volumes"].as_array().into_iter().flatten();
    let injected = volumes().filter(|volume| volume["name"] == TOKEN_VOLUME);
    let volumes = injected.chain(volumes());
    let sources = volumes.flat_map(|volume| volume["projected"]["sources"].as_array().into_iter().flatten());
    let mut audiences = sources.filter_map(|source| source["serviceAccountToken"]["audience"].as_str());
    audiences.next().map(str::to_owned)
}

/// The value of a variable of a container.
fn variable(container: &Value, name: &str) -> Option<String> {
    let mut items = container["env"].as_array().into_iter().flatten();
    let item = items.find(|item| item["name"] == name)?;
    Some(item["value"].as_str().unwrap_or("(from elsewhere)").to_owned())
}

fn read_container(container: &Value) -> NowContainer {
    let variable = |name: &str| variable(container, name);
    NowContainer {
        name: container["name"].as_str().unwrap_or_default().to_owned(),
        role_arn: variable(env::ROLE_ARN),
        token_file: variable(env::TOKEN_FILE),
        credentials_uri: variable(env::CONTAINER_URI),
        region: variable(env::REGION),
        endpoint: variable(env::ENDPOINT),
    }
}

fn read_sidecar(pod: &Value) -> Sidecar {
    let lists = ["initContainerStatuses", "containerStatuses"].map(|list| pod["status"][list].as_array());
    let mut all = lists.into_iter().flatten().flatten();
    let Some(status) = all.find(|status| status["name"] == SIDECAR) else {
        return Sidecar {
            is_running: false,
            state: "the kubelet has not reported anything about it".to_owned(),
        };
    };
    let state = &status["state"];
    // Without a startup probe, `started` means only that it runs.
    let is_running = state["running"].is_object() && status["started"] != Value::Bool(false);
    let word = |state: &Value| {
        let reason = state["reason"]
            .as_str()
            .unwrap_or("for an unknown reason")
            .to_owned();
        match state["message"].as_str() {
            Some(message) => format!("{reason}: {}", message.trim()),
            None => reason,
        }
    };
    let state = if is_running {
        "running".to_owned()
    } else if state["running"].is_object() {
        "running, but it has no credentials yet".to_owned()
    } else if state["terminated"].is_object() {
        format!("ended ({})", word(&state["terminated"]))
    } else {
        format!("waiting ({})", word(&state["waiting"]))
    };
    Sidecar { is_running, state }
}
