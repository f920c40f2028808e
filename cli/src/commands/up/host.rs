//! What this machine lacks for a new cluster, told before one is made. The doctor's checks ask.

use irsa_emu_core::contract::DEFAULT_EMULATOR_IMAGE;

use super::Up;
use crate::checks::engine::{self, Check, Mark};
use crate::checks::{self, Scope, Surroundings, needs_licence};
use crate::manifests::Backend;
use crate::manifests::auth_token::AUTH_TOKEN;

/// Those of the phase `host` that tell what a failing cluster would not; the others `up` asks in its own way.
const ASKED: [&str; 4] = ["host-cgroup", "host-image-store", "host-resources", "host-proxy"];

impl Up<'_> {
    /// Warns of what this machine lacks. What the program that makes the cluster can do without, it decides itself.
    pub(super) async fn mind_host(&self) {
        let all = checks::all();
        let asked: Vec<&Check<Surroundings<'_>>> =
            all.iter().filter(|check| ASKED.contains(&check.id)).collect();
        let surroundings = Surroundings::new(self.app, Scope::default());
        for outcome in engine::run(&asked, &surroundings, &|_| ()).await {
            if matches!(outcome.mark, Mark::Warning | Mark::Error) {
                let fix = outcome
                    .fix
                    .map_or_else(String::new, |fix| format!("\n  fix: {fix}"));
                self.app.progress.warn(&format!("{}{fix}", outcome.message));
            }
        }
    }

    /// Warns of an emulator that will probably not start.
    pub(super) fn mind_licence(&self, backend: &Backend) {
        if let Backend::Emulator {
            image, token: None, ..
        } = backend
            && needs_licence(image)
        {
            self.app.progress.warn(&format!(
                "the image {image} may not start without a licence, which {AUTH_TOKEN} would give it; \
the last release that needs none is {DEFAULT_EMULATOR_IMAGE}"
            ));
        }
    }
}
