//! The settings of an install, read back from what the webhook was started with. Whoever explains a Pod, or patches one
//! without a cluster, decides with these.

use irsa_emu_cluster::kubernetes::deployment::container;
use irsa_emu_core::grant::GrantDefaults;
use irsa_emu_core::install::{Flag, InstallSettings, RoleMode};
use irsa_emu_core::plan::InjectConfig;
use irsa_emu_core::trust_policy::IssuerAlias;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, Service};

/// How an install decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name of the install.
    pub instance: String,
    /// Its Namespace.
    pub namespace: String,
    /// What shapes every patch.
    pub inject: InjectConfig,
    /// What annotations can override.
    pub grants: GrantDefaults,
    /// Whether the STS front makes roles that do not exist.
    pub makes_roles: bool,
    /// Issuers that mean this cluster in trust policies.
    pub issuer_aliases: Vec<IssuerAlias>,
}

impl From<&InstallSettings> for Settings {
    fn from(settings: &InstallSettings) -> Self {
        Self {
            instance: settings.instance.clone(),
            namespace: settings.namespace.clone(),
            inject: settings.inject(),
            grants: settings.grants(),
            makes_roles: settings.roles == RoleMode::Auto,
            issuer_aliases: settings.issuer_aliases(),
        }
    }
}

impl Settings {
    /// The settings of a webhook that is installed.
    #[must_use]
    pub fn read(deployment: &Deployment) -> Option<Self> {
        installed(deployment).as_ref().map(Self::from)
    }

    /// The same where the emulator's Service is this one: the webhook watches it, and gives Pods its ClusterIP.
    #[must_use]
    pub fn with_emulator(mut self, service: Option<&Service>) -> Self {
        let cluster_ip = service.and_then(|service| service.spec.as_ref()?.cluster_ip.as_deref());
        self.inject = self.inject.with_cluster_ip(&self.namespace, cluster_ip);
        self
    }
}

/// What a webhook that is installed was started with: its flags, and the variables that stand in for flags. A webhook with a
/// flag that cannot be read does not start, so the value of such a flag does not matter.
#[must_use]
pub fn installed(deployment: &Deployment) -> Option<InstallSettings> {
    let container = container(deployment)?;
    let arguments = container.args.as_deref().unwrap_or_default();
    let read = |name: &Flag| flag(arguments, name.name).or_else(|| variable(container, &name.variable()));
    Some(InstallSettings::from_flags(read).0)
}

/// The value of `--name=value` or of `--name value`.
fn flag(arguments: &[String], name: &str) -> Option<String> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(tail) = argument
            .strip_prefix("--")
            .and_then(|flag| flag.strip_prefix(name))
        else {
            continue;
        };
        match tail.strip_prefix('=') {
            Some(value) => return Some(value.to_owned()),
            None if tail.is_empty() => return rest.next().cloned(),
            None => {}
        }
    }
    None
}

/// The value of a variable.
fn variable(container: &Container, name: &str) -> Option<String> {
    let mut variables = container.env.iter().flatten();
    variables.find(|variable| variable.name == name)?.value.clone()
}

#[cfg(test)]
mod tests {
    use irsa_emu_core::install::Backend;
    use serde_json::json;

    use super::*;
    use crate::objects::install::Install;
    use crate::testing::install;

    fn deployment(install: &Install) -> Deployment {
        let manifests = install.manifests().unwrap();
        let found = manifests
            .into_iter()
            .find(|manifest| manifest.title() == "Deployment irsa-emu-webhook");
        serde_json::from_value(found.unwrap().object).unwrap()
    }

    #[test]
    fn what_an_install_says_is_read_back() {
        let aws = InstallSettings {
            backend: Backend::Aws,
            region: "eu-west-1".into(),
            issuer_aliases: vec!["eks".into(), "oidc.example.org/*".into()],
            compose_role_arn: true,
            account: "123456789012".into(),
            ..install().settings
        };
        for settings in [install().settings, aws] {
            let install = Install {
                settings: settings.clone(),
                ..install()
            };
            assert_eq!(installed(&deployment(&install)), Some(settings));
        }
    }

    #[test]
    fn what_is_not_said_is_the_webhooks_own_default_and_variables_stand_in_for_flags() {
        let written: Deployment =
            serde_json::from_value(json!({"spec": {"selector": {}, "template": {"spec": {
            "containers": [{"name": "webhook", "args": ["--region", "eu-west-2", "--regional-sts=true"],
                "env": [{"name": "IRSA_EMU_ANNOTATION_PREFIX", "value": "iam.example.org"},
                    {"name": "IRSA_EMU_REGION", "value": "us-west-1"}]}]}}}}))
            .unwrap();
        let arguments = ["--region".to_owned(), "eu-west-2".to_owned()];
        assert_eq!(flag(&arguments, "reg"), None, "the beginning of a name");
        let read = Settings::read(&written).unwrap();
        assert_eq!(read.inject.region.as_deref(), Some("eu-west-2"), "a flag wins");
        assert!(read.grants.regional_sts);
        assert_eq!(read.grants.annotation_prefix, "iam.example.org");
        assert_eq!(read.inject.annotation_prefix, "iam.example.org");
        assert_eq!(read.grants.audience, InstallSettings::default().audience);
        assert_eq!(Settings::read(&Deployment::default()), None);
    }

    #[test]
    fn the_address_of_the_emulator_is_its_services() {
        let service: Service = serde_json::from_value(json!({"spec": {"clusterIP": "10.96.3.4"}})).unwrap();
        let url = |install: &Install, service| {
            Settings::from(&install.settings)
                .with_emulator(service)
                .inject
                .s3_url
        };
        let by_ip = Some("http://10.96.3.4:4566".to_owned());
        assert_eq!(url(&install(), Some(&service)), by_ip);
        assert_eq!(url(&install(), None), None);
        let mut real = install();
        real.settings.backend = Backend::Aws;
        assert_eq!(url(&real, Some(&service)), None);
    }
}
