//! The options of an install: the same for every verb that makes one, or decides as one would.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use irsa_emu_core::choice::Choice;
use irsa_emu_core::contract::DEFAULT_REGION;
use irsa_emu_core::install::{Backend, InstallSettings, Profile, RoleMode};
use irsa_emu_core::names::{is_account, is_region};
use irsa_emu_core::rules::Delivery;

use irsa_emu_cluster::images::References;
use irsa_emu_install::objects::emulator_options::EmulatorOptions;
use irsa_emu_install::objects::install::{Emulator, Install};

/// What an install is.
#[derive(Debug, Clone, Args)]
pub struct InstallArgs {
    /// Where AWS calls go: `emulator` (LocalStack in the cluster) or `aws` (real AWS, through the sidecar)
    #[arg(long, value_name = "BACKEND", default_value = Backend::Emulator.as_str(), value_parser = choice::<Backend>())]
    pub backend: Backend,
    /// STS endpoint of backend `aws`, instead of the region's own
    #[arg(long, value_name = "URL", value_parser = http_url)]
    pub sts_endpoint: Option<String>,
    /// Tag the sessions of backend `aws` as EKS Pod Identity does; the roles must allow `sts:TagSession`
    #[arg(long)]
    pub session_tags: bool,
    /// AWS region of Pods that set none
    #[arg(long, value_name = "REGION", default_value = DEFAULT_REGION, value_parser = region)]
    pub region: String,
    /// How Pods get their credentials if they choose nothing
    #[arg(long, value_name = "DELIVERY", default_value = Delivery::WebIdentity.as_str(), value_parser = choice::<Delivery>())]
    pub default_delivery: Delivery,
    /// What Pods get; `strict-eks` is what EKS gives them and nothing else
    #[arg(long, value_name = "PROFILE", default_value = Profile::Default.as_str(), value_parser = choice::<Profile>())]
    pub profile: Profile,
    /// What to do about a role that does not exist: `auto` creates it if the annotation of the ServiceAccount or the role
    /// table names it, `strict` refuses
    #[arg(long, value_name = "MODE", default_value = RoleMode::Auto.as_str(), value_parser = choice::<RoleMode>())]
    pub roles: RoleMode,
    /// Issuers that mean this cluster in trust policies: `eks` for every EKS cluster, or a pattern
    #[arg(long = "issuer-alias", value_name = "ISSUER", default_value = "eks", value_parser = issuer_alias)]
    pub issuer_aliases: Vec<String>,
    /// Account for roles that annotations name without an ARN; without it, such a name stays as it is
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    pub compose_role_arn: Option<String>,
}

impl InstallArgs {
    /// What of the options does not go together.
    #[must_use]
    pub fn contradiction(&self) -> Option<&'static str> {
        match self.backend {
            Backend::Emulator if self.sts_endpoint.is_some() || self.session_tags => {
                Some("--sts-endpoint and --session-tags go with --backend aws")
            }
            Backend::Aws if self.profile == Profile::StrictEks => Some(
                "--profile strict-eks sends tokens to AWS, which does not know this cluster; with --backend aws the sidecar is used",
            ),
            Backend::Emulator | Backend::Aws => None,
        }
    }

    /// The settings of an install, for a cluster that runs native sidecars or does not.
    #[must_use]
    pub fn settings(&self, instance: &str, sidecar_image: String, native_sidecars: bool) -> InstallSettings {
        let default = InstallSettings::default();
        InstallSettings {
            sidecar_image,
            region: self.region.clone(),
            default_delivery: self.default_delivery,
            profile: self.profile,
            native_sidecars,
            roles: self.roles,
            issuer_aliases: self.issuer_aliases.clone(),
            instance: instance.to_owned(),
            backend: self.backend,
            session_tags: self.session_tags,
            sts_endpoint: self.sts_endpoint.clone(),
            compose_role_arn: self.compose_role_arn.is_some(),
            account: self.compose_role_arn.clone().unwrap_or(default.account),
            ..default
        }
    }

    /// The options that make an install with these settings.
    #[must_use]
    pub fn of(settings: InstallSettings) -> Self {
        Self {
            backend: settings.backend,
            sts_endpoint: settings.sts_endpoint,
            session_tags: settings.session_tags,
            region: settings.region,
            default_delivery: settings.default_delivery,
            profile: settings.profile,
            roles: settings.roles,
            issuer_aliases: settings.issuer_aliases,
            compose_role_arn: settings.compose_role_arn.then_some(settings.account),
        }
    }

    /// The install, for a cluster that runs native sidecars or does not.
    #[must_use]
    pub fn install(
        &self,
        instance: &str,
        images: References,
        emulator: &EmulatorOptions,
        native_sidecars: bool,
    ) -> Install {
        Install {
            settings: self.settings(instance, images.sidecar, native_sidecars),
            webhook_image: images.webhook,
            emulator: Emulator {
                image: images.emulator,
                options: emulator.clone(),
                token: None,
            },
            host_endpoint: None,
        }
    }
}

/// Reads one of a few words.
fn choice<T: Choice + Send + Sync>() -> impl TypedValueParser<Value = T> {
    let words = T::ALL.iter().map(|choice| choice.as_str());
    PossibleValuesParser::new(words).try_map(|word| T::parse(&word).ok_or_else(T::expected))
}

/// Reads a region. It becomes part of ARNs and of environment variables.
pub fn region(text: &str) -> Result<String, String> {
    if is_region(text) {
        return Ok(text.to_owned());
    }
    Err("expected an AWS region such as us-east-1".to_owned())
}

/// Reads the URL of a service.
pub fn http_url(text: &str) -> Result<String, String> {
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

/// Reads an issuer or a pattern of issuers. A comma separates them in the arguments of the webhook.
pub fn issuer_alias(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && c != ',');
    if fits {
        Ok(text.to_owned())
    } else {
        Err("expected `eks`, or an issuer such as oidc.example.org/id/*".to_owned())
    }
}

/// Reads an AWS account id.
pub fn account(text: &str) -> Result<String, String> {
    if is_account(text) {
        Ok(text.to_owned())
    } else {
        Err("expected an AWS account id: exactly 12 digits".to_owned())
    }
}

/// The name of a choice, as it is typed.
pub fn name_of(value: &impl ValueEnum) -> String {
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
}
