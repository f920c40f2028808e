//! What `up` puts into the cluster: images, objects; and the wait until they work.

use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_cluster::images::{self, Fetch, Loaded, Source, Sources};
use irsa_emu_cluster::kubernetes::apply::{self, Applied};
use irsa_emu_cluster::kubernetes::connect::Cluster;
use irsa_emu_cluster::progress::seconds;
use irsa_emu_core::emulator;
use irsa_emu_core::install::Backend;
use irsa_emu_install::objects::base_credentials::BaseCredentials;
use irsa_emu_install::objects::install::Install;
use irsa_emu_install::objects::runs_native_sidecars;
use irsa_emu_install::removal;
use irsa_emu_install::rollout::{self, Parts};

use super::attempt::{Made, Up};
use super::place::Place;
use crate::error::{Attempt, CliError};

impl Up<'_> {
    /// Puts all images on the nodes, where these are at hand; elsewhere the cluster pulls them.
    pub(super) async fn load(&self, place: &Place) -> Result<(), CliError> {
        let app = self.app;
        let Some((docker, nodes)) = &place.nodes else {
            return Ok(());
        };
        app.progress.step("putting the images on the nodes");
        let on_progress = |text: &str| app.progress.detail(text);
        if let Some(bundle) = &self.bundle {
            let loaded = images::load_bundle(docker, nodes, bundle, &on_progress).await;
            let count = loaded.map_err(|error| {
                CliError::hinted(
                    format!("putting the images of {} on the nodes", bundle.path.display()),
                    error,
                )
            })?;
            app.progress.done(&images::loaded_text(count));
            return Ok(());
        }
        let failed = |reference: &str, error| {
            CliError::hinted(format!("putting the image {reference} on the nodes"), error)
        };
        let mut count = 0;
        for source in [&place.sources.webhook, &place.sources.sidecar] {
            if let Source::Made(image) = source {
                let loaded = images::load_own(docker, nodes, image, &on_progress).await;
                let loaded = loaded.map_err(|error| failed(&image.reference, error))?;
                count += usize::from(loaded == Loaded::Now);
            }
        }
        if self.args.install.backend == Backend::Emulator {
            let image = &self.images.emulator_image;
            let fetch = if place.is_own {
                Fetch::Docker
            } else {
                Fetch::Cluster
            };
            let loaded = images::load_emulator(docker, nodes, image, fetch, &on_progress).await;
            count += usize::from(loaded.map_err(|error| failed(image, error))? == Loaded::Now);
        }
        app.progress.done(&images::loaded_text(count));
        Ok(())
    }

    /// What is to be installed. Of a cluster that is not there yet the newest version is assumed.
    pub(super) fn install(
        &self,
        sources: &Sources,
        cluster: Option<&Cluster>,
        host_port: Option<u16>,
    ) -> Install {
        let native_sidecars = cluster.is_none_or(|cluster| runs_native_sidecars(cluster.minor_version));
        let references = self.images.references(sources);
        let install = self.args.install.install(
            &self.app.session.instance,
            references,
            &self.args.emulator.options(),
            native_sidecars,
        );
        Install {
            host_endpoint: match self.args.install.backend {
                Backend::Emulator => host_port.map(host_endpoint),
                Backend::Aws => None,
            },
            ..install
        }
    }

    /// Applies every object; returns how many were created or changed.
    pub(super) async fn apply(
        &self,
        place: &Place,
        base_credentials: Option<&BaseCredentials>,
    ) -> Result<usize, CliError> {
        let app = self.app;
        app.progress.step("applying irsa-emu");
        self.note_what_is_there(&place.cluster).await?;
        let install = self
            .install(&place.sources, Some(&place.cluster), place.host_port)
            .with_token(self.token_mark(&place.cluster).await?);
        if !matches!(self.made(), Made::Cluster(_)) {
            self.warn_about_licence(install.emulator.token.is_some());
        }
        let attempted = || {
            format!(
                "applying irsa-emu to the cluster of context `{}`",
                place.cluster.context
            )
        };
        let mut changes = 0;
        for manifest in self.manifests(&install).attempting(attempted)? {
            let applied = apply::apply(&place.cluster.client, &manifest)
                .await
                .attempting(attempted)?;
            tracing::debug!(object = manifest.title(), ?applied, "applied");
            let word = match applied {
                Applied::Unchanged => continue,
                Applied::Created => "created",
                Applied::Changed => "changed",
            };
            changes += 1;
            app.progress.detail(&format!("{word} {}", manifest.title()));
        }
        if install.settings.backend == Backend::Aws {
            changes += self
                .prepare_aws(&place.cluster, &install, base_credentials)
                .await?;
        }
        if changes == 0 {
            app.progress.done("unchanged");
        } else {
            app.progress.done(&format!("{changes} created or changed"));
        }
        Ok(changes)
    }

    /// Remembers, before anything is applied, whether all that will be there is this run's.
    pub(super) async fn note_what_is_there(&self, cluster: &Cluster) -> Result<(), CliError> {
        if !matches!(self.made(), Made::Nothing) {
            return Ok(());
        }
        let there = removal::everything(&cluster.client, &self.app.session.instance)
            .await
            .attempting(|| {
                format!(
                    "looking for irsa-emu in the cluster of context `{}`",
                    cluster.context
                )
            })?;
        self.record(if there.is_empty() {
            Made::Install(cluster.clone())
        } else {
            Made::Changes
        });
        Ok(())
    }

    pub(super) async fn wait(&self, cluster: &Cluster) -> Result<(), CliError> {
        let app = self.app;
        let (parts, attempted) = match self.args.install.backend {
            Backend::Emulator => (
                Parts::WebhookAndEmulator,
                "waiting for the webhook and the emulator",
            ),
            Backend::Aws => (Parts::Webhook, "waiting for the webhook"),
        };
        app.progress.step(attempted);
        let waited = rollout::wait(&cluster.client, parts, self.deadline(), app.progress.as_ref()).await;
        let Err(pending) = waited else {
            app.progress.done("ready");
            return Ok(());
        };
        let list: Vec<String> = pending.iter().map(|pending| format!("\n  - {pending}")).collect();
        let hopeless = pending.iter().any(|pending| pending.hopeless);
        let (exit, code, why) = if hopeless {
            (
                ExitStatus::Failed,
                Code::Failed,
                "waiting cannot help:".to_owned(),
            )
        } else {
            (
                ExitStatus::Timeout,
                Code::NotReady,
                format!("not ready within {}:", seconds(self.args.timeout)),
            )
        };
        let next = if hopeless {
            format!(
                "{} --emulator-image {}",
                app.session.command("up"),
                emulator::DEFAULT.image
            )
        } else {
            app.session.command("doctor")
        };
        let why = format!("{why}{}", list.concat());
        let pending: Vec<String> = pending.iter().map(ToString::to_string).collect();
        Err(CliError::because(exit, attempted, why)
            .code(code)
            .detail("pending", pending)
            .next(next))
    }
}

pub(super) fn host_endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
