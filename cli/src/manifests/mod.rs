//! Everything that irsa-emu has in a cluster, as typed objects applied by the server.

mod apply;
pub mod auth_token;
pub mod base_credentials;
mod emulator;
mod emulator_args;
pub(crate) mod options;
mod pod;
mod rbac;
pub mod recorded;
pub mod removal;
pub mod rollout;
pub mod settings;
mod webhook;

use std::collections::BTreeMap;

use irsa_emu_core::contract::{INSTANCE_LABEL, NAMESPACE};
use irsa_emu_core::recipe::Recipe;
use k8s_openapi::api::core::v1::Namespace;
use kube::CustomResourceExt;
use kube::api::ObjectMeta;

pub use apply::{Applied, ApplyError, Manifest, apply, foresee};
pub use emulator_args::EmulatorArgs;
pub(crate) use emulator_args::{LICENCES, cpu, memory, refused};
pub use options::{InstallArgs, References};
pub use settings::Settings;

/// Label of the selectors, and of everything that belongs to one part.
pub const PART_LABEL: &str = "app.kubernetes.io/name";
/// Annotation of the Namespace: the emulator's URL on the host, where there is one.
pub(crate) const HOST_ENDPOINT: &str = "irsa-emu.dev/host-endpoint";
/// Annotation of the Namespace: the region of the install.
pub const REGION: &str = "irsa-emu.dev/region";
/// Annotation of the Namespace: `aws` where the credentials are good for real AWS.
pub const BACKEND: &str = "irsa-emu.dev/backend";
/// Value of [`BACKEND`].
pub const BACKEND_AWS: &str = "aws";

/// The minor version of Kubernetes 1 from which native sidecars are on by default.
const NATIVE_SIDECARS_SINCE: u32 = 29;

/// Whether Kubernetes 1.`minor` runs native sidecars unless told otherwise.
#[must_use]
pub fn runs_native_sidecars(minor: u32) -> bool {
    minor >= NATIVE_SIDECARS_SINCE
}

/// What the credentials of Pods are good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// The emulator in the cluster.
    Emulator {
        /// Its image.
        image: String,
        /// How it runs.
        options: EmulatorArgs,
        /// What its token is known by, if it has one.
        token: Option<String>,
    },
    /// Real AWS.
    Aws {
        /// STS endpoint instead of the region's own.
        sts_endpoint: Option<String>,
        /// Whether sessions are tagged as EKS Pod Identity tags them.
        session_tags: bool,
    },
}

/// What an install is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// Its name.
    pub instance: String,
    /// The webhook's image.
    pub webhook_image: String,
    /// The sidecar's image, which the webhook adds to Pods.
    pub sidecar_image: String,
    /// What the credentials of Pods are good for.
    pub backend: Backend,
    /// Region.
    pub region: String,
    /// Delivery of Pods that choose none.
    pub default_delivery: String,
    /// How much is injected: `default` or `strict-eks`.
    pub profile: String,
    /// Whether the cluster runs native sidecars.
    pub native_sidecars: bool,
    /// What the STS front does about roles that do not exist: `auto` or `strict`.
    pub roles: String,
    /// Issuers that count as this cluster's in trust policies.
    pub issuer_aliases: Vec<String>,
    /// Account of roles that an annotation names without their ARN.
    pub compose_role_arn: Option<String>,
    /// The emulator's URL on the host.
    pub host_endpoint: Option<String>,
}

impl Install {
    /// All objects, each after those it needs.
    pub fn manifests(&self) -> Result<Vec<Manifest>, ApplyError> {
        let mut manifests = vec![
            Manifest::of(&self.namespace())?,
            Manifest::of(&self.labelled_crd())?,
        ];
        manifests.extend(rbac::manifests(self)?);
        // Before the webhook, which gives Pods the ClusterIP of the emulator's Service.
        if let Backend::Emulator {
            image,
            options,
            token,
        } = &self.backend
        {
            manifests.extend(emulator::manifests(self, image, options, token.as_deref())?);
        }
        manifests.extend(webhook::manifests(self)?);
        Ok(manifests)
    }

