//! The cluster: the ServiceAccounts that fill the caches, and the CA of our server.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use irsa_emu_core::contract::{
    DEFAULT_AUDIENCE, EKS_PREFIX, NAMESPACE, ROLE_ARN, WEBHOOK_PATH, WEBHOOK_PATH_ENTRY, WEBHOOK_TLS_SECRET,
};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use kube::api::{ObjectMeta, PostParams};
use kube::config::Kubeconfig;
use kube::{Api, Client};

use crate::reviews;

/// Writes in flight at once.
const WRITES: usize = 16;

/// The cluster of the current context.
pub(crate) struct Cluster {
    client: Client,
}

impl Cluster {
    /// The cluster, if the current context is the one that was named: what is started here uses the current one too.
    pub(crate) async fn of_context(wanted: &str) -> Result<Self> {
        let current = Kubeconfig::read()
            .context("cannot read the kubeconfig")?
            .current_context;
        ensure!(
            current.as_deref() == Some(wanted),
            "the current context is {current:?}, not {wanted}: nothing was touched"
        );
        let client = Client::try_default().await.context("cannot reach the cluster")?;
        Ok(Self { client })
    }

    /// Makes the Namespace and its annotated ServiceAccounts; those that are there stay.
    pub(crate) async fn make_accounts(&self, count: usize) -> Result<()> {
        let namespace = Namespace {
            metadata: named(reviews::NAMESPACE.to_owned()),
            ..Namespace::default()
        };
        let namespaces = Api::<Namespace>::all(self.client.clone());
        unless_there(namespaces.create(&PostParams::default(), &namespace).await)?;
        let api = Api::<ServiceAccount>::namespaced(self.client.clone(), reviews::NAMESPACE);
        futures::stream::iter(0..count)
            .map(|index| {
                let api = api.clone();
                async move { unless_there(api.create(&PostParams::default(), &account(index)).await) }
            })
            .buffer_unordered(WRITES)
            .try_collect::<Vec<()>>()
            .await
            .context("cannot make the ServiceAccounts")?;
        Ok(())
    }

    /// A token of a ServiceAccount, as the kubelet would project it.
    pub(crate) async fn token(&self, account: &str) -> Result<String> {
        let api = Api::<ServiceAccount>::namespaced(self.client.clone(), reviews::NAMESPACE);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![DEFAULT_AUDIENCE.to_owned()],
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let made = api
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .with_context(|| format!("cannot make a token of the ServiceAccount {account}"))?;
        Ok(made.status.context("the API server made no token")?.token)
    }

    /// The CA of our server, which made it when it started, and the path by which it is registered.
    pub(crate) async fn registration(&self) -> Result<(Vec<u8>, String)> {
        let api = Api::<Secret>::namespaced(self.client.clone(), NAMESPACE);
        let secret = api
            .get(WEBHOOK_TLS_SECRET)
            .await
            .with_context(|| format!("cannot read the Secret {WEBHOOK_TLS_SECRET}"))?;
        let data = secret.data.unwrap_or_default();
        let entry = |name: &str| {
            let found = data.get(name).map(|entry| entry.0.clone());
            found.with_context(|| format!("the Secret of the certificates has no {name}"))
        };
        let segment = String::from_utf8(entry(WEBHOOK_PATH_ENTRY)?)?;
        Ok((entry("ca.crt")?, format!("{WEBHOOK_PATH}/{segment}")))
    }
}

/// Name of the ServiceAccount with this number.
pub(crate) fn account_name(index: usize) -> String {
    format!("orders-{index:04}")
}

/// The role that it is annotated with.
pub(crate) fn role_arn(index: usize) -> String {
    format!("arn:aws:iam::123456789012:role/{}", account_name(index))
}

fn account(index: usize) -> ServiceAccount {
    ServiceAccount {
        metadata: ObjectMeta {
            annotations: Some(BTreeMap::from([(
                format!("{EKS_PREFIX}/{ROLE_ARN}"),
                role_arn(index),
            )])),
            ..named(account_name(index))
        },
        ..ServiceAccount::default()
    }
}

fn named(name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        ..ObjectMeta::default()
    }
}

fn unless_there<T>(made: kube::Result<T>) -> kube::Result<()> {
    match made {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        other => other.map(|_| ()),
    }
}
