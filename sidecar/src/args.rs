//! Command line and environment, read once and checked.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use irsa_emu_core::contract::{self, sidecar_env};
use irsa_emu_core::role_arn::{RoleArn, RoleArnError};

/// Serves AWS credentials to the containers of one Pod.
#[derive(Debug, Parser)]
#[command(name = "irsa-emu-sidecar", version)]
pub(crate) struct Args {
    /// Role to assume
    #[arg(long, env = contract::env::ROLE_ARN, default_value = "")]
    role_arn: String,
    /// File with the projected ServiceAccount token
    #[arg(long, env = contract::env::TOKEN_FILE)]
    token_file: Option<PathBuf>,
    /// URL of the STS front
    #[arg(long, env = sidecar_env::STS_URL, default_value_t = contract::sts_front_url())]
    sts_url: String,
    /// Loopback address of the credentials endpoint
    #[arg(long, env = sidecar_env::LISTEN, default_value_t = default_listen())]
    listen: SocketAddr,
    /// Folder shared with the other containers
    #[arg(long, env = sidecar_env::CREDENTIALS_DIR, default_value = contract::CREDENTIALS_MOUNT)]
    credentials_dir: PathBuf,
    /// Write the shared credentials file too
    #[arg(long, env = sidecar_env::WRITE_CREDENTIALS_FILE, default_value_t = false, action = clap::ArgAction::Set)]
    write_credentials_file: bool,
    /// Session name of the assumed role
    #[arg(long, env = sidecar_env::SESSION_NAME, default_value = "irsa-emu")]
    session_name: String,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Verb {
    /// Serve until SIGTERM (the default)
    Serve,
    /// Exit 0 if the credentials endpoint returns credentials, else print why not
    Probe,
    /// Print the credentials as SDKs take them from a `credential_process`
    CredentialProcess,
    /// Print how far this Pod gets to each URL
    Reach {
        /// URLs
        urls: Vec<String>,
    },
}

/// What the sidecar works with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) verb: Verb,
    pub(crate) role_arn: String,
    pub(crate) token_file: PathBuf,
    pub(crate) sts_url: String,
    pub(crate) listen: SocketAddr,
    pub(crate) credentials_dir: PathBuf,
    pub(crate) write_credentials_file: bool,
    pub(crate) session_name: String,
    pub(crate) account: String,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("{}: {source}", contract::env::ROLE_ARN)]
    RoleArn { source: RoleArnError },
    #[error("{} is not set", contract::env::TOKEN_FILE)]
    TokenFile,
    #[error(
        "{} is `{address}`, but credentials are served on a loopback address only",
        sidecar_env::LISTEN
    )]
    Listen { address: SocketAddr },
}

impl Settings {
    pub(crate) fn resolve(args: Args) -> Result<Self, SettingsError> {
        let Args {
            role_arn,
            token_file,
            sts_url,
            listen,
            credentials_dir,
            write_credentials_file,
            session_name,
            verb,
        } = args;
        if !listen.ip().is_loopback() {
            return Err(SettingsError::Listen { address: listen });
        }
        let account = RoleArn::parse(&role_arn)
            .map_err(|source| SettingsError::RoleArn { source })?
            .account()
            .to_owned();
        let token_file = token_file.ok_or(SettingsError::TokenFile)?;
        Ok(Self {
            verb: verb.unwrap_or(Verb::Serve),
            role_arn,
            token_file,
            sts_url,
            listen,
            credentials_dir,
            write_credentials_file,
            session_name: session_name_from(&session_name),
            account,
        })
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], contract::SIDECAR_PORT))
}

/// A session name that STS accepts (2 to 64 of A-Z a-z 0-9 and _+=,.@-), out of a Pod's name.
fn session_name_from(pod: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let name: String = pod.chars().filter(|c| legal(*c)).take(64).collect();
    if name.len() < 2 {
        "irsa-emu".to_owned()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(extra: &[&str]) -> Result<Settings, SettingsError> {
        let base = [
            "irsa-emu-sidecar",
            "--role-arn",
            "arn:aws:iam::123456789012:role/x",
            "--token-file",
            "/t",
        ];
        Settings::resolve(Args::parse_from(base.iter().chain(extra)))
    }

    #[test]
    fn credentials_are_never_served_beyond_loopback() {
        assert!(matches!(
            parsed(&["--listen", "0.0.0.0:1"]),
            Err(SettingsError::Listen { .. })
        ));
        assert_eq!(parsed(&[]).unwrap().listen.to_string(), "127.0.0.1:14566");
    }

    #[test]
    fn a_malformed_role_is_named_with_its_variable() {
        let error = Settings::resolve(Args::parse_from([
            "s",
            "--role-arn",
            "Vault",
            "--token-file",
            "/t",
        ]))
        .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("AWS_ROLE_ARN: `Vault` is not the ARN"),
            "{error}"
        );
    }

    #[test]
    fn only_reach_speaks_for_no_role() {
        let args = Args::parse_from(["s", "reach", "http://a", "http://b"]);
        let urls = vec!["http://a".to_owned(), "http://b".to_owned()];
        assert_eq!(args.verb, Some(Verb::Reach { urls }));
        let args = Args::parse_from(["s", "--role-arn", "arn:aws:iam::123456789012:role/x"]);
        assert!(matches!(Settings::resolve(args), Err(SettingsError::TokenFile)));
    }

    #[test]
    fn session_names_are_made_acceptable() {
        assert_eq!(session_name_from(&"p".repeat(100)).len(), 64);
        assert_eq!(session_name_from("a"), "irsa-emu");
        assert_eq!(session_name_from("vault-0"), "vault-0");
    }
}
