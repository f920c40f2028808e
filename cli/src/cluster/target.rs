//! The cluster that a command talks to, and the rule that it must be a local one.

use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};

use super::kubeconfig::Kubeconfigs;
use crate::error::{Attempt, CliError, Code, ExitStatus};

/// How long an API server may take for its first answer.
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

impl Cluster {
    /// Connects to the API server of a context, and makes sure that it answers.
    pub async fn connect(kubeconfigs: &Kubeconfigs, context: &str) -> Result<Self, CliError> {
        let attempted = || format!("connecting to the cluster of context `{context}`");
        let client = client_for(kubeconfigs.read().attempting(attempted)?, context)
            .await
            .attempting(attempted)?;
        match tokio::time::timeout(FIRST_ANSWER, client.apiserver_version()).await {
            Ok(Ok(version)) => Ok(Self {
                minor_version: minor(&version.minor),
                client,
                context: context.to_owned(),
                version: version.git_version,
            }),
            Ok(Err(error)) => Err(CliError::failed(attempted(), error).code(Code::ClusterUnreachable)),
            Err(_) => {
                let why = format!(
                    "the API server gave no answer within {} s",
                    FIRST_ANSWER.as_secs()
                );
                Err(CliError::because(ExitStatus::Failed, attempted(), why).code(Code::ClusterUnreachable))
            }
        }
    }
}

async fn client_for(kubeconfig: Kubeconfig, context: &str) -> anyhow::Result<kube::Client> {
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
    Ok(kube::Client::try_from(config)?)
}

/// A minor version as API servers tell it: digits, on some products with a `+` behind.
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
pub fn require_safe(context: &str, allowed: &[String]) -> Result<(), CliError> {
    if is_safe(context) || allowed.iter().any(|name| name == context) {
        return Ok(());
    }
    let attempted = format!("using the context `{context}`");
    let why = format!(
        "it is not known to be local (kind-*, k3d-*, colima*, {})",
        SAFE_NAMES.join(", ")
    );
    let next = format!("if it is no production cluster, add: --allow-context {context}");
    Err(CliError::because(ExitStatus::Unsafe, attempted, why).next(next))
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
