//! The settings of an install, read back from what the webhook was started with: the inverse of what `manifests::webhook`
//! writes. Whoever explains a Pod, or patches one without a cluster, decides with these.

use irsa_emu_core::contract::{
    DEFAULT_ACCOUNT, DEFAULT_AUDIENCE, DEFAULT_INSTANCE, DEFAULT_REGION, DEFAULT_TOKEN_EXPIRATION,
    EKS_PREFIX, NAMESPACE, emulator_url, sts_front_url,
};
use irsa_emu_core::grant::{Compose, GrantDefaults};
use irsa_emu_core::plan::InjectConfig;
use irsa_emu_core::rules::Delivery;
use irsa_emu_core::trust_policy::IssuerAlias;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Container, Service};

use super::{Install, webhook};

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
    /// Issuers that count as the cluster's in trust policies.
    pub issuer_aliases: Vec<IssuerAlias>,
}

impl Settings {
    /// The settings that an install would have.
    #[must_use]
    pub fn of(install: &Install) -> Self {
        let arguments = webhook::arguments(install);
        Self::from_flags(&|name| flag(&arguments, name))
    }

    /// The settings of a webhook that is installed: its flags, and the variables that stand in for flags.
    #[must_use]
    pub fn read(deployment: &Deployment) -> Option<Self> {
        container(deployment)?;
        Some(Self::from_flags(&|name| argument(deployment, name)))
    }

    /// The same where the emulator's Service is this one: the webhook watches it, and gives Pods its ClusterIP.
    #[must_use]
    pub fn with_emulator(mut self, service: Option<&Service>) -> Self {
        let cluster_ip = service.and_then(|service| service.spec.as_ref()?.cluster_ip.as_deref());
        self.inject = self.inject.with_cluster_ip(&self.namespace, cluster_ip);
        self
    }

    fn from_flags(get: &dyn Fn(&str) -> Option<String>) -> Self {
        let or = |name: &str, default: &str| get(name).unwrap_or_else(|| default.to_owned());
        let is = |name: &str| get(name).as_deref() == Some("true");
        let annotation_prefix = or("annotation-prefix", EKS_PREFIX);
        // Nothing but the sidecar serves real AWS.
        let is_real = get("backend").as_deref() == Some("aws");
        let default_delivery = match get("default-delivery").and_then(|text| Delivery::parse(&text)) {
            _ if is_real => Delivery::Sidecar,
            told => told.unwrap_or(Delivery::WebIdentity),
        };
        let compose = Compose {
            partition: or("partition", "aws"),
            account: or("account", DEFAULT_ACCOUNT),
        };
        Self {
            instance: or("instance", DEFAULT_INSTANCE),
            namespace: or("namespace", NAMESPACE),
            inject: InjectConfig {
                region: Some(or("region", DEFAULT_REGION)).filter(|region| !region.is_empty()),
                emulator_url: (!is_real).then(|| or("emulator-url", &emulator_url())),
                s3_url: None,
                sts_url: or("sts-url", &sts_front_url()),
                sidecar_image: or("sidecar-image", ""),
                native_sidecars: get("native-sidecars").as_deref() != Some("false"),
                default_delivery,
                annotation_prefix: annotation_prefix.clone(),
                strict_eks: get("profile").as_deref() == Some("strict-eks"),
            },
            grants: GrantDefaults {
                annotation_prefix,
                audience: or("audience", DEFAULT_AUDIENCE),
                token_expiration: get("token-expiration")
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(DEFAULT_TOKEN_EXPIRATION),
                regional_sts: is("regional-sts"),
                compose: is("compose-role-arn").then_some(compose),
            },
            makes_roles: get("roles").as_deref() != Some("strict"),
            issuer_aliases: or("issuer-aliases", "eks")
                .split(',')
                .filter(|text| !text.is_empty())
                .map(IssuerAlias::parse)
                .collect(),
        }
    }
}

/// The program of a Deployment of ours: its first container.
pub(crate) fn container(deployment: &Deployment) -> Option<&Container> {
    deployment
        .spec
        .as_ref()?
        .template
        .spec
        .as_ref()?
        .containers
        .first()
}

