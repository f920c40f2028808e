//! The emulator: one Pod without persistence. What it loses, the keeper restores.

use irsa_emu_cluster::kubernetes::apply::{ApplyError, Manifest};
use irsa_emu_core::contract::{EMULATOR, EMULATOR_NODE_PORT, EMULATOR_PORT, NAMESPACE};
use irsa_emu_core::emulator::{self, EmulatorFacts, Setting};
use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, EnvVar, EnvVarSource, ResourceRequirements, SecretKeySelector, Volume,
    VolumeMount,
};

use super::auth_token::AUTH_TOKEN_SECRET;
use super::emulator_options::{EmulatorOptions, escaped};
use super::pod;
use crate::objects::emulator_options::AUTH_TOKEN;
use crate::objects::install::{Emulator, Install};

/// Annotation of the Pod: what its token is known by, so that another token makes another Pod.
pub(crate) const TOKEN_MARK: &str = "irsa-emu.dev/auth-token";

pub(super) fn manifests(install: &Install, emulator: &Emulator) -> Result<Vec<Manifest>, ApplyError> {
    let Emulator {
        image,
        options,
        token,
    } = emulator;
    let EmulatorFacts { user, writable, .. } = emulator::DEFAULT;
    let mut spec = pod::pod(user, container(install, image, options));
    spec.automount_service_account_token = Some(false);
    let volume = |(name, _): &(&str, &str)| Volume {
        name: (*name).to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    spec.volumes = Some(writable.iter().map(volume).collect());
    // It keeps nothing that a slow end could save.
    spec.termination_grace_period_seconds = Some(5);
    let port = ("edge", EMULATOR_PORT, EMULATOR_PORT, Some(EMULATOR_NODE_PORT));
    let mut deployment = pod::deployment(install, EMULATOR, 1, pod::Replace::Apart, spec);
    let asked = options.asked();
    if !asked.is_empty() {
        deployment
            .metadata
            .annotations
            .get_or_insert_default()
            .extend(asked);
    }
    if let (Some(token), Some(spec)) = (token, &mut deployment.spec) {
        let metadata = spec.template.metadata.get_or_insert_default();
        let mark = (TOKEN_MARK.to_owned(), token.clone());
        metadata.annotations.get_or_insert_default().extend([mark]);
    }
    Ok(vec![
        Manifest::of(&pod::service(install, EMULATOR, EMULATOR, port))?,
        Manifest::of(&deployment)?,
    ])
}

/// Its variables: those that were asked for in place of ours, and the token.
fn environment(install: &Install, options: &EmulatorOptions) -> Vec<EnvVar> {
    let value = |setting: Setting| match setting {
        Setting::Fixed(value) => value.to_owned(),
        Setting::Listen => format!("0.0.0.0:{EMULATOR_PORT}"),
        Setting::Host => format!("{EMULATOR}.{NAMESPACE}.svc.cluster.local:{EMULATOR_PORT}"),
        Setting::Region => install.settings.region.clone(),
    };
    let ours = emulator::DEFAULT.variables.iter();
    let ours = ours.map(|(name, setting)| (*name, value(*setting)));
    let asked = options.variables();
    let ours = ours.filter(|(name, _)| !asked.contains_key(name));
    let asked_for = asked.iter().map(|(name, value)| (*name, escaped(value)));
    let plain = ours.chain(asked_for).map(|(name, value)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    });
    let token = EnvVar {
        name: AUTH_TOKEN.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: AUTH_TOKEN_SECRET.to_owned(),
                key: AUTH_TOKEN.to_owned(),
                // An image that needs none starts without it.
                optional: Some(true),
            }),
            ..EnvVarSource::default()
        }),
    };
    plain.chain([token]).collect()
}

fn resources(options: &EmulatorOptions) -> ResourceRequirements {
    let EmulatorOptions { cpu, .. } = options;
    let (request, limit) = options.memory_range();
    let mut resources = pod::resources(&options.cpu_request(), &request, &limit);
    if let Some(cpu) = cpu {
        let limits = resources.limits.get_or_insert_default();
        limits.insert("cpu".to_owned(), pod::quantity(cpu));
    }
    resources
}

