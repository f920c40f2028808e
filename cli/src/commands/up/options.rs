//! The options of `irsa-emu up`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use irsa_emu_core::contract::DEFAULT_REGION;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::args;
use crate::cluster::Family;
use crate::cluster::choice::Asked;
use crate::images::ImageArgs;
use crate::output::OutputArgs;

/// Options of `irsa-emu up`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct UpArgs {
    /// Where the cluster comes from
    #[arg(long, value_name = "FROM", default_value = "auto")]
    pub(super) cluster: ClusterFrom,
    /// Make the cluster anew where it is not what is asked; only one that `up` made
    #[arg(long)]
    pub(super) recreate: bool,
    /// Only say what would be made or changed
    #[arg(long)]
    pub(super) dry_run: bool,
    /// With --dry-run, exit with 10 if something would be made or changed
    #[arg(long, requires = "dry_run")]
    pub(super) detailed_exitcode: bool,
    /// Leave what a failed or interrupted run made, to look at it
    #[arg(long)]
    pub(super) keep_on_failure: bool,
    /// Image of the nodes of a new cluster
    #[arg(long, value_name = "IMAGE")]
    pub(super) node_image: Option<String>,
    /// What the credentials of Pods are good for: `aws` is real AWS, by the sidecar, and without an emulator
    #[arg(long, value_name = "BACKEND", default_value = "emulator")]
    pub(super) backend: BackendKind,
    /// Where backend `aws` has its base credentials from
    #[arg(long, value_name = "FROM", default_value = "secret")]
    pub(super) base_credentials: BaseCredentialsFrom,
    /// STS endpoint of backend `aws`, instead of the region's own
    #[arg(long, value_name = "URL", value_parser = http_url)]
    pub(super) sts_endpoint: Option<String>,
    /// Tag the sessions of backend `aws` as EKS Pod Identity does; the roles must allow `sts:TagSession`
    #[arg(long)]
    pub(super) session_tags: bool,
    /// Take all images from this file, which `images save` wrote, and none from Docker or a registry
    #[arg(long = "images", value_name = "FILE")]
    #[arg(conflicts_with_all = ["webhook_binary", "sidecar_binary", "webhook_image", "sidecar_image"])]
    pub(super) bundle: Option<PathBuf>,
    #[command(flatten)]
    pub(super) images: ImageArgs,
    /// Port of 127.0.0.1 that leads to the emulator; 0 takes any that is free [default: 4566]
    #[arg(long, value_name = "PORT")]
    pub(super) host_port: Option<u16>,
    /// Static program of irsa-emu itself, for the container that leads a port to a cluster which publishes none
    #[arg(long, value_name = "FILE")]
    pub(super) proxy_binary: Option<PathBuf>,
    /// AWS region of Pods that set none
    #[arg(long, value_name = "REGION", default_value = DEFAULT_REGION, value_parser = region)]
    pub(super) region: String,
    /// How Pods that choose nothing get their credentials
    #[arg(long, value_name = "DELIVERY", default_value = "web-identity")]
    pub(super) default_delivery: Delivery,
    /// How much Pods get; `strict-eks` is what EKS gives them and nothing else
    #[arg(long, value_name = "PROFILE", default_value = "default")]
    pub(super) profile: Profile,
    /// What happens with a role that does not exist: `auto` makes it, `strict` refuses
    #[arg(long, value_name = "MODE", default_value = "auto")]
    pub(super) roles: Roles,
    /// Issuers that count as this cluster's in trust policies: `eks` for every EKS cluster, or a pattern
    #[arg(long = "issuer-alias", value_name = "ISSUER", default_value = "eks", value_parser = issuer_alias)]
    pub(super) issuer_aliases: Vec<String>,
    /// Account of roles that an annotation names without their ARN; without it such a name stays as it is
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub(super) compose_role_arn: Option<String>,
    /// How long it may take, such as 90s or 5m
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = args::duration)]
    pub(super) timeout: Duration,
    /// Make the cluster's context the current one
    #[arg(long)]
    pub(super) switch_context: bool,
    /// Apply a recipe when all is ready; may be given several times, and takes the place of `recipes` in the file
    #[arg(long = "recipe", value_name = "NAME|FILE")]
    pub(super) recipes: Vec<String>,
    /// The app's own Helm values, to read parameters of the recipe from
    #[arg(long, value_name = "FILE", requires = "recipes")]
    pub(super) values: Option<PathBuf>,
    /// Set a parameter of the recipe; beats --values
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = args::assignment, requires = "recipes")]
    pub(super) set: Vec<(String, String)>,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClusterFrom {
    /// The install's own cluster; else the current context, if the install is there; else a new one
    Auto,
    /// An own cluster that kind makes
    Kind,
    /// An own cluster that k3d makes
    K3d,
    /// The cluster of --context, or of the current context
    Existing,
}

