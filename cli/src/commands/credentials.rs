//! `irsa-emu credentials`: credentials of a ServiceAccount's role, for AWS tools of this machine.

use clap::{Args, ValueEnum};
use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::shell::shell_quoted;
use irsa_emu_install::sts::Session;
use serde_json::{Value, json};

use super::identity;
use crate::app::App;
use crate::error::CliError;
use crate::identity::account::AccountName;

/// Options of `irsa-emu credentials`.
#[derive(Debug, Args)]
#[command(after_help = "In ~/.aws/config:
  [profile app]
  credential_process = irsa-emu credentials shop/app
`irsa-emu env -o aws-config --as shop/app` prints the whole profile.")]
pub struct CredentialsArgs {
    /// ServiceAccount whose Pods have the identity
    #[arg(value_name = "NAMESPACE/SERVICEACCOUNT", value_parser = AccountName::parse)]
    account: AccountName,
    /// Role to assume instead of the one that Pods get
    #[arg(long, value_name = "ARN", value_parser = identity::role)]
    role: Option<RoleArn>,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "process")]
    output: CredentialsFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CredentialsFormat {
    /// The JSON object that AWS tools read from a `credential_process`
    Process,
    /// Variables, for `eval "$(irsa-emu credentials shop/app -o shell)"`
    Shell,
    /// One JSON object for programs
    Json,
    /// The same as YAML
    Yaml,
}

/// Prints credentials.
pub async fn run(args: CredentialsArgs, app: &App) -> Result<ExitStatus, CliError> {
    let CredentialsArgs {
        account,
        role,
        output,
    } = args;
    let cluster = app.session.connect().await?;
    let found = identity::find(&account, role.as_ref(), &cluster, app).await?;
    let session = found.session(&identity::session_name()).await;
    let session = session.map_err(|error| identity::failed(&account, error, &cluster, app))?;
    match output {
        CredentialsFormat::Process => app.printer.data(&process(&session).to_string()),
        CredentialsFormat::Shell => app.printer.data(&shell(&session)),
        CredentialsFormat::Json | CredentialsFormat::Yaml => app.output.put(&json!({
            "serviceAccount": account.to_string(), "role": found.role, "region": found.region,
            "assumedRoleArn": session.arn, "credentials": process(&session),
        }))?,
    }
    Ok(ExitStatus::Ok)
}

/// As AWS tools read it from a `credential_process`.
fn process(session: &Session) -> Value {
    json!({
        "Version": 1, "AccessKeyId": session.access_key_id, "SecretAccessKey": session.secret_access_key,
        "SessionToken": session.session_token, "Expiration": session.expiration_text(),
        "AccountId": session.account_id(),
    })
}

fn shell(session: &Session) -> String {
    [
        ("AWS_ACCESS_KEY_ID", &session.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &session.secret_access_key),
        ("AWS_SESSION_TOKEN", &session.session_token),
    ]
    .map(|(name, value)| format!("export {name}={}", shell_quoted(value)))
    .join("\n")
}
