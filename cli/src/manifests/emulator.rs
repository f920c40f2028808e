//! LocalStack: one Pod without persistence. What it loses, the keeper restores.

use irsa_emu_core::contract::{EMULATOR, EMULATOR_NODE_PORT, EMULATOR_PORT, NAMESPACE};
use k8s_openapi::api::core::v1::{Container, EmptyDirVolumeSource, EnvVar, Volume, VolumeMount};

use super::apply::{ApplyError, Manifest};
use super::{Install, pod};

/// Services that are started; every other call answers that the service is not enabled.
const SERVICES: &str = "sts,iam,kms,s3,sqs,secretsmanager,ssm";
/// The user that it runs as; the image's own is root.
const USER: i64 = 1000;
/// Folders that it writes to.
const WRITABLE: [(&str, &str); 2] = [("tmp", "/tmp"), ("state", "/var/lib/localstack")];

pub(super) fn manifests(install: &Install, image: &str) -> Result<Vec<Manifest>, ApplyError> {
    let mut spec = pod::pod(USER, container(install, image));
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
    Ok(vec![
        Manifest::of(&pod::service(install, EMULATOR, EMULATOR, port))?,
        Manifest::of(&pod::deployment(install, EMULATOR, 1, pod::Replace::Apart, spec))?,
    ])
}

fn container(install: &Install, image: &str) -> Container {
    let environment = [
        ("SERVICES", SERVICES.to_owned()),
        ("GATEWAY_LISTEN", format!("0.0.0.0:{EMULATOR_PORT}")),
        (
            "LOCALSTACK_HOST",
            format!("{EMULATOR}.{NAMESPACE}.svc.cluster.local:{EMULATOR_PORT}"),
        ),
        ("AWS_DEFAULT_REGION", install.region.clone()),
        ("DISABLE_EVENTS", "1".to_owned()),
        ("SKIP_SSL_CERT_DOWNLOAD", "1".to_owned()),
        ("DNS_ADDRESS", "0".to_owned()),
        ("HOME", "/tmp".to_owned()),
    ];
    let variable = |(name, value): (&str, String)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    };
    let mount = |(name, path): (&str, &str)| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    };
    Container {
        name: EMULATOR.to_owned(),
        image: Some(image.to_owned()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        env: Some(environment.into_iter().map(variable).collect()),
        ports: Some(vec![pod::port("edge", EMULATOR_PORT)]),
        // Answers 200 before it is ready, too: `up` reads the answer itself.
        readiness_probe: Some(pod::http_probe("/_localstack/init/ready", EMULATOR_PORT, 2, 3)),
        security_context: Some(pod::locked_down()),
        resources: Some(pod::resources("50m", "256Mi", "1Gi")),
        volume_mounts: Some(WRITABLE.into_iter().map(mount).collect()),
        ..Container::default()
    }
}
