//! The settings of an install. `up` writes them as flags of the webhook, the webhook starts with them, and every verb that
//! decides as the webhook does reads them back: [`FLAGS`] is the only list.

use serde::Deserialize;

use crate::choice::Choice;
use crate::contract::{
    DEFAULT_ACCOUNT, DEFAULT_AUDIENCE, DEFAULT_INSTANCE, DEFAULT_REGION, DEFAULT_TOKEN_EXPIRATION,
    EKS_PREFIX, NAMESPACE, emulator_url, sts_front_url,
};
use crate::grant::{Compose, GrantDefaults};
use crate::plan::InjectConfig;
use crate::rules::Delivery;
use crate::trust_policy::IssuerAlias;

/// Who opens the sessions of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The emulator in the cluster, whose roles are judged here.
    Emulator,
    /// Real AWS.
    Aws,
}

impl Choice for Backend {
    const ALL: &'static [Self] = &[Self::Emulator, Self::Aws];

    fn as_str(self) -> &'static str {
        match self {
            Self::Emulator => "emulator",
            Self::Aws => "aws",
        }
    }
}

/// How much is injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// All that an app needs to reach the emulator.
    Default,
    /// What EKS injects, and nothing else.
    StrictEks,
}

impl Choice for Profile {
    const ALL: &'static [Self] = &[Self::Default, Self::StrictEks];

    fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::StrictEks => "strict-eks",
        }
    }
}

/// What the STS front does about a role that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleMode {
    /// Make it, with a trust policy for exactly the ServiceAccount that asks.
    Auto,
    /// Refuse, as AWS does.
    Strict,
}

impl Choice for RoleMode {
    const ALL: &'static [Self] = &[Self::Auto, Self::Strict];

    fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Strict => "strict",
        }
    }
}

/// The settings of an install.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the webhook")]
pub struct InstallSettings {
    /// Image of the credentials sidecar.
    pub sidecar_image: String,
    /// URL of the STS front inside the cluster.
    pub sts_url: String,
    /// Region of Pods for which no Recipe sets one; empty if they get none.
    pub region: String,
    /// Delivery of Pods that choose none. Backend `aws` has only the sidecar.
    pub default_delivery: Delivery,
    /// How much is injected.
    pub profile: Profile,
    /// Whether the cluster runs native sidecars.
    pub native_sidecars: bool,
    /// What the STS front does about a role that does not exist.
    pub roles: RoleMode,
    /// Issuers that mean this cluster in trust policies, as [`IssuerAlias::parse`] reads them.
    pub issuer_aliases: Vec<String>,
    /// Name of the install.
    pub instance: String,
    /// Namespace of the webhook.
    pub namespace: String,
    /// URL of the emulator inside the cluster, for backend `emulator`.
    pub emulator_url: String,
    /// Who opens the sessions of roles.
    pub backend: Backend,
    /// Whether backend `aws` tags sessions as EKS Pod Identity does.
    pub session_tags: bool,
    /// STS endpoint of backend `aws` instead of the region's own.
    pub sts_endpoint: Option<String>,
    /// Whether an annotation that is a bare role name becomes an ARN.
    pub compose_role_arn: bool,
    /// Account of composed role ARNs.
    pub account: String,
    /// Partition of composed role ARNs.
    pub partition: String,
    /// Prefix of EKS's annotations.
    pub annotation_prefix: String,
    /// Audience of projected tokens.
    pub audience: String,
    /// Lifetime of projected tokens in seconds.
    pub token_expiration: i64,
    /// Whether `AWS_STS_REGIONAL_ENDPOINTS=regional` is added.
    pub regional_sts: bool,
}

impl Default for InstallSettings {
    fn default() -> Self {
        Self {
            sidecar_image: String::new(),
            sts_url: sts_front_url(),
            region: DEFAULT_REGION.to_owned(),
            default_delivery: Delivery::WebIdentity,
            profile: Profile::Default,
            native_sidecars: true,
            roles: RoleMode::Auto,
            issuer_aliases: vec!["eks".to_owned()],
            instance: DEFAULT_INSTANCE.to_owned(),
            namespace: NAMESPACE.to_owned(),
            emulator_url: emulator_url(),
            backend: Backend::Emulator,
            session_tags: false,
            sts_endpoint: None,
            compose_role_arn: false,
            account: DEFAULT_ACCOUNT.to_owned(),
            partition: "aws".to_owned(),
            annotation_prefix: EKS_PREFIX.to_owned(),
            audience: DEFAULT_AUDIENCE.to_owned(),
            token_expiration: DEFAULT_TOKEN_EXPIRATION,
            regional_sts: false,
        }
    }
}

