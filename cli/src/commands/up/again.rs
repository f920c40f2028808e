//! `up` once more for an install that is there, with the settings that it has: what `doctor --fix` does.

use clap::Parser;
use irsa_emu_core::contract::{EMULATOR, NAMESPACE, WEBHOOK};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;

use super::{Up, UpArgs};
use crate::app::App;
use crate::checks::image;
use crate::error::{Attempt, CliError, ExitStatus};
use crate::manifests::settings::argument;

/// Images of ours that `up` makes by itself.
const MADE_HERE: &str = "irsa-emu.dev/";
/// Flags of the webhook that are named like the options of `up` that set them.
const SAME_NAME: [&str; 6] = [
    "backend",
    "sts-endpoint",
    "region",
    "default-delivery",
    "profile",
    "roles",
];

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
    let mut words = Vec::new();
    let mut set = |name: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("--{name}={value}")));
    };
    set("emulator-image", emulator.and_then(image));
    let Some(webhook) = webhook else {
        return words;
    };
    for name in SAME_NAME {
        set(name, argument(webhook, name));
    }
    let aliases = argument(webhook, "issuer-aliases").unwrap_or_default();
    for alias in aliases.split(',').filter(|alias| !alias.is_empty()) {
        set("issuer-alias", Some(alias.to_owned()));
    }
    if argument(webhook, "compose-role-arn").as_deref() == Some("true") {
        set("compose-role-arn", argument(webhook, "account"));
    }
    let named = |image: &String| !image.starts_with(MADE_HERE);
    set("webhook-image", image(webhook).filter(named));
    set("sidecar-image", argument(webhook, "sidecar-image").filter(named));
    if argument(webhook, "session-tags").as_deref() == Some("true") {
        words.push("--session-tags".to_owned());
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(image: &str, args: &[&str]) -> Deployment {
        serde_json::from_value(json!({
            "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "c", "image": image, "args": args}]}}}
        }))
        .unwrap()
    }

    #[test]
    fn the_settings_of_an_install_are_kept() {
        let webhook = deployment(
            "irsa-emu.dev/webhook:1",
            &[
                "--sidecar-image=registry/sidecar:2",
                "--emulator-url=http://x",
                "--region=eu-west-1",
                "--default-delivery=sidecar",
                "--profile=default",
                "--roles=strict",
                "--issuer-aliases=eks,oidc.example.org/id/*",
                "--compose-role-arn=true",
                "--account=123456789012",
            ],
        );
        let emulator = deployment("localstack/localstack:4.13.0", &[]);
        let words = words(Some(&webhook), Some(&emulator));
        assert_eq!(
            words,
            [
                "--emulator-image=localstack/localstack:4.13.0",
                "--region=eu-west-1",
                "--default-delivery=sidecar",
                "--profile=default",
                "--roles=strict",
                "--issuer-alias=eks",
                "--issuer-alias=oidc.example.org/id/*",
                "--compose-role-arn=123456789012",
                "--sidecar-image=registry/sidecar:2",
            ]
        );
        let line = Line::try_parse_from(&words).unwrap();
        assert_eq!(line.up.install.issuer_aliases, ["eks", "oidc.example.org/id/*"]);
    }

    #[test]
    fn the_settings_of_an_install_for_real_aws_are_kept() {
        let args = [
            "--backend=aws",
            "--session-tags=true",
            "--sts-endpoint=https://sts.example.test",
        ];
        let words = words(Some(&deployment("irsa-emu.dev/webhook:1", &args)), None);
        let expected = [
            "--backend=aws",
            "--sts-endpoint=https://sts.example.test",
            "--session-tags",
        ];
        assert_eq!(words, expected);
        assert!(Line::try_parse_from(&words).unwrap().up.install.session_tags);
    }

    #[test]
    fn an_install_of_which_nothing_is_left_gets_the_defaults() {
        assert!(words(None, None).is_empty());
        assert!(Line::try_parse_from(Vec::<String>::new()).is_ok());
    }
}
