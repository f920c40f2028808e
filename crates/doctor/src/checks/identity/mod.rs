//! Tokens and roles: who asks for which role, whether it is there, and whether it lets them in.

mod annotations;
mod exchange;
mod roles;

use futures::FutureExt;

use super::engine::{Check, Phase, Severity};
use crate::checks::surroundings::Surroundings;

pub(super) fn checks<'x>() -> Vec<Check<Surroundings<'x>>> {
    vec![
        Check {
            id: "sa-annotation",
            phase: Phase::Identity,
            needs: &["k8s-core-ready"],
            severity: Severity::Error,
            title: "annotations of ServiceAccounts have known keys, and values that work",
            run: |s| annotations::spelt(s).boxed(),
        },
        Check {
            id: "role-exists",
            phase: Phase::Identity,
            needs: &["emu-services"],
            severity: Severity::Error,
            title: "the roles that annotations name exist",
            run: |s| roles::exist(s).boxed(),
        },
        Check {
            id: "role-trust",
            phase: Phase::Identity,
            needs: &["role-exists", "k8s-oidc"],
            severity: Severity::Error,
            title: "those roles allow exactly the ServiceAccounts that name them",
            run: |s| roles::trust(s).boxed(),
        },
        Check {
            id: "sts-webidentity",
            phase: Phase::Identity,
            needs: &["k8s-oidc", "emu-services", "wh-ready"],
            severity: Severity::Error,
            title: "STS exchanges a ServiceAccount's token for its role, and makes no role that is not named for it",
            run: |s| exchange::web_identity(s).boxed(),
        },
    ]
}