/// A flag of the webhook that holds one of the settings.
pub struct Flag {
    /// Its name, without hyphens in front.
    pub name: &'static str,
    /// What it is for, as `--help` prints it.
    pub help: &'static str,
    /// Whether the webhook does not start without it.
    pub is_required: bool,
    /// Whether it is written though it has its default.
    always: fn(&InstallSettings) -> bool,
    field: fn(&mut InstallSettings) -> &mut dyn Value,
}

/// Every flag, in the order in which they are written.
pub static FLAGS: [Flag; 21] = [
    Flag {
        name: "sidecar-image",
        help: "Image of the credentials sidecar",
        is_required: true,
        always: |_| true,
        field: |settings| &mut settings.sidecar_image,
    },
    Flag {
        name: "sts-url",
        help: "URL of the STS front inside the cluster",
        is_required: false,
        always: |_| true,
        field: |settings| &mut settings.sts_url,
    },
    Flag {
        name: "region",
        help: "Region of Pods for which no Recipe sets one",
        is_required: false,
        always: |_| true,
        field: |settings| &mut settings.region,
    },
    Flag {
        name: "default-delivery",
        help: "How Pods get their credentials by default",
        is_required: false,
        always: |_| true,
        field: |settings| &mut settings.default_delivery,
    },
    Flag {
        name: "profile",
        help: "`strict-eks` injects what EKS injects and nothing else",
        is_required: false,
        always: |_| true,
        field: |settings| &mut settings.profile,
    },
    Flag {
        name: "native-sidecars",
        help: "Whether the cluster runs native sidecars",
        is_required: false,
        always: |_| true,
        field: |settings| &mut settings.native_sidecars,
    },
    Flag {
        name: "roles",
        help: "What to do about a role that does not exist: `auto` creates it if the annotation of the ServiceAccount or the role \
table names it, `strict` refuses",
        is_required: false,
        always: |_| true,
        field: |settings| &mut settings.roles,
    },
    Flag {
        name: "issuer-aliases",
        help: "Issuers that mean this cluster in trust policies: `eks` for every EKS cluster, or patterns",
        is_required: false,
        always: |_| true,
        field: |settings| &mut settings.issuer_aliases,
    },
    Flag {
        name: "instance",
        help: "Name of the install",
        is_required: false,
        always: |_| true,
        field: |settings| &mut settings.instance,
    },
    Flag {
        name: "namespace",
        help: "Namespace that this process runs in",
        is_required: false,
        always: |_| true,
        field: |settings| &mut settings.namespace,
    },
    Flag {
        name: "emulator-url",
        help: "URL of the emulator inside the cluster",
        is_required: false,
        always: |settings| settings.backend == Backend::Emulator,
        field: |settings| &mut settings.emulator_url,
    },
    Flag {
        name: "backend",
        help: "Who opens the sessions of roles",
        is_required: false,
        always: |_| false,
        field: |settings| &mut settings.backend,
    },
    Flag {
        name: "session-tags",
        help: "Tag sessions of backend `aws` as EKS Pod Identity does",
        is_required: false,
        always: |settings| settings.backend == Backend::Aws,
        field: |settings| &mut settings.session_tags,
    },
    Flag {
        name: "sts-endpoint",
        help: "STS endpoint of backend `aws`, instead of the region's own",
        is_required: false,
        always: |_| false,
        field: |settings| &mut settings.sts_endpoint,
    },
    Flag {
        name: "compose-role-arn",
        help: "Complete annotations that are bare role names to ARNs",
        is_required: false,
        always: |_| false,
        field: |settings| &mut settings.compose_role_arn,
    },
    Flag {
        name: "account",
        help: "Account of composed role ARNs",
        is_required: false,
        always: |settings| settings.compose_role_arn,
        field: |settings| &mut settings.account,
    },
    Flag {
        name: "partition",
        help: "Partition of composed role ARNs",
        is_required: false,
        always: |_| false,
        field: |settings| &mut settings.partition,
    },
    Flag {
        name: "annotation-prefix",
        help: "Prefix of EKS's annotations",
        is_required: false,
        always: |_| false,
        field: |settings| &mut settings.annotation_prefix,
    },
    Flag {
        name: "audience",
        help: "Audience of projected tokens",
        is_required: false,
        always: |_| false,
        field: |settings| &mut settings.audience,
    },
    Flag {
        name: "token-expiration",
        help: "Lifetime of projected tokens in seconds",
        is_required: false,
        always: |_| false,
        field: |settings| &mut settings.token_expiration,
    },
    Flag {
        name: "regional-sts",
        help: "Add `AWS_STS_REGIONAL_ENDPOINTS=regional`",
        is_required: false,
        always: |_| false,
        field: |settings| &mut settings.regional_sts,
    },
];

