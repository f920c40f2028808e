//! The doctor's results, in every format.

mod counts;
mod github;
mod junit;
mod text;

use irsa_emu_doctor::checks::engine::CheckResult;
use irsa_emu_doctor::checks::surroundings::versions::Versions;
use serde_json::{Value, json};

pub use self::counts::{Counts, PAGE, count};
pub use self::github::{annotations, summary};
pub use self::junit::junit;
pub use self::text::{short, table};

/// The results for programs.
#[must_use]
pub fn json(outcomes: &[CheckResult], versions: &Versions) -> Value {
    let counts = count(outcomes);
    let checks: Vec<Value> = outcomes
        .iter()
        .map(|outcome| {
            json!({
                "id": outcome.id,
                "phase": outcome.phase,
                "result": outcome.mark,
                "message": outcome.message,
                "object": outcome.object,
                "hint": outcome.fix,
                // Only what `--fix` does by itself.
                "fix": outcome.remedy.as_ref().and(outcome.fix.as_ref()),
                "docs": format!("{PAGE}#{}", outcome.id),
                "duration_ms": u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
            })
        })
        .collect();
    json!({
        "schemaVersion": 1,
        "ok": counts.error == 0,
        "counts": {
            "ok": counts.ok, "warning": counts.warning, "error": counts.error, "skipped": counts.skipped,
        },
        "versions": {
            "irsa-emu": env!("CARGO_PKG_VERSION"),
            "kubernetes": versions.kubernetes,
            "docker": versions.docker,
        },
        "checks": checks,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use irsa_emu_cluster::kubernetes::workload::Workload;
    use irsa_emu_doctor::checks::engine::Phase;
    use irsa_emu_doctor::remedy::Remedy;

    use irsa_emu_doctor::checks::engine::Mark;

    use super::*;

    pub(super) fn outcomes() -> Vec<CheckResult> {
        let outcome = |id, phase, mark, message: &str| CheckResult {
            id,
            phase,
            mark,
            message: message.into(),
            object: None,
            fix: None,
            remedy: None,
            took: Duration::from_millis(84),
        };
        vec![
            outcome(
                "host-docker-socket",
                Phase::Host,
                Mark::Ok,
                "unix:///var/run/docker.sock",
            ),
            CheckResult {
                fix: Some(
                    "kubectl --context kind-irsa-emu -n irsa-emu rollout restart deployment/irsa-emu-webhook"
                        .into(),
                ),
                remedy: Some(Remedy::Restart(Workload::deployment(
                    "irsa-emu",
                    "irsa-emu-webhook",
                ))),
                object: Some("Secret irsa-emu/irsa-emu-webhook-tls".into()),
                ..outcome(
                    "wh-ca-match",
                    Phase::Webhook,
                    Mark::Error,
                    "another CA:\n100% <wrong>",
                )
            },
            CheckResult {
                fix: Some("irsa-emu up".into()),
                remedy: Some(Remedy::Up),
                ..outcome("wh-cert-expiry", Phase::Webhook, Mark::Warning, "20 days left")
            },
            outcome("wh-dryrun", Phase::Webhook, Mark::Skipped, "needs wh-ca-match"),
        ]
    }

    #[test]
    fn the_json_form_is_stable() {
        let versions = Versions {
            kubernetes: Some("v1.34.4".into()),
            docker: None,
        };
        let mut value = json(&outcomes(), &versions);
        value["versions"]["irsa-emu"] = "[version]".into();
        insta::assert_json_snapshot!(value);
    }
}
