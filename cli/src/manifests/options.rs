//! The options that say what an install is: the same for every verb that makes one, or decides as one would.

use clap::{Args, ValueEnum};
use irsa_emu_core::contract::DEFAULT_REGION;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Backend, EmulatorArgs, Install};

/// What an install is.
#[derive(Debug, Clone, Args)]
pub struct InstallArgs {
    /// What the credentials of Pods are good for: `aws` is real AWS, by the sidecar, and without an emulator
    #[arg(long, value_name = "BACKEND", default_value = "emulator")]
    pub(crate) backend: BackendKind,
    /// STS endpoint of backend `aws`, instead of the region's own
    #[arg(long, value_name = "URL", value_parser = http_url)]
    pub(crate) sts_endpoint: Option<String>,
    /// Tag the sessions of backend `aws` as EKS Pod Identity does; the roles must allow `sts:TagSession`
    #[arg(long)]
    pub(crate) session_tags: bool,
    /// AWS region of Pods that set none
    #[arg(long, value_name = "REGION", default_value = DEFAULT_REGION, value_parser = region)]
    pub(crate) region: String,
    /// How Pods that choose nothing get their credentials
    #[arg(long, value_name = "DELIVERY", default_value = "web-identity")]
    pub(crate) default_delivery: Delivery,
    /// How much Pods get; `strict-eks` is what EKS gives them and nothing else
    #[arg(long, value_name = "PROFILE", default_value = "default")]
    pub(crate) profile: Profile,
    /// What happens with a role that does not exist: `auto` makes it if the annotation of the ServiceAccount or the role
    /// table names it, `strict` refuses
    #[arg(long, value_name = "MODE", default_value = "auto")]
    pub(crate) roles: Roles,
    /// Issuers that count as this cluster's in trust policies: `eks` for every EKS cluster, or a pattern
    #[arg(long = "issuer-alias", value_name = "ISSUER", default_value = "eks", value_parser = issuer_alias)]
    pub(crate) issuer_aliases: Vec<String>,
    /// Account of roles that an annotation names without their ARN; without it such a name stays as it is
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub(crate) compose_role_arn: Option<String>,
}

/// The images that an install is made of, by name and tag.
#[derive(Debug, Clone, Default)]
pub struct References {
    /// The webhook's.
    pub webhook: String,
    /// The sidecar's.
    pub sidecar: String,
    /// The emulator's, which backend `aws` has no use for.
    pub emulator: String,
}

impl InstallArgs {
    /// What of the options does not go together.
    #[must_use]
    pub fn contradiction(&self) -> Option<&'static str> {
        match self.backend {
            BackendKind::Emulator if self.sts_endpoint.is_some() || self.session_tags => {
                Some("--sts-endpoint and --session-tags go with --backend aws")
            }
            BackendKind::Aws if self.profile == Profile::StrictEks => Some(
                "--profile strict-eks hands tokens to AWS, which does not know this cluster; with --backend aws the sidecar serves",
            ),
            BackendKind::Emulator | BackendKind::Aws => None,
        }
    }

    /// What the credentials of Pods are good for.
    #[must_use]
    pub fn backend(&self, emulator_image: &str, emulator: &EmulatorArgs) -> Backend {
        match self.backend {
            BackendKind::Emulator => Backend::Emulator {
                image: emulator_image.to_owned(),
                options: emulator.clone(),
                token: None,
            },
            BackendKind::Aws => Backend::Aws {
                sts_endpoint: self.sts_endpoint.clone(),
                session_tags: self.session_tags,
            },
        }
    }

    /// The install, for a cluster that runs native sidecars or does not.
    #[must_use]
    pub fn install(
        &self,
        instance: &str,
        images: References,
        emulator: &EmulatorArgs,
        native_sidecars: bool,
    ) -> Install {
        let backend = self.backend(&images.emulator, emulator);
        Install {
            instance: instance.to_owned(),
            webhook_image: images.webhook,
            sidecar_image: images.sidecar,
            backend,
            region: self.region.clone(),
            default_delivery: name_of(&self.default_delivery),
            profile: name_of(&self.profile),
            native_sidecars,
            roles: name_of(&self.roles),
            issuer_aliases: self.issuer_aliases.clone(),
            compose_role_arn: self.compose_role_arn.clone(),
            host_endpoint: None,
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