fn container(install: &Install, image: &str, options: &EmulatorOptions) -> Container {
    let EmulatorFacts {
        writable, probe_path, ..
    } = emulator::DEFAULT;
    let mount = |(name, path): &(&str, &str)| VolumeMount {
        name: (*name).to_owned(),
        mount_path: (*path).to_owned(),
        ..VolumeMount::default()
    };
    Container {
        name: EMULATOR.to_owned(),
        image: Some(image.to_owned()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        env: Some(environment(install, options)),
        ports: Some(vec![pod::port("edge", EMULATOR_PORT)]),
        // Returns 200 before it is ready, too: `up` reads the response itself.
        readiness_probe: Some(pod::http_probe(probe_path, EMULATOR_PORT, 2, 3)),
        security_context: Some(pod::locked_down()),
        resources: Some(resources(options)),
        volume_mounts: Some(writable.iter().map(mount).collect()),
        ..Container::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::objects::tests::objects_of;
    use crate::testing::install;

    fn with(options: EmulatorOptions, token: Option<&str>) -> Value {
        let install = Install {
            emulator: Emulator {
                image: "i".into(),
                options,
                token: token.map(str::to_owned),
            },
            ..install()
        };
        let objects = objects_of(&install);
        let found = objects
            .into_iter()
            .find(|object| object["kind"] == "Deployment" && object["metadata"]["name"] == EMULATOR);
        found.unwrap()
    }

    fn variables(deployment: &Value) -> Vec<(&str, &Value)> {
        let env = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array();
        env.unwrap()
            .iter()
            .map(|variable| (variable["name"].as_str().unwrap(), &variable["value"]))
            .collect()
    }

    #[test]
    fn what_is_asked_for_takes_the_place_of_ours_and_every_name_is_there_once() {
        let options = EmulatorOptions {
            env: [("SERVICES", "sts,iam,kms"), ("DEBUG", "0"), ("DEBUG", "a$(b)$$")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            memory: Some("300Mi".into()),
            cpu: Some("20m".into()),
        };
        let deployment = with(options, None);
        let found = variables(&deployment);
        let mut names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{found:?}");
        assert!(found.contains(&("SERVICES", &json!("sts,iam,kms"))), "{found:?}");
        assert!(found.contains(&("DEBUG", &json!("a$$(b)$$$$"))), "{found:?}");
        let annotations = &deployment["metadata"]["annotations"];
        assert_eq!(annotations["irsa-emu.dev/emulator-env"], "DEBUG,SERVICES");
        assert_eq!(annotations["irsa-emu.dev/emulator-limits"], "cpu,memory");
        let resources = &deployment["spec"]["template"]["spec"]["containers"][0]["resources"];
        let expected = json!({"requests": {"cpu": "20m", "memory": "256Mi"}, "limits": {"cpu": "20m", "memory": "300Mi"}});
        assert_eq!(resources, &expected, "a request is never above its limit");
    }

    #[test]
    fn another_token_is_another_pod_and_no_token_needs_no_secret() {
        let mark = |token| {
            let deployment = with(EmulatorOptions::default(), token);
            deployment["spec"]["template"]["metadata"]["annotations"]["irsa-emu.dev/auth-token"].clone()
        };
        assert_eq!(mark(Some("a")), "a");
        assert_eq!(mark(None), Value::Null);
        let deployment = with(EmulatorOptions::default(), None);
        let env = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
        let token = env.as_array().unwrap().last().unwrap();
        let expected = json!({"name": "LOCALSTACK_AUTH_TOKEN", "valueFrom": {"secretKeyRef":
            {"name": "irsa-emu-emulator-auth", "key": "LOCALSTACK_AUTH_TOKEN", "optional": true}}});
        assert_eq!(token, &expected);
    }
}