    /// The same, whose emulator has a token that is known by this.
    #[must_use]
    pub fn with_token(mut self, mark: Option<String>) -> Self {
        if let Backend::Emulator { token, .. } = &mut self.backend {
            *token = mark;
        }
        self
    }

    fn namespace(&self) -> Namespace {
        let mut metadata = self.cluster_meta(NAMESPACE);
        // Every Pod of ours keeps to the strictest profile, and none that does not gets in.
        let enforce = (
            "pod-security.kubernetes.io/enforce".to_owned(),
            "restricted".to_owned(),
        );
        metadata.labels.get_or_insert_default().extend([enforce]);
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(REGION.to_owned(), self.region.clone());
        if matches!(self.backend, Backend::Aws { .. }) {
            annotations.insert(BACKEND.to_owned(), BACKEND_AWS.to_owned());
        }
        if let Some(endpoint) = &self.host_endpoint {
            annotations.insert(HOST_ENDPOINT.to_owned(), endpoint.clone());
        }
        Namespace {
            metadata,
            ..Namespace::default()
        }
    }

    fn labelled_crd(
        &self,
    ) -> k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition {
        let mut crd = Recipe::crd();
        crd.metadata.labels.get_or_insert_default().extend(self.labels());
        crd
    }

    /// The labels of every object.
    fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (INSTANCE_LABEL.to_owned(), self.instance.clone()),
            ("app.kubernetes.io/part-of".to_owned(), "irsa-emu".to_owned()),
        ])
    }

    fn cluster_meta(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(self.labels()),
            ..ObjectMeta::default()
        }
    }

    /// Metadata of an object in our Namespace that belongs to a part.
    fn meta(&self, part: &str, name: &str) -> ObjectMeta {
        let mut metadata = self.cluster_meta(name);
        metadata.namespace = Some(NAMESPACE.to_owned());
        metadata
            .labels
            .get_or_insert_default()
            .insert(PART_LABEL.to_owned(), part.to_owned());
        metadata
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::Value;

    pub(crate) fn install() -> Install {
        Install {
            instance: "irsa-emu".into(),
            webhook_image: "irsa-emu.dev/webhook:0.1.0-000000000000".into(),
            sidecar_image: "irsa-emu.dev/irsa-emu-creds-injector:0.1.0-111111111111".into(),
            backend: Backend::Emulator {
                image: "localstack/localstack:4.14.0".into(),
                options: EmulatorArgs::default(),
                token: None,
            },
            region: "us-east-1".into(),
            default_delivery: "web-identity".into(),
            profile: "default".into(),
            native_sidecars: true,
            roles: "auto".into(),
            issuer_aliases: vec!["eks".into()],
            compose_role_arn: None,
            host_endpoint: Some("http://127.0.0.1:4566".into()),
        }
    }

    fn objects() -> Vec<Value> {
        objects_of(&install())
    }

    pub(crate) fn objects_of(install: &Install) -> Vec<Value> {
        install
            .manifests()
            .unwrap()
            .into_iter()
            .map(|manifest| manifest.object)
            .collect()
    }

    fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
        value.pointer(pointer).unwrap_or(&Value::Null)
    }

    #[test]
    fn everything_applied_is_in_the_snapshot() {
        let objects: Vec<Value> = objects()
            .into_iter()
            .filter(|object| object["kind"] != "CustomResourceDefinition")
            .collect();
        insta::assert_yaml_snapshot!(objects);
    }

    #[test]
    fn for_real_aws_there_is_no_emulator_and_one_secret_more_to_read() {
        let mut install = install();
        install.host_endpoint = None;
        let reads_credentials = |objects: &[Value]| {
            let rules = objects.iter().filter(|object| object["kind"] == "Role");
            rules
                .flat_map(|role| role["rules"].as_array().unwrap())
                .any(|rule| {
                    rule["resourceNames"] == serde_json::json!(["irsa-emu-aws-credentials"])
                        && rule["verbs"] == serde_json::json!(["get"])
                })
        };
        assert!(!reads_credentials(&objects_of(&install)));
        install.backend = Backend::Aws {
            sts_endpoint: Some("https://sts.example.test".into()),
            session_tags: true,
        };
        let objects = objects_of(&install);
        assert!(reads_credentials(&objects));
        assert!(
            objects
                .iter()
                .all(|object| object["metadata"]["name"] != "localstack")
        );
        assert_eq!(
            at(&objects[0], "/metadata/annotations/irsa-emu.dev~1backend"),
            "aws"
        );
        let deployment = objects
            .iter()
            .find(|object| object["kind"] == "Deployment")
            .unwrap();
        let args = at(deployment, "/spec/template/spec/containers/0/args");
        let has = |arg: &str| args.as_array().unwrap().iter().any(|found| found == arg);
        for arg in [
            "--backend=aws",
            "--session-tags=true",
            "--sts-endpoint=https://sts.example.test",
        ] {
            assert!(has(arg), "{args}");
        }
        assert!(!args.to_string().contains("emulator-url"), "{args}");
    }

    #[test]
    fn the_cluster_chooses_the_address_of_the_emulator_and_keeps_it() {
        let objects = objects();
        let service = objects
            .iter()
            .find(|object| object["kind"] == "Service" && object["metadata"]["name"] == "localstack");
        let spec = service.unwrap()["spec"].as_object().unwrap();
        // What is not applied is not changed by the next apply.
        assert!(!spec.keys().any(|key| key.starts_with("clusterIP")), "{spec:?}");
    }

    #[test]
    fn every_object_and_every_pod_bears_the_name_of_the_install() {
        for object in objects() {
            let label = &object["metadata"]["labels"][INSTANCE_LABEL];
            assert_eq!(
                label, "irsa-emu",
                "{} {}",
                object["kind"], object["metadata"]["name"]
            );
            if object["kind"] == "Deployment" {
                assert_eq!(
                    object["spec"]["template"]["metadata"]["labels"][INSTANCE_LABEL],
                    "irsa-emu"
                );
            }
        }
    }

    #[test]
    fn a_selector_never_names_what_another_install_would_change() {
        for object in objects().iter().filter(|object| object["kind"] == "Deployment") {
            let selector = at(object, "/spec/selector/matchLabels").as_object().unwrap();
            assert_eq!(selector.keys().collect::<Vec<_>>(), [PART_LABEL]);
        }
    }

    /// Pod Security "restricted", as the Kubernetes documentation lists it.
    #[test]
    fn every_pod_meets_pod_security_restricted() {
        let mut pods = 0;
        for object in objects().iter().filter(|object| object["kind"] == "Deployment") {
            let pod = at(object, "/spec/template/spec");
            pods += 1;
            for host in ["hostNetwork", "hostPID", "hostIPC"] {
                assert_ne!(pod[host], true);
            }
            assert_eq!(at(pod, "/securityContext/runAsNonRoot"), true);
            assert_ne!(at(pod, "/securityContext/runAsUser"), 0);
            assert_eq!(at(pod, "/securityContext/seccompProfile/type"), "RuntimeDefault");
            for volume in pod["volumes"].as_array().into_iter().flatten() {
                assert!(volume["hostPath"].is_null());
            }
            for container in pod["containers"].as_array().unwrap() {
                let context = &container["securityContext"];
                assert_eq!(context["allowPrivilegeEscalation"], false);
                assert_ne!(context["privileged"], true);
                assert_eq!(at(context, "/capabilities/drop"), &serde_json::json!(["ALL"]));
                assert!(at(context, "/capabilities/add").is_null());
                assert_eq!(context["readOnlyRootFilesystem"], true);
                for port in container["ports"].as_array().into_iter().flatten() {
                    assert!(port["hostPort"].is_null());
                }
            }
        }
        assert_eq!(pods, 2);
    }

    #[test]
    fn no_role_has_a_wildcard() {
        for object in objects().iter().filter(|object| object["rules"].is_array()) {
            assert!(!object["rules"].to_string().contains('*'), "{object}");
        }
    }
}
