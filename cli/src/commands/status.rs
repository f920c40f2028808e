//! `irsa-emu status`: what is there, and whether it works, at a glance.

use clap::{Args, ValueEnum};
use irsa_emu_core::contract::{
    EMULATOR, NAMESPACE, WEBHOOK, WEBHOOK_CONFIGURATION, emulator_url, sts_front_url,
};
use irsa_emu_core::recipe::Recipe;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client};
use serde::Serialize;
use serde_json::json;

use crate::app::App;
use crate::checks::{image, scaled_down};
use crate::error::{Attempt, CliError, ExitStatus};
use crate::manifests::{HOST_ENDPOINT, REGION, rollout};
use crate::printer::Paint;

/// Options of `irsa-emu status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// How it is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
    /// Exit with 1 if something is not ready
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// A part of the install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Part {
    name: String,
    ready: bool,
    /// The image, or why it is not ready.
    detail: String,
}

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    context: String,
    kubernetes: String,
    instance: String,
    ready: bool,
    region: Option<String>,
    host_endpoint: Option<String>,
    cluster_endpoint: String,
    sts_endpoint: String,
    parts: Vec<Part>,
    recipes: Vec<Part>,
}

/// Shows what is there. Fails only where it could not ask, or with `--check`.
pub async fn run(args: StatusArgs, app: &App) -> Result<ExitStatus, CliError> {
    let StatusArgs { output, check } = args;
    let cluster = app.connect().await?;
    let client = &cluster.client;
    let attempted = || format!("asking the cluster of context `{}`", cluster.context);
    let namespaces = Api::<Namespace>::all(client.clone());
    let (namespace, webhook, emulator, registered, recipes) = tokio::try_join!(
        namespaces.get_opt(NAMESPACE),
        part(client, WEBHOOK),
        part(client, EMULATOR),
        registration(client),
        recipes(client),
    )
    .attempting(attempted)?;
    let mut annotations = namespace
        .and_then(|found| found.metadata.annotations)
        .unwrap_or_default();
    let parts = vec![webhook, registered, emulator];
    let status = Status {
        ready: parts.iter().chain(&recipes).all(|part| part.ready),
        context: cluster.context.clone(),
        kubernetes: cluster.version.clone(),
        instance: app.instance.clone(),
        region: annotations.remove(REGION),
        host_endpoint: annotations.remove(HOST_ENDPOINT),
        cluster_endpoint: emulator_url(),
        sts_endpoint: sts_front_url(),
        parts,
        recipes,
    };
    match output {
        Format::Text => print_text(&status, app),
        Format::Json => {
            let envelope = json!({"schemaVersion": 1, "command": "status", "data": status});
            app.printer.data(&envelope.to_string());
        }
    }
    Ok(if check && !status.ready {
        ExitStatus::Failed
    } else {
        ExitStatus::Ok
    })
}

async fn part(client: &Client, name: &str) -> Result<Part, kube::Error> {
    let found = Api::<Deployment>::namespaced(client.clone(), NAMESPACE)
        .get_opt(name)
        .await?;
    let why = match &found {
        None => Some("not installed".to_owned()),
        Some(deployment) => scaled_down(deployment).or_else(|| rollout::incomplete(deployment)),
    };
    Ok(Part {
        name: name.to_owned(),
        ready: why.is_none(),
        detail: why.or_else(|| image(found.as_ref()?)).unwrap_or_default(),
    })
}

async fn registration(client: &Client) -> Result<Part, kube::Error> {
    let found = Api::<MutatingWebhookConfiguration>::all(client.clone())
        .get_opt(WEBHOOK_CONFIGURATION)
        .await?;
    let hooks = found.and_then(|found| found.webhooks).unwrap_or_default();
    let trusted = !hooks.is_empty() && hooks.iter().all(|hook| hook.client_config.ca_bundle.is_some());
    let names: Vec<&str> = hooks.iter().map(|hook| hook.name.as_str()).collect();
    Ok(Part {
        name: "registration".to_owned(),
        ready: trusted,
        detail: if trusted {
            names.join(", ")
        } else {
            "the webhook is not registered".to_owned()
        },
    })
}

async fn recipes(client: &Client) -> Result<Vec<Part>, kube::Error> {
    match Api::<Recipe>::all(client.clone())
        .list(&ListParams::default())
        .await
    {
        Ok(list) => Ok(list.items.iter().map(recipe).collect()),
        // Without the definition there is no Recipe.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn recipe(recipe: &Recipe) -> Part {
    let generation = recipe.metadata.generation.unwrap_or_default();
    let status = recipe.status.as_ref();
    let ready = status.is_some_and(|status| status.is_ready(generation));
    let condition = status.and_then(|status| status.conditions.iter().find(|found| found.r#type == "Ready"));
    let detail = match condition {
        None => "not seen by the keeper yet".to_owned(),
        Some(condition) if ready => condition.reason.clone(),
        Some(condition) => format!("{}: {}", condition.reason, condition.message),
    };
    Part {
        name: recipe.metadata.name.clone().unwrap_or_default(),
        ready,
        detail,
    }
}

fn print_text(status: &Status, app: &App) {
    let printer = &app.printer;
    let none = || "none".to_owned();
    printer.data(&format!(
        "context:     {} (Kubernetes {})",
        status.context, status.kubernetes
    ));
    printer.data(&format!(
        "host:        {}",
        status.host_endpoint.clone().unwrap_or_else(none)
    ));
    printer.data(&format!("in-cluster:  {}", status.cluster_endpoint));
    printer.data(&format!("sts:         {}", status.sts_endpoint));
    printer.data(&format!(
        "region:      {}",
        status.region.clone().unwrap_or_else(none)
    ));
    let line = |part: &Part, kind: &str| {
        let state = if part.ready {
            printer.paint(Paint::Good, "ready")
        } else {
            printer.paint(Paint::Bad, "not ready")
        };
        printer.data(&format!("{kind}{}: {state} ({})", part.name, part.detail));
    };
    for part in &status.parts {
        line(part, "");
    }
    for part in &status.recipes {
        line(part, "recipe ");
    }
    if status.recipes.is_empty() {
        printer.data("recipes: none");
    }
    if !status.ready {
        printer.talk(&format!("next: {}", app.command("doctor")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(status: &serde_json::Value) -> Recipe {
        serde_json::from_value(json!({
            "apiVersion": "irsa-emu.dev/v1alpha1", "kind": "Recipe", "metadata": {"name": "r", "generation": 2},
            "spec": {"account": "123456789012", "region": "us-east-1"}, "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_recipe_is_ready_only_for_the_generation_that_was_seen() {
        let condition = json!({"type": "Ready", "status": "True", "reason": "AllPresent", "message": "m",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let seen =
            |generation: i64| given(&json!({"observedGeneration": generation, "conditions": [condition]}));
        assert!(recipe(&seen(2)).ready);
        assert_eq!(recipe(&seen(2)).detail, "AllPresent");
        assert!(!recipe(&seen(1)).ready);
        assert_eq!(recipe(&given(&json!(null))).detail, "not seen by the keeper yet");
    }
}
