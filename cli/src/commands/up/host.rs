//! What this machine lacks for a new cluster, by the doctor's checks, printed before one is made.

use irsa_emu_core::emulator;
use irsa_emu_core::install::Backend;
use irsa_emu_doctor::checks;
use irsa_emu_doctor::checks::engine::{self, Check, Mark};
use irsa_emu_doctor::checks::surroundings::Surroundings;
use irsa_emu_doctor::checks::surroundings::scope::Scope;
use irsa_emu_install::objects::emulator_options::AUTH_TOKEN;

use super::attempt::Up;

/// Those of the phase `host` with what a failing cluster would not show; `up` has the others itself.
const ASKED: [&str; 4] = ["host-cgroup", "host-image-store", "host-resources", "host-proxy"];

impl Up<'_> {
    /// Warns of what this machine lacks. What the program that makes the cluster can do without, it decides itself.
    pub(super) async fn warn_about_host(&self) {
        let all = checks::all();
        let asked: Vec<&Check<Surroundings<'_>>> =
            all.iter().filter(|check| ASKED.contains(&check.id)).collect();
        let surroundings = Surroundings::new(&self.app.session, Scope::default());
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
    pub(super) fn warn_about_licence(&self, has_token: bool) {
        let image = &self.images.emulator_image;
        let is_installed = self.args.install.backend == Backend::Emulator;
        if is_installed && !has_token && emulator::DEFAULT.licence.is_needed_by(image) {
            self.app.progress.warn(&format!(
                "the image {image} may not start without a licence, for which {AUTH_TOKEN} is needed; \
the last release that needs none is {}",
                emulator::DEFAULT.image
            ));
        }
    }
}