/// The value of a flag of a Deployment's first container, or of the variable that stands in for it.
#[must_use]
pub fn argument(deployment: &Deployment, name: &str) -> Option<String> {
    let container = container(deployment)?;
    let arguments = container.args.as_deref().unwrap_or_default();
    flag(arguments, name).or_else(|| variable(container, name))
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

/// The value of the variable that stands in for a flag.
fn variable(container: &Container, flag: &str) -> Option<String> {
    let name = format!("IRSA_EMU_{}", flag.replace('-', "_").to_ascii_uppercase());
    let mut variables = container.env.iter().flatten();
    variables.find(|variable| variable.name == name)?.value.clone()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifests::tests::install;

    fn deployment(install: &Install) -> Deployment {
        let manifests = install.manifests().unwrap();
        let found = manifests
            .into_iter()
            .find(|manifest| manifest.title() == "Deployment irsa-emu-webhook");
        serde_json::from_value(found.unwrap().object).unwrap()
    }

    #[test]
    fn what_an_install_says_is_read_back() {
        let told = Install {
            region: "eu-west-1".into(),
            default_delivery: "sidecar".into(),
            profile: "strict-eks".into(),
            native_sidecars: false,
            roles: "strict".into(),
            issuer_aliases: vec!["eks".into(), "oidc.example.org/*".into()],
            compose_role_arn: Some("123456789012".into()),
            instance: "mine".into(),
            ..install()
        };
        let read = Settings::read(&deployment(&told)).unwrap();
        assert_eq!(read, Settings::of(&told));
        assert_eq!(read.instance, "mine");
        assert_eq!(read.inject.region.as_deref(), Some("eu-west-1"));
        assert_eq!(read.inject.default_delivery, Delivery::Sidecar);
        assert_eq!(read.inject.sidecar_image, told.sidecar_image);
        assert_eq!(read.inject.emulator_url, Some(emulator_url()));
        assert!(read.inject.strict_eks && !read.inject.native_sidecars && !read.makes_roles);
        assert_eq!(read.issuer_aliases.len(), 2);
        let compose = Compose {
            partition: "aws".into(),
            account: "123456789012".into(),
        };
        assert_eq!(read.grants.compose, Some(compose));
        let plain = Settings::read(&deployment(&install())).unwrap();
        assert_eq!(plain, Settings::of(&install()));
        assert!(!plain.inject.strict_eks && plain.inject.native_sidecars && plain.makes_roles);
        assert_eq!(plain.grants.compose, None);
    }

    #[test]
    fn what_is_not_said_is_the_webhooks_own_default_and_variables_stand_in_for_flags() {
        let written: Deployment =
            serde_json::from_value(json!({"spec": {"selector": {}, "template": {"spec": {
            "containers": [{"name": "webhook", "args": ["--region", "eu-west-2", "--regional-sts=true"],
                "env": [{"name": "IRSA_EMU_ANNOTATION_PREFIX", "value": "iam.example.org"},
                    {"name": "IRSA_EMU_REGION", "value": "us-west-1"}]}]}}}}))
            .unwrap();
        assert_eq!(argument(&written, "reg"), None, "the beginning of a name");
        let read = Settings::read(&written).unwrap();
        assert_eq!(read.inject.region.as_deref(), Some("eu-west-2"), "a flag wins");
        assert!(read.grants.regional_sts);
        assert_eq!(read.grants.annotation_prefix, "iam.example.org");
        assert_eq!(read.inject.annotation_prefix, "iam.example.org");
        assert_eq!(read.grants.audience, DEFAULT_AUDIENCE);
        assert_eq!(Settings::read(&Deployment::default()), None);
    }

    #[test]
    fn real_aws_has_no_emulator_and_only_the_sidecar() {
        let read = Settings::from_flags(&|name| match name {
            "backend" => Some("aws".to_owned()),
            "default-delivery" => Some("web-identity".to_owned()),
            _ => None,
        });
        assert_eq!(read.inject.emulator_url, None);
        assert_eq!(read.inject.default_delivery, Delivery::Sidecar);
    }

    #[test]
    fn the_address_of_the_emulator_is_its_services() {
        let service: Service = serde_json::from_value(json!({"spec": {"clusterIP": "10.96.3.4"}})).unwrap();
        let url = |install: &Install, service| Settings::of(install).with_emulator(service).inject.s3_url;
        let by_ip = Some("http://10.96.3.4:4566".to_owned());
        assert_eq!(url(&install(), Some(&service)), by_ip);
        assert_eq!(url(&install(), None), None);
        let real = Install {
            backend: crate::manifests::Backend::Aws {
                sts_endpoint: None,
                session_tags: false,
            },
            ..install()
        };
        assert_eq!(url(&real, Some(&service)), None);
    }
}
