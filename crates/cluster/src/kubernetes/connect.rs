//! The cluster that a command talks to, and the rule that it must be a local one.

use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};

use super::kubeconfig::{KubeconfigError, Kubeconfigs};
use crate::failure::{Code, ExitStatus, Hint};

/// How long an API server may take for its first response.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// Contexts that are local by their whole name.
const SAFE_NAMES: [&str; 5] = [
    "minikube",
    "docker-desktop",
    "orbstack",
    "rancher-desktop",
    "microk8s",
];
/// Contexts that are local by the beginning of their name.
const SAFE_PREFIXES: [&str; 4] = ["kind-", "k3d-", "colima-", "lima-"];

/// A cluster, connected to.
#[derive(Clone)]
pub struct Cluster {
    /// Talks to its API server.
    pub client: kube::Client,
    /// The context it was found by.
    pub context: String,
    /// Version of its API server, such as `v1.34.4`.
    pub version: String,
    /// The second number of that version.
    pub minor_version: u32,
}

/// Why there is no connection to an API server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A kubeconfig cannot be read.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// The context, its cluster or its user is not usable.
    #[error(transparent)]
    Context(#[from] kube::config::KubeconfigError),
    /// No client can be made of them.
    #[error(transparent)]
    Client(kube::Error),
    /// The API server refused, or nothing listens.
    #[error(transparent)]
    Unreachable(kube::Error),
    /// The API server does not respond.
    #[error("the API server did not respond within {} s", FIRST_ANSWER.as_secs())]
    Late,
}

impl Hint for ConnectError {
    fn hint(&self) -> Option<String> {
        None
    }

    fn code(&self) -> Code {
        match self {
            Self::Kubeconfig(_) | Self::Context(_) | Self::Client(_) => Code::Failed,
            Self::Unreachable(_) | Self::Late => Code::ClusterUnreachable,
        }
    }
}

/// A context that is not known to be local, and that the user has not allowed.
#[derive(Debug, thiserror::Error)]
#[error("it is not known to be local (kind-*, k3d-*, colima*, {})", SAFE_NAMES.join(", "))]
pub struct Unsafe {
    /// The context.
    pub context: String,
}

impl Hint for Unsafe {
    fn hint(&self) -> Option<String> {
        Some(format!(
            "if it is not a production cluster, add: --allow-context {}",
            self.context
        ))
    }

    fn exit(&self) -> ExitStatus {
        ExitStatus::Unsafe
    }
}

impl Cluster {
    /// Connects to the API server of a context, and makes sure that it responds.
    pub async fn connect(kubeconfigs: &Kubeconfigs, context: &str) -> Result<Self, ConnectError> {
        let client = client_for(kubeconfigs.read()?, context).await?;
        match tokio::time::timeout(FIRST_ANSWER, client.apiserver_version()).await {
            Ok(Ok(version)) => Ok(Self {
                minor_version: minor(&version.minor),
                client,
                context: context.to_owned(),
                version: version.git_version,
            }),
            Ok(Err(error)) => Err(ConnectError::Unreachable(error)),
            Err(_) => Err(ConnectError::Late),
        }
    }
}

async fn client_for(kubeconfig: Kubeconfig, context: &str) -> Result<kube::Client, ConnectError> {
    let options = KubeConfigOptions {
        context: Some(context.to_owned()),
        ..KubeConfigOptions::default()
    };
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    // A proxy from the environment is of no use for an API server on this machine.
    if matches!(
        config.cluster_url.host(),
        Some("127.0.0.1" | "localhost" | "[::1]" | "0.0.0.0")
    ) {
        config.proxy_url = None;
    }
    config.connect_timeout = Some(Duration::from_secs(5));
    kube::Client::try_from(config).map_err(ConnectError::Client)
}

/// A minor version as API servers report it: digits, on some products with a `+` behind.
fn minor(text: &str) -> u32 {
    text.trim_end_matches(|c: char| !c.is_ascii_digit())
        .parse()
        .unwrap_or_default()
}

/// Whether a context is known to be local.
#[must_use]
pub fn is_safe(context: &str) -> bool {
    context == "colima"
        || SAFE_NAMES.contains(&context)
        || SAFE_PREFIXES.iter().any(|prefix| context.starts_with(prefix))
}

/// Refuses a context that is neither known to be local nor declared safe by the user.
pub fn require_safe(context: &str, allowed: &[String]) -> Result<(), Unsafe> {
    if is_safe(context) || allowed.iter().any(|name| name == context) {
        return Ok(());
    }
    Err(Unsafe {
        context: context.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_contexts_are_safe() {
        let safe = [
            "kind-irsa-emu",
            "k3d-dev",
            "minikube",
            "docker-desktop",
            "orbstack",
            "colima",
            "colima-x",
            "microk8s",
        ];
        for context in safe {
            assert!(is_safe(context), "{context}");
        }
        let others = [
            "arn:aws:eks:us-east-1:123456789012:cluster/prod",
            "prod",
            "kind",
            "my-kind-x",
            "minikube2",
            "gke_a_b_c",
            "",
        ];
        for context in others {
            assert!(!is_safe(context), "{context}");
            assert_eq!(
                require_safe(context, &["other".into()]).unwrap_err().exit(),
                ExitStatus::Unsafe
            );
            assert!(require_safe(context, &[context.into()]).is_ok());
        }
    }

    #[test]
    fn a_minor_version_may_have_a_plus() {
        assert_eq!([minor("34"), minor("29+"), minor("")], [34, 29, 0]);
    }
}
