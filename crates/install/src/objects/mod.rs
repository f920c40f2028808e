//! Everything that irsa-emu has in a cluster, as typed objects applied by the server.

pub mod auth_token;
pub mod base_credentials;
pub mod emulator;
pub mod emulator_options;
pub mod install;
pub mod pod;
pub mod rbac;
pub mod webhook;

use irsa_emu_cluster::kubernetes::apply::{ApplyError, Manifest};
use irsa_emu_core::choice::Choice;
use irsa_emu_core::contract::NAMESPACE;
use irsa_emu_core::install::Backend;
use irsa_emu_core::recipe::Recipe;
use k8s_openapi::api::core::v1::Namespace;
use kube::CustomResourceExt;

use self::install::{BACKEND, HOST_ENDPOINT, Install, REGION};

/// The minor version of Kubernetes 1 from which native sidecars are on by default.
const NATIVE_SIDECARS_SINCE: u32 = 29;

/// Whether Kubernetes 1.`minor` runs native sidecars by default.
#[must_use]
pub fn runs_native_sidecars(minor: u32) -> bool {
    minor >= NATIVE_SIDECARS_SINCE
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
        if let Some(emulator) = self.emulator() {
            manifests.extend(emulator::manifests(self, emulator)?);
        }
        manifests.extend(webhook::manifests(self)?);
        Ok(manifests)
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
        annotations.insert(REGION.to_owned(), self.settings.region.clone());
        if self.settings.backend == Backend::Aws {
            annotations.insert(BACKEND.to_owned(), Backend::Aws.as_str().to_owned());
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
}

#[cfg(test)]
pub(crate) mod tests {
    use irsa_emu_core::contract::{INSTANCE_LABEL, PART_LABEL};

    use serde_json::Value;

    use super::*;
    use crate::testing::install;

    pub(crate) fn objects_of(install: &Install) -> Vec<Value> {
        install
            .manifests()
            .unwrap()
            .into_iter()
            .map(|manifest| manifest.object)
            .collect()
    }

    fn objects() -> Vec<Value> {
        objects_of(&install())
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
        install.settings.backend = Backend::Aws;
        install.settings.sts_endpoint = Some("https://sts.example.test".into());
        install.settings.session_tags = true;
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
