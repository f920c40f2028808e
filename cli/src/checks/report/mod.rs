//! What the doctor says, in every form.

mod github;
mod junit;
mod text;

use serde_json::{Value, json};

pub use self::github::{annotations, summary};
pub use self::junit::junit;
pub use self::text::{short, table};
use super::engine::{Mark, Outcome};

/// The page that explains every check.
pub const PAGE: &str = "docs/checks.md";

/// How many checks ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// As it should be.
    pub ok: usize,
    /// Worth a look.
    pub warning: usize,
    /// Wrong.
    pub error: usize,
    /// Not asked.
    pub skipped: usize,
}

/// Counts results.
#[must_use]
pub fn count(outcomes: &[Outcome]) -> Counts {
    let of = |mark: Mark| outcomes.iter().filter(|outcome| outcome.mark == mark).count();
    Counts {
        ok: of(Mark::Ok),
        warning: of(Mark::Warning),
        error: of(Mark::Error),
        skipped: of(Mark::Skipped),
    }
}

/// What the results are about, for a ticket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    /// Of the cluster, where it answered.
    pub kubernetes: Option<String>,
    /// Of Docker, where it was asked.
    pub docker: Option<String>,
}

/// The results for programs.
#[must_use]
pub fn json(outcomes: &[Outcome], versions: &Versions) -> Value {
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

    use super::*;
    use crate::checks::Remedy;
    use crate::checks::engine::Phase;
    use crate::workload::Workload;

    pub(super) fn outcomes() -> Vec<Outcome> {
        let outcome = |id, phase, mark, message: &str| Outcome {
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
            Outcome {
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
            Outcome {
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