impl ClusterFrom {
    pub(super) fn asked(self) -> Asked {
        match self {
            Self::Auto => Asked::Auto,
            Self::Kind => Asked::Own(Family::Kind),
            Self::K3d => Asked::Own(Family::K3d),
            Self::Existing => Asked::Existing,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BackendKind {
    Emulator,
    Aws,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BaseCredentialsFrom {
    /// The Secret `irsa-emu-aws-credentials` that is in the Namespace `irsa-emu`
    Secret,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, written into that Secret
    Env,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Delivery {
    WebIdentity,
    Sidecar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Profile {
    Default,
    StrictEks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Roles {
    Auto,
    Strict,
}

/// Reads a region. It becomes part of ARNs and of environment variables.
pub(crate) fn region(text: &str) -> Result<String, String> {
    let fits = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let parts: Vec<&str> = text.split('-').collect();
    if fits && text.len() <= 32 && parts.len() >= 3 && parts.iter().all(|part| !part.is_empty()) {
        return Ok(text.to_owned());
    }
    Err("expected an AWS region such as us-east-1".to_owned())
}

/// Reads the URL of a service.
pub(crate) fn http_url(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let fits = |rest: &str| {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        !host.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()) && !rest.contains('@')
    };
    if rest.is_some_and(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected a URL such as https://sts.eu-west-1.amazonaws.com".to_owned())
    }
}

/// Reads an issuer or a pattern of issuers. A comma separates them on their way to the webhook.
pub(crate) fn issuer_alias(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && c != ',');
    if fits {
        Ok(text.to_owned())
    } else {
        Err("expected `eks`, or an issuer such as oidc.example.org/id/*".to_owned())
    }
}

/// Reads an AWS account id.
pub(crate) fn account(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("expected an AWS account id: exactly 12 digits".to_owned())
    }
}

/// The name of a choice, as it is typed.
pub(crate) fn name_of(value: &impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_looks_like_one() {
        for text in ["us-east-1", "eu-central-2", "us-gov-west-1"] {
            assert_eq!(region(text).as_deref(), Ok(text));
        }
        for text in ["", "us", "us-east", "US-EAST-1", "us--1", "us-east-1;", "a-b-c d"] {
            assert!(region(text).is_err(), "{text}");
        }
    }

    #[test]
    fn accounts_and_issuers_are_checked() {
        assert!(account("123456789012").is_ok());
        for text in ["", "12345678901", "12345678901x", "1234567890123"] {
            assert!(account(text).is_err(), "{text}");
        }
        assert!(issuer_alias("oidc.example.org/id/*").is_ok());
        for text in ["", "a,b", "a b"] {
            assert!(issuer_alias(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_names_of_choices_are_those_of_the_webhook() {
        use irsa_emu_core::recipe::DeliveryMode;
        for delivery in Delivery::value_variants() {
            let name = name_of(delivery);
            assert!(DeliveryMode::parse(&name).is_some(), "{name}");
        }
        assert_eq!(
            [name_of(&Roles::Auto), name_of(&Roles::Strict)],
            ["auto", "strict"]
        );
    }
}
