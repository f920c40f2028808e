//! The emulator: it runs, has the services we need, can be reached, and has kept what it was given.

pub mod licence;
mod reach;
mod state;

use futures::FutureExt;
use irsa_emu_cluster::kubernetes::objects::get;
use irsa_emu_core::contract::{EMULATOR, NAMESPACE, emulator_by_api_server};
use irsa_emu_core::emulator;
use irsa_emu_install::objects::emulator_options::EmulatorOptions;
use irsa_emu_install::rollout;
use serde_json::Value;

use super::engine::{Check, Phase, Severity, Trouble, Verdict, fine};
use crate::checks::surroundings::Surroundings;
use crate::remedy::Remedy;

/// Services that irsa-emu cannot do without.
const SERVICES: [&str; 3] = ["sts", "iam", "kms"];
/// The emulator's variable for a list of those that it starts.
const LIST: &str = emulator::DEFAULT.services_variable;

pub(super) fn checks<'x>() -> Vec<Check<Surroundings<'x>>> {
    vec![
        Check {
            id: "emu-licence",
            phase: Phase::Emulator,
            needs: &["k8s-core-ready"],
            severity: Severity::Error,
            title: "the emulator's image needs no licence, or has one",
            run: |s| licence::covered(s).boxed(),
        },
        Check {
            id: "emu-ready",
            phase: Phase::Emulator,
            needs: &["emu-licence"],
            severity: Severity::Error,
            title: "the emulator runs and reports that it is ready",
            run: |s| ready(s).boxed(),
        },
        Check {
            id: "emu-services",
            phase: Phase::Emulator,
            needs: &["emu-ready"],
            severity: Severity::Error,
            title: "the emulator has STS, IAM and KMS",
            run: |s| services(s).boxed(),
        },
        Check {
            id: "emu-reach-host",
            phase: Phase::Emulator,
            needs: &["emu-ready"],
            severity: Severity::Error,
            title: "the emulator responds at its port of this machine",
            run: |s| reach::from_host(s).boxed(),
        },
        Check {
            id: "emu-reach-pod",
            phase: Phase::Emulator,
            needs: &["emu-ready", "images-present", "wh-ready"],
            severity: Severity::Error,
            title: "the emulator and the STS front respond to a Pod",
            run: |s| reach::from_pod(s).boxed(),
        },
        Check {
            id: "emu-state",
            phase: Phase::Emulator,
            needs: &["emu-services"],
            severity: Severity::Error,
            title: "what Recipes made is in the emulator, or was restored",
            run: |s| state::kept(s).boxed(),
        },
    ]
}

async fn ready(s: &Surroundings<'_>) -> Verdict {
    let deployment = s.deployment(EMULATOR).await?;
    let about = |trouble: Trouble| trouble.about(format!("Deployment {NAMESPACE}/{EMULATOR}"));
    if let Some(why) = irsa_emu_cluster::kubernetes::deployment::scaled_down(&deployment) {
        return Err(about(Trouble::new(why, s.session.command("up"))).repaired_by(Remedy::Up));
    }
    let pending = rollout::pending(&s.client().await?, rollout::Parts::WebhookAndEmulator).await?;
    let Some(pending) = pending.into_iter().find(|pending| pending.what == EMULATOR) else {
        return fine(irsa_emu_cluster::kubernetes::deployment::image(&deployment).unwrap_or_default());
    };
    let fix = if pending.hopeless {
        format!(
            "{} --emulator-image {}",
            s.session.command("up"),
            emulator::DEFAULT.image
        )
    } else {
        s.kubectl(&format!("-n {NAMESPACE} logs deployment/{EMULATOR} --tail 20"))
    };
    Err(about(Trouble::new(pending.why, fix)))
}

async fn services(s: &Surroundings<'_>) -> Verdict {
    let path = emulator_by_api_server(emulator::DEFAULT.health.path);
    let health: Value = get(&s.client().await?, &path).await?;
    let lacking = lacking(&health);
    if lacking.is_empty() {
        let version = health
            .pointer(emulator::DEFAULT.health.version)
            .and_then(Value::as_str)
            .unwrap_or("of unknown version");
        let name = emulator::DEFAULT.name;
        return fine(format!("{}; {name} {version}", SERVICES.join(", ")));
    }
    let message = format!("not available: {}", lacking.join(", "));
    let about = format!("Service {NAMESPACE}/{EMULATOR}");
    let options = EmulatorOptions::of(&s.deployment(EMULATOR).await?);
    if let Some((_, list)) = options.env.iter().find(|(name, _)| name == LIST) {
        // `up` would write the same list again.
        let whole = format!("--emulator-env {LIST}={}", completed(list));
        let message = format!("{message}: {LIST} is {list}");
        return Err(Trouble::new(message, format!("{} {whole}", s.session.command("up"))).about(about));
    }
    Err(Trouble::new(message, s.session.command("up"))
        .about(about)
        .repaired_by(Remedy::Up))
}

/// A list of services, with those that irsa-emu cannot do without.
fn completed(list: &str) -> String {
    let mut all: Vec<&str> = list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let lacking = SERVICES.into_iter().filter(|name| !all.contains(name));
    let lacking: Vec<&str> = lacking.collect();
    all.extend(lacking);
    all.join(",")
}

fn lacking(health: &Value) -> Vec<String> {
    let facts = emulator::DEFAULT.health;
    let state = |service: &str| {
        health
            .pointer(&format!("{}/{service}", facts.services))
            .and_then(Value::as_str)
            .unwrap_or("absent")
            .to_owned()
    };
    SERVICES
        .into_iter()
        .map(|service| (service, state(service)))
        .filter(|(_, state)| !facts.usable.contains(&state.as_str()))
        .map(|(service, state)| format!("{service} ({state})"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_of_services_is_completed_with_those_that_are_needed() {
        assert_eq!(completed("s3, iam,,"), "s3,iam,sts,kms");
        assert_eq!(completed("sts,iam,kms"), "sts,iam,kms");
    }

    #[test]
    fn a_service_that_does_not_run_is_named_with_its_state() {
        let health = json!({"services": {"sts": "running", "iam": "available", "kms": "disabled"}});
        assert_eq!(lacking(&health), ["kms (disabled)"]);
        assert_eq!(lacking(&json!({})).len(), 3);
    }
}