impl Flag {
    /// The variable that stands in for the flag.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("IRSA_EMU_{}", self.name.replace('-', "_").to_ascii_uppercase())
    }

    /// Its value in these settings; `None` if they have none.
    #[must_use]
    pub fn value(&self, settings: &InstallSettings) -> Option<String> {
        (self.field)(&mut settings.clone()).write()
    }
}

/// A flag whose value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid value `{value}` for --{flag}: expected {expected}")]
pub struct InvalidFlag {
    /// Name of the flag.
    pub flag: &'static str,
    /// What was found.
    pub value: String,
    /// What can be read.
    pub expected: String,
}

impl InstallSettings {
    /// The flags that [`Self::from_flags`] reads as these settings, and their values.
    #[must_use]
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        let default = Self::default();
        let written = FLAGS.iter().filter_map(|flag| {
            let value = flag.value(self)?;
            let is_written = (flag.always)(self) || flag.value(&default).as_ref() != Some(&value);
            is_written.then_some((flag.name, value))
        });
        written.collect()
    }

    /// The settings that flags hold. A flag without a value, or with one that cannot be read, has its default.
    pub fn from_flags(get: impl Fn(&Flag) -> Option<String>) -> (Self, Vec<InvalidFlag>) {
        let mut settings = Self::default();
        let mut invalid = Vec::new();
        for flag in &FLAGS {
            let Some(value) = get(flag) else { continue };
            if let Err(expected) = (flag.field)(&mut settings).read(&value) {
                invalid.push(InvalidFlag {
                    flag: flag.name,
                    value,
                    expected,
                });
            }
        }
        (settings, invalid)
    }

    /// What shapes every patch.
    #[must_use]
    pub fn inject(&self) -> InjectConfig {
        let is_emulated = self.backend == Backend::Emulator;
        InjectConfig {
            region: Some(self.region.clone()).filter(|region| !region.is_empty()),
            emulator_url: is_emulated.then(|| self.emulator_url.clone()),
            // The cluster chooses it.
            s3_url: None,
            sts_url: self.sts_url.clone(),
            sidecar_image: self.sidecar_image.clone(),
            native_sidecars: self.native_sidecars,
            // Nothing else serves real AWS, so nothing else is a default that a warning should speak of.
            default_delivery: if is_emulated {
                self.default_delivery
            } else {
                Delivery::Sidecar
            },
            annotation_prefix: self.annotation_prefix.clone(),
            strict_eks: self.profile == Profile::StrictEks,
        }
    }

    /// What annotations can override.
    #[must_use]
    pub fn grants(&self) -> GrantDefaults {
        GrantDefaults {
            annotation_prefix: self.annotation_prefix.clone(),
            audience: self.audience.clone(),
            token_expiration: self.token_expiration,
            regional_sts: self.regional_sts,
            compose: self.compose_role_arn.then(|| Compose {
                partition: self.partition.clone(),
                account: self.account.clone(),
            }),
        }
    }

    /// Issuers that mean the cluster in trust policies.
    #[must_use]
    pub fn issuer_aliases(&self) -> Vec<IssuerAlias> {
        let aliases = self.issuer_aliases.iter();
        aliases.map(|alias| IssuerAlias::parse(alias)).collect()
    }
}

/// A setting as the text of its flag.
trait Value {
    /// The text; `None` if there is no value.
    fn write(&self) -> Option<String>;

    /// Takes the value of a text, or returns what is expected.
    fn read(&mut self, text: &str) -> Result<(), String>;
}

impl Value for String {
    fn write(&self) -> Option<String> {
        Some(self.clone())
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        text.clone_into(self);
        Ok(())
    }
}

impl Value for Option<String> {
    fn write(&self) -> Option<String> {
        self.clone()
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = Some(text.to_owned());
        Ok(())
    }
}

/// Commas separate the parts.
impl Value for Vec<String> {
    fn write(&self) -> Option<String> {
        Some(self.join(","))
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        let parts = text.split(',').filter(|part| !part.is_empty());
        *self = parts.map(str::to_owned).collect();
        Ok(())
    }
}

impl Value for bool {
    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = text.parse().map_err(|_| "`true` or `false`".to_owned())?;
        Ok(())
    }
}

