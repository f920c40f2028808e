//! `up` once more for an install that is there, with the settings that it has: what `doctor --fix` does.

use clap::Parser;
use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_cluster::kubernetes::deployment::image;
use irsa_emu_core::contract::{EMULATOR, NAMESPACE, WEBHOOK};
use irsa_emu_install::objects::emulator_options::EmulatorOptions;
use irsa_emu_install::settings::installed;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;

use super::attempt::Up;
use super::options::UpArgs;
use crate::app::App;
use crate::error::{Attempt, CliError};
use crate::options::emulator::EmulatorArgs;
use crate::options::install::InstallArgs;

/// Images of ours that `up` makes by itself.
const MADE_HERE: &str = "irsa-emu.dev/";

/// A command line of `up`, without the program and the verb.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Line {
    #[command(flatten)]
    up: UpArgs,
}

/// Applies everything again and loads images, and keeps the settings of the install.
pub async fn again(app: &App) -> Result<(), CliError> {
    let attempted = || "reading the settings of the install".to_owned();
    let cluster = app.session.connect().await?;
    let deployments = Api::<Deployment>::namespaced(cluster.client.clone(), NAMESPACE);
    let (webhook, emulator) = tokio::try_join!(deployments.get_opt(WEBHOOK), deployments.get_opt(EMULATOR))
        .attempting(attempted)?;
    let args = kept(webhook.as_ref(), emulator.as_ref()).map_err(|error| {
        CliError::new(ExitStatus::Failed, attempted(), error).next(app.session.command("up"))
    })?;
    Up::new(&args, app)?.make_ready().await.map(drop)
}

/// The options that keep the settings of an install. What is not there gets its default.
fn kept(webhook: Option<&Deployment>, emulator: Option<&Deployment>) -> Result<UpArgs, clap::Error> {
    let mut up = Line::try_parse_from(None::<String>)?.up;
    let is_named = |image: &String| !image.starts_with(MADE_HERE);
    if let Some((webhook, settings)) = webhook.and_then(|webhook| Some((webhook, installed(webhook)?))) {
        up.images.webhook_image = image(webhook).filter(is_named);
        up.images.sidecar_image = Some(settings.sidecar_image.clone()).filter(is_named);
        up.install = InstallArgs::of(settings);
    }
    if let Some(emulator) = emulator {
        up.images.emulator_image = image(emulator).unwrap_or(up.images.emulator_image);
        up.emulator = EmulatorArgs::of(EmulatorOptions::of(emulator));
    }
    Ok(up)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{Arg, Args, Command};
    use irsa_emu_cluster::images::source::References;

    use super::*;

    /// Every option that an install keeps, none with its default.
    const KEPT: [&[&str]; 2] = [
        &[
            "--region=eu-west-1",
            "--default-delivery=sidecar",
            "--profile=strict-eks",
            "--roles=strict",
            "--issuer-alias=oidc.example.org/id/*",
            "--issuer-alias=oidc.example.net/id/*",
            "--compose-role-arn=123456789012",
            "--emulator-image=localstack/localstack:4.13.0",
            "--emulator-env=DEBUG=1",
            "--emulator-env=LOCALSTACK_HOST=a$(b)$$=c",
            "--emulator-memory=3Gi",
            "--emulator-cpu=2",
            "--webhook-image=registry.test/webhook:2",
            "--sidecar-image=registry.test/sidecar:2",
        ],
        &[
            "--backend=aws",
            "--sts-endpoint=https://sts.example.test",
            "--session-tags",
        ],
    ];
    /// Options that make no install another one: the cluster, what one run does, and where its files are.
    const OF_ONE_RUN: [&str; 20] = [
        "cluster",
        "recreate",
        "dry-run",
        "detailed-exitcode",
        "keep-on-failure",
        "node-image",
        "cluster-config",
        "base-credentials",
        "emulator-auth-token-file",
        "images",
        "webhook-binary",
        "sidecar-binary",
        "host-port",
        "proxy-binary",
        "timeout",
        "switch-context",
        "recipe",
        "values",
        "set",
        "output",
    ];

    fn parse(words: &[impl AsRef<str>]) -> UpArgs {
        Line::try_parse_from(words.iter().map(AsRef::as_ref)).unwrap().up
    }

    /// The Deployments of the install that these options make.
    fn deployments(up: &UpArgs) -> [Option<Deployment>; 2] {
        let images = up.images.clone();
        let made = |part: &str| format!("{MADE_HERE}{part}:1");
        let references = References {
            webhook: images.webhook_image.unwrap_or_else(|| made("webhook")),
            sidecar: images.sidecar_image.unwrap_or_else(|| made("sidecar")),
            emulator: images.emulator_image,
        };
        let install = up
            .install
            .install("irsa-emu", references, &up.emulator.options(), true);
        let manifests = install.manifests().unwrap();
        [WEBHOOK, EMULATOR].map(|name| {
            let title = format!("Deployment {name}");
            let mut manifests = manifests.iter();
            let found = manifests.find(|manifest| manifest.title() == title)?;
            Some(serde_json::from_value(found.object.clone()).unwrap())
        })
    }

    #[test]
    fn the_settings_of_an_install_are_kept() {
        let nothing: &[&str] = &[];
        for told in KEPT.into_iter().chain([nothing]) {
            let told = parse(told);
            let [webhook, emulator] = deployments(&told);
            let again = kept(webhook.as_ref(), emulator.as_ref()).unwrap();
            let options = |up: &UpArgs| format!("{:#?}\n{:#?}\n{:#?}", up.install, up.images, up.emulator);
            assert_eq!(options(&again), options(&told));
        }
    }

    #[test]
    fn every_option_of_up_is_kept_or_known_to_be_of_one_run() {
        let up = UpArgs::augment_args(Command::new("up"));
        let mut known: BTreeSet<&str> = OF_ONE_RUN.into();
        for word in KEPT.into_iter().flatten() {
            let (name, value) = word[2..].split_once('=').unwrap_or((&word[2..], "true"));
            let option = up
                .get_arguments()
                .find(|option| option.get_long() == Some(name))
                .unwrap();
            let defaults = option.get_default_values();
            assert!(defaults.iter().all(|default| default != value), "{word}");
            known.insert(name);
        }
        let all: BTreeSet<&str> = up.get_arguments().filter_map(Arg::get_long).collect();
        assert_eq!(all, known);
    }

    #[test]
    fn an_install_of_which_nothing_is_left_gets_the_defaults() {
        let nothing: &[&str] = &[];
        let again = kept(None, None).unwrap();
        assert_eq!(format!("{again:?}"), format!("{:?}", parse(nothing)));
    }
}
