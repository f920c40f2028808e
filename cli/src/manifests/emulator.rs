//! LocalStack: one Pod without persistence. What it loses, the keeper restores.

use irsa_emu_core::contract::{EMULATOR, EMULATOR_NODE_PORT, EMULATOR_PORT, NAMESPACE};
use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, EnvVar, EnvVarSource, ResourceRequirements, SecretKeySelector, Volume,
    VolumeMount,
};

use super::apply::{ApplyError, Manifest};
use super::auth_token::{AUTH_TOKEN, AUTH_TOKEN_SECRET};
use super::emulator_args::{EmulatorArgs, escaped};
use super::{Install, pod};

/// The user that it runs as; the image's own is root.
const USER: i64 = 1000;
/// Folders that it writes to.
const WRITABLE: [(&str, &str); 2] = [("tmp", "/tmp"), ("state", "/var/lib/localstack")];
/// Annotation of the Pod: what its token is known by, so that another token makes another Pod.
pub(super) const TOKEN_MARK: &str = "irsa-emu.dev/auth-token";

pub(super) fn manifests(
    install: &Install,
    image: &str,
    options: &EmulatorArgs,
    token: Option<&str>,
) -> Result<Vec<Manifest>, ApplyError> {
    let mut spec = pod::pod(USER, container(install, image, options));
    spec.automount_service_account_token = Some(false);
    let volume = |(name, _): (&str, &str)| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    spec.volumes = Some(WRITABLE.into_iter().map(volume).collect());
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
        let mark = (TOKEN_MARK.to_owned(), token.to_owned());
        metadata.annotations.get_or_insert_default().extend([mark]);
    }
    Ok(vec![
        Manifest::of(&pod::service(install, EMULATOR, EMULATOR, port))?,
        Manifest::of(&deployment)?,
    ])
}

/// Its variables: those that were asked for in place of ours, and the token.
fn environment(install: &Install, options: &EmulatorArgs) -> Vec<EnvVar> {
    let ours = [
        // Empty is all of them. It is written so that `up` takes back a list that somebody else wrote.
        ("SERVICES", String::new()),
        ("GATEWAY_LISTEN", format!("0.0.0.0:{EMULATOR_PORT}")),
        (
            "LOCALSTACK_HOST",
            format!("{EMULATOR}.{NAMESPACE}.svc.cluster.local:{EMULATOR_PORT}"),
        ),
        // The host of a queue's URL is the one above. Of the usual form no Pod finds the host, and some SDKs send to it.
        ("SQS_ENDPOINT_STRATEGY", "path".to_owned()),
        ("AWS_DEFAULT_REGION", install.region.clone()),
        ("DISABLE_EVENTS", "1".to_owned()),
        ("SKIP_SSL_CERT_DOWNLOAD", "1".to_owned()),
        ("DNS_ADDRESS", "0".to_owned()),
        ("HOME", "/tmp".to_owned()),
    ];
    let asked = options.variables();
    let ours = ours.into_iter().filter(|(name, _)| !asked.contains_key(name));
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

fn resources(options: &EmulatorArgs) -> ResourceRequirements {
    let EmulatorArgs { emulator_cpu, .. } = options;
    let (request, limit) = options.memory();
    let mut resources = pod::resources(&options.cpu_request(), &request, &limit);
    if let Some(cpu) = emulator_cpu {
        let limits = resources.limits.get_or_insert_default();
        limits.insert("cpu".to_owned(), pod::quantity(cpu));
    }
    resources
}

fn container(install: &Install, image: &str, options: &EmulatorArgs) -> Container {
    let mount = |(name, path): (&str, &str)| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    };
    Container {
        name: EMULATOR.to_owned(),
        image: Some(image.to_owned()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        env: Some(environment(install, options)),
        ports: Some(vec![pod::port("edge", EMULATOR_PORT)]),
        // Answers 200 before it is ready, too: `up` reads the answer itself.
        readiness_probe: Some(pod::http_probe("/_localstack/init/ready", EMULATOR_PORT, 2, 3)),
        security_context: Some(pod::locked_down()),
        resources: Some(resources(options)),
        volume_mounts: Some(WRITABLE.into_iter().map(mount).collect()),
        ..Container::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::manifests::tests::{install, objects_of};
    use crate::manifests::{Backend, Install};

    fn with(options: EmulatorArgs, token: Option<&str>) -> Value {
        let install = Install {
            backend: Backend::Emulator {
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
        let options = EmulatorArgs {
            emulator_env: [("SERVICES", "sts,iam,kms"), ("DEBUG", "0"), ("DEBUG", "a$(b)$$")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            emulator_memory: Some("300Mi".into()),
            emulator_cpu: Some("20m".into()),
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
            let deployment = with(EmulatorArgs::default(), token);
            deployment["spec"]["template"]["metadata"]["annotations"]["irsa-emu.dev/auth-token"].clone()
        };
        assert_eq!(mark(Some("a")), "a");
        assert_eq!(mark(None), Value::Null);
        let deployment = with(EmulatorArgs::default(), None);
        let env = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
        let token = env.as_array().unwrap().last().unwrap();
        let expected = json!({"name": "LOCALSTACK_AUTH_TOKEN", "valueFrom": {"secretKeyRef":
            {"name": "irsa-emu-emulator-auth", "key": "LOCALSTACK_AUTH_TOKEN", "optional": true}}});
        assert_eq!(token, &expected);
    }
}
