//! What `up` puts into the cluster: images, objects; and the wait until they work.

use std::path::PathBuf;

use irsa_emu_core::contract::DEFAULT_EMULATOR_IMAGE;

use super::options::{BackendKind, name_of};
use super::place::Place;
use super::{Made, Up};
use crate::cluster::target::Cluster;
use crate::error::{Attempt, CliError, Code, ExitStatus};
use crate::images::{self, Fetch, Loaded, OwnImage, Program};
use crate::manifests::base_credentials::BaseCredentials;
use crate::manifests::rollout::{self, Parts};
use crate::manifests::{self, Applied, Backend, Install, removal};
use crate::progress::seconds;

/// The minor version of Kubernetes 1 from which native sidecars are on by default.
const NATIVE_SIDECARS_SINCE: u32 = 29;

/// An image of ours: named by the user, or made here.
pub(super) enum Source {
    Named(String),
    Made(OwnImage),
}

impl Source {
    fn reference(&self) -> &str {
        match self {
            Self::Named(reference) => reference,
            Self::Made(image) => &image.reference,
        }
    }
}

/// The images of ours.
pub(super) struct Sources {
    webhook: Source,
    sidecar: Source,
}

impl Up<'_> {
    /// Makes the images of ours that the user did not name.
    pub(super) async fn sources(&self) -> Result<Sources, CliError> {
        let args = self.args;
        Ok(Sources {
            webhook: self
                .source(
                    Program::Webhook,
                    args.webhook_image.as_ref(),
                    args.webhook_binary.clone(),
                )
                .await?,
            sidecar: self
                .source(
                    Program::Sidecar,
                    args.sidecar_image.as_ref(),
                    args.sidecar_binary.clone(),
                )
                .await?,
        })
    }

    async fn source(
        &self,
        program: Program,
        named: Option<&String>,
        binary: Option<PathBuf>,
    ) -> Result<Source, CliError> {
        match named {
            Some(reference) => Ok(Source::Named(reference.clone())),
            None => self.build(program, binary).await.map(Source::Made),
        }
    }

    /// Puts all images on the nodes, where these are at hand; elsewhere the cluster pulls them.
    pub(super) async fn load(&self, place: &Place) -> Result<(), CliError> {
        let app = self.app;
        let Some((docker, nodes)) = &place.nodes else {
            return Ok(());
        };
        app.progress.step("putting the images on the nodes");
        let on_progress = |text: &str| app.progress.detail(text);
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
        if let Backend::Emulator { image } = &self.backend() {
            let fetch = if place.is_own {
                Fetch::Docker
            } else {
                Fetch::Cluster
            };
            let loaded = images::load_emulator(docker, nodes, image, fetch, &on_progress).await;
            count += usize::from(loaded.map_err(|error| failed(image, error))? == Loaded::Now);
        }
        if count == 0 {
            app.progress.done("unchanged");
        } else {
            app.progress.done(&format!("{count} loaded"));
        }
        Ok(())
    }

    async fn build(&self, program: Program, named: Option<PathBuf>) -> Result<OwnImage, CliError> {
        let attempted = || format!("making the image of {}", program.file_name());
        let path = if let Some(path) = named {
            path
        } else {
            let own = std::env::current_exe()
                .and_then(|path| path.canonicalize())
                .attempting(attempted)?;
            own.with_file_name(program.file_name())
        };
        let built = tokio::task::spawn_blocking(move || images::build(program, &path))
            .await
            .attempting(attempted)?;
        built.map_err(|error| CliError::hinted(attempted(), error))
    }

    /// Applies every object; answers how many were created or changed.
    pub(super) async fn apply(
        &self,
        place: &Place,
        base_credentials: Option<&BaseCredentials>,
    ) -> Result<usize, CliError> {
        let app = self.app;
        app.progress.step("applying irsa-emu");
        self.note_what_is_there(&place.cluster).await?;
        let install = Install {
            instance: app.instance.clone(),
            webhook_image: place.sources.webhook.reference().to_owned(),
            sidecar_image: place.sources.sidecar.reference().to_owned(),
            backend: self.backend(),
            region: self.args.region.clone(),
            default_delivery: name_of(&self.args.default_delivery),
            profile: name_of(&self.args.profile),
            native_sidecars: place.cluster.minor_version >= NATIVE_SIDECARS_SINCE,
            roles: name_of(&self.args.roles),
            issuer_aliases: self.args.issuer_aliases.clone(),
            compose_role_arn: self.args.compose_role_arn.clone(),
            host_endpoint: match self.args.backend {
                BackendKind::Emulator => place.host_port.map(host_endpoint),
                BackendKind::Aws => None,
            },
        };
        let attempted = || {
            format!(
                "applying irsa-emu to the cluster of context `{}`",
                place.cluster.context
            )
        };
        let mut changes = 0;
        for manifest in install.manifests().attempting(attempted)? {
            let applied = manifests::apply(&place.cluster.client, &manifest)
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
        if matches!(install.backend, Backend::Aws { .. }) {
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
    async fn note_what_is_there(&self, cluster: &Cluster) -> Result<(), CliError> {
        if !matches!(self.made(), Made::Nothing) {
            return Ok(());
        }
        let there = removal::everything(&cluster.client, &self.app.instance)
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
        let (parts, attempted) = match self.args.backend {
            BackendKind::Emulator => (
                Parts::WebhookAndEmulator,
                "waiting for the webhook and the emulator",
            ),
            BackendKind::Aws => (Parts::Webhook, "waiting for the webhook"),
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
            format!("{} --emulator-image {DEFAULT_EMULATOR_IMAGE}", app.command("up"))
        } else {
            app.command("doctor")
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
