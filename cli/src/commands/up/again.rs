//! `up` once more for an install that is there, with the settings that it has: what `doctor --fix` does.

use clap::{Arg, ArgAction, Args, Command, Parser};
use irsa_emu_core::contract::{EMULATOR, NAMESPACE, WEBHOOK};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;

use super::{Up, UpArgs};
use crate::app::App;
use crate::checks::image;
use crate::error::{Attempt, CliError, ExitStatus};
use crate::images::ImageArgs;
use crate::manifests::settings::argument;
use crate::manifests::{EmulatorArgs, InstallArgs};

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
    let cluster = app.connect().await?;
    let deployments = Api::<Deployment>::namespaced(cluster.client.clone(), NAMESPACE);
    let (webhook, emulator) = tokio::try_join!(deployments.get_opt(WEBHOOK), deployments.get_opt(EMULATOR))
        .attempting(attempted)?;
    let words = words(webhook.as_ref(), emulator.as_ref());
    let line = Line::try_parse_from(&words)
        .map_err(|error| CliError::new(ExitStatus::Failed, attempted(), error).next(app.command("up")))?;
    Up::new(&line.up, app)?.make_ready().await.map(drop)
}

/// The words of a command line that keeps the settings of an install. What is not there gets its default.
fn words(webhook: Option<&Deployment>, emulator: Option<&Deployment>) -> Vec<String> {
    let kept = InstallArgs::augment_args(Command::new("up"));
    let kept = EmulatorArgs::augment_args(ImageArgs::augment_args(kept));
    let words = kept.get_arguments().filter_map(|option| {
        let name = option.get_long()?;
        let values = values(name, webhook, emulator).into_iter();
        Some(values.filter_map(|value| word(option, name, &value)))
    });
    words.flatten().collect()
}

/// The values that an option must have had for the install to be as it is.
fn values(option: &str, webhook: Option<&Deployment>, emulator: Option<&Deployment>) -> Vec<String> {
    let run = || emulator.map(EmulatorArgs::of).unwrap_or_default();
    match option {
        "emulator-image" => return emulator.and_then(image).into_iter().collect(),
        "emulator-memory" => return run().emulator_memory.into_iter().collect(),
        "emulator-cpu" => return run().emulator_cpu.into_iter().collect(),
        "emulator-env" => {
            let pairs = run().emulator_env.into_iter();
            return pairs.map(|(name, value)| format!("{name}={value}")).collect();
        }
        _ => {}
    }
    let Some(webhook) = webhook else {
        return Vec::new();
    };
    let flag = |name: &str| argument(webhook, name);
    let is_named = |image: &String| !image.starts_with(MADE_HERE);
    let value = match option {
        "webhook-image" => image(webhook).filter(is_named),
        "sidecar-image" => flag(option).filter(is_named),
        "issuer-alias" => {
            let aliases = flag("issuer-aliases").unwrap_or_default();
            let aliases = aliases.split(',').filter(|alias| !alias.is_empty());
            return aliases.map(str::to_owned).collect();
        }
        "compose-role-arn" => flag("account").filter(|_| flag(option).as_deref() == Some("true")),
        // Every other option sets the flag of the webhook that is named like it.
        _ => flag(option),
    };
    value.into_iter().collect()
}

/// The word of a command line that gives an option this value.
fn word(option: &Arg, name: &str, value: &str) -> Option<String> {
    match option.get_action() {
        ArgAction::SetTrue => (value == "true").then(|| format!("--{name}")),
        _ => Some(format!("--{name}={value}")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::manifests::References;

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
        let install = up.install.install("irsa-emu", references, &up.emulator, true);
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
            let again = parse(&words(webhook.as_ref(), emulator.as_ref()));
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
        assert!(words(None, None).is_empty());
        assert!(Line::try_parse_from(Vec::<String>::new()).is_ok());
    }
}
