//! The mark of the settings that shaped a Pod.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::input::InjectConfig;
use super::pod_plan::PodPlan;
use crate::grant::Grant;
use crate::rules::RuleEffect;

/// Everything but the Pod that shapes the patch.
#[derive(Serialize)]
struct Shape<'a> {
    config: &'a InjectConfig,
    effect: &'a RuleEffect,
    grant: &'a Grant,
    method: &'static str,
}

/// Twelve hexadecimal digits over everything but the Pod that shapes the patch: SHA-256 over JSON without spaces, with
/// fields in the order of their declarations and maps in the order of their keys. It does not depend on the compiler.
pub(super) fn config_hash(plan: &PodPlan<'_>) -> String {
    let shape = Shape {
        config: plan.input.config,
        effect: plan.input.effect,
        grant: plan.grant,
        method: plan.method.as_str(),
    };
    // Structures of texts, numbers and maps of texts: such JSON is always written.
    let text = serde_json::to_vec(&shape).unwrap_or_default();
    let digest = Sha256::digest(text);
    let first_bytes = digest
        .iter()
        .take(6)
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{first_bytes:012x}")
}