impl Value for i64 {
    fn write(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = text.parse().map_err(|_| "a whole number".to_owned())?;
        Ok(())
    }
}

impl<T: Choice> Value for T {
    fn write(&self) -> Option<String> {
        Some(self.as_str().to_owned())
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = T::parse(text).ok_or_else(T::expected)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn one_of<T: Choice + std::fmt::Debug>() -> impl Strategy<Value = T> {
        proptest::sample::select(T::ALL)
    }

    fn text() -> impl Strategy<Value = String> {
        "[a-z0-9:/. =-]{0,12}"
    }

    prop_compose! {
        /// Every field, none left to its default: a field that no flag holds does not come back.
        fn any_settings()(
            texts in proptest::collection::vec(text(), 10),
            default_delivery in one_of(),
            profile in one_of(),
            roles in one_of(),
            backend in one_of(),
            issuer_aliases in proptest::collection::vec("[a-z*/.]{1,8}", 0..3),
            sts_endpoint in proptest::option::of(text()),
            switches in any::<[bool; 4]>(),
            token_expiration in any::<i64>(),
        ) -> InstallSettings {
            let [native_sidecars, session_tags, compose_role_arn, regional_sts] = switches;
            let mut texts = texts.into_iter();
            let mut next = || texts.next().unwrap_or_default();
            InstallSettings {
                sidecar_image: next(),
                sts_url: next(),
                region: next(),
                default_delivery,
                profile,
                native_sidecars,
                roles,
                issuer_aliases,
                instance: next(),
                namespace: next(),
                emulator_url: next(),
                backend,
                session_tags,
                sts_endpoint,
                compose_role_arn,
                account: next(),
                partition: next(),
                annotation_prefix: next(),
                audience: next(),
                token_expiration,
                regional_sts,
            }
        }
    }

    fn read_back(settings: &InstallSettings) -> (InstallSettings, Vec<InvalidFlag>) {
        let flags: BTreeMap<&str, String> = settings.flags().into_iter().collect();
        InstallSettings::from_flags(|flag| flags.get(flag.name).cloned())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(settings in any_settings()) {
            prop_assert_eq!(read_back(&settings), (settings, Vec::new()));
        }
    }

    #[test]
    fn every_flag_and_its_variable_are_there_once() {
        let mut names: Vec<&str> = FLAGS.iter().map(|flag| flag.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FLAGS.len());
        let variables: Vec<String> = FLAGS.iter().map(Flag::variable).collect();
        assert!(variables.contains(&"IRSA_EMU_DEFAULT_DELIVERY".to_owned()));
    }

    #[test]
    fn a_value_that_cannot_be_read_is_named_and_the_default_stays() {
        let (settings, invalid) = InstallSettings::from_flags(|flag| match flag.name {
            "backend" => Some("gcp".to_owned()),
            "regional-sts" => Some("yes".to_owned()),
            "token-expiration" => Some("1h".to_owned()),
            "region" => Some("eu-west-1".to_owned()),
            _ => None,
        });
        let expected = InstallSettings {
            region: "eu-west-1".to_owned(),
            ..InstallSettings::default()
        };
        assert_eq!(settings, expected);
        let messages: Vec<String> = invalid.iter().map(ToString::to_string).collect();
        assert_eq!(
            messages,
            [
                "invalid value `gcp` for --backend: expected `emulator` or `aws`",
                "invalid value `1h` for --token-expiration: expected a whole number",
                "invalid value `yes` for --regional-sts: expected `true` or `false`",
            ]
        );
    }

    #[test]
    fn real_aws_has_no_emulator_and_only_the_sidecar() {
        let settings = InstallSettings {
            backend: Backend::Aws,
            ..InstallSettings::default()
        };
        let inject = settings.inject();
        assert_eq!(inject.emulator_url, None);
        assert_eq!(inject.default_delivery, Delivery::Sidecar);
        let written = settings.flags();
        assert!(
            written.iter().all(|(name, _)| *name != "emulator-url"),
            "{written:?}"
        );
        assert!(
            written.contains(&("session-tags", "false".to_owned())),
            "{written:?}"
        );
    }

    #[test]
    fn an_account_is_composed_with_only_if_that_is_asked() {
        assert_eq!(InstallSettings::default().grants().compose, None);
        let settings = InstallSettings {
            compose_role_arn: true,
            ..InstallSettings::default()
        };
        assert!(settings.grants().compose.is_some());
        assert!(
            settings
                .flags()
                .contains(&("account", DEFAULT_ACCOUNT.to_owned()))
        );
    }
}
