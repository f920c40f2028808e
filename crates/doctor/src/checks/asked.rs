//! What several checks ask of the API server and of the STS front.

use irsa_emu_cluster::kubernetes::objects::GetError;
use irsa_emu_core::causes::chain;
use irsa_emu_install::sts::{self, Refusal, Session, Token};
use kube::Client;

use super::engine::Trouble;
use crate::emulator::{AskError, DOCTOR};

impl From<GetError> for Trouble {
    fn from(error: GetError) -> Self {
        let words = format!("get --raw {}", error.path);
        Self::kubectl(error.to_string(), words)
    }
}

impl From<AskError> for Trouble {
    fn from(error: AskError) -> Self {
        Self::new(error.to_string(), "irsa-emu doctor --only emu-*")
    }
}

/// A token of a ServiceAccount for an audience.
pub(super) async fn token(
    client: &Client,
    namespace: &str,
    account: &str,
    audience: &str,
) -> Result<Token, Trouble> {
    let issued = sts::token(client, namespace, account, audience).await;
    issued.map_err(|error| {
        let words = format!("auth can-i create serviceaccounts/token -n {namespace}");
        Trouble::kubectl(chain(&error), words).about(format!("ServiceAccount {namespace}/{account}"))
    })
}

/// Exchanges a token for a role's credentials at the STS front, through the API server.
pub(super) async fn assume(client: &Client, token: &Token, role: &str) -> Result<Session, Refusal> {
    sts::assume(client, token, role, DOCTOR).await
}
