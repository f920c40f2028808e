//! What `exec`, `credentials` and `env --as` have in common: a ServiceAccount's identity, or the error for people.

use irsa_emu_cluster::failure::Hint;
use irsa_emu_cluster::kubernetes::connect::Cluster;
use irsa_emu_core::role_arn::RoleArn;

use crate::app::App;
use crate::error::CliError;
use crate::identity::account::AccountName;
use crate::identity::{Identity, IdentityError};
use irsa_emu_core::kubectl::kubectl;

/// Variable by which the user names the session, as for the SDKs' own web identity.
const SESSION_NAME: &str = "AWS_ROLE_SESSION_NAME";

/// Reads the ARN of a role.
pub(super) fn role(text: &str) -> Result<RoleArn, String> {
    RoleArn::parse(text).map_err(|error| error.to_string())
}

/// The name of sessions.
pub(super) fn session_name() -> String {
    let named = std::env::var(SESSION_NAME).ok().filter(|name| !name.is_empty());
    named.unwrap_or_else(|| "irsa-emu".to_owned())
}

/// The identity of a ServiceAccount's Pods in a cluster.
pub(super) async fn find(
    account: &AccountName,
    role: Option<&RoleArn>,
    cluster: &Cluster,
    app: &App,
) -> Result<Identity, CliError> {
    let found = Identity::find(&cluster.client, &cluster.context, account, role).await;
    found.map_err(|error| failed(account, error, cluster, app))
}

/// The error for people.
pub(super) fn failed(account: &AccountName, error: IdentityError, cluster: &Cluster, app: &App) -> CliError {
    let AccountName { namespace, name } = account;
    let kubectl = kubectl(&cluster.context);
    let next = match &error {
        IdentityError::NotInstalled => app.session.command("up"),
        IdentityError::NoAccount { .. } => format!("{kubectl} get serviceaccounts --all-namespaces"),
        IdentityError::NoRole { .. } | IdentityError::Refused { .. } => app
            .session
            .command(&format!("explain serviceaccount {name} -n {namespace}")),
        IdentityError::Token(_) => {
            format!("{kubectl} auth can-i create serviceaccounts/token -n {namespace}")
        }
        IdentityError::Asking(_) | IdentityError::Unreachable(_) | IdentityError::Late(_) => {
            app.session.command("doctor")
        }
    };
    let mut details = error.details();
    let attempted = format!("taking the identity of the ServiceAccount {account}");
    let (exit, code) = (error.exit(), error.code());
    let mut failed = CliError::new(exit, attempted, error).code(code).next(next);
    for (name, value) in std::mem::take(&mut details) {
        failed = failed.detail(&name, value);
    }
    failed
}
