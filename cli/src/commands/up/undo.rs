//! What a failed or interrupted `up` does about what it made.

use std::time::Duration;

use irsa_emu_cluster::kubernetes::connect::Cluster;
use irsa_emu_cluster::kubernetes::kubeconfig::CurrentContexts;
use irsa_emu_cluster::local;
use irsa_emu_cluster::local::family::Family;
use irsa_emu_cluster::local::proxies::Proxies;
use irsa_emu_install::removal;
use tokio::time::Instant;

use super::attempt::{Made, Up};

/// How long the removal of objects may take; whoever pressed Ctrl-C waits for it.
const REMOVAL_TIMEOUT: Duration = Duration::from_mins(1);
/// What a program had asked Docker for when it was stopped may appear only after this.
const LATE: Duration = Duration::from_millis(700);

impl Up<'_> {
    /// Undoes what is half made, and after a signal all that this run made; else prints what stays.
    pub(super) async fn undo(&self, interrupted: bool, before: &CurrentContexts) {
        let app = self.app;
        let (made, keep) = (self.made(), self.args.keep_on_failure);
        match made {
            Made::HalfCluster(family) if !keep => self.remove_cluster(family, before).await,
            Made::Cluster(family) if interrupted && !keep => self.remove_cluster(family, before).await,
            Made::Install(cluster) if interrupted && !keep => self.remove_install(&cluster).await,
            Made::HalfCluster(_) | Made::Cluster(_) => {
                app.progress.note(&format!(
                    "the cluster is kept: look with `{}`, or remove it with `{}`",
                    app.session.command("doctor"),
                    app.session.command("down")
                ));
            }
            Made::Install(_) | Made::Changes => {
                app.progress.note(&format!(
                    "what was applied stays in the cluster: `{}` continues, `{}` removes it",
                    app.session.command("up"),
                    app.session.command("down")
                ));
            }
            Made::Nothing => {}
        }
    }

    /// Deletes the cluster that this run made, and reports it.
    async fn remove_cluster(&self, family: Family, before: &CurrentContexts) {
        let app = self.app;
        app.progress.step(&format!(
            "removing the cluster {} that this run had started to create",
            app.session.instance
        ));
        let cluster = local::own(
            family,
            &app.session.instance,
            app.session.runner.as_ref(),
            app.session.kubeconfig.as_deref(),
        );
        let removed = async {
            cluster.delete().await?;
            tokio::time::sleep(LATE).await;
            cluster.delete().await?;
            // kind had made its context the current one, and leaves none.
            before.restore()?;
            app.state().end();
            anyhow::Ok(())
        };
        self.tell(removed.await.map(|()| "removed".to_owned()));
    }

    /// Removes the objects that this run put into a cluster that was there before.
    async fn remove_install(&self, cluster: &Cluster) {
        let app = self.app;
        app.progress
            .step(&format!("removing what this run put into {}", cluster.context));
        let deadline = Instant::now() + REMOVAL_TIMEOUT;
        let removed = async {
            let (client, instance) = (&cluster.client, &app.session.instance);
            let gone = removal::remove(client, instance, deadline, app.progress.as_ref()).await?;
            let proxies =
                Proxies::leaving(app.session.runner.as_ref(), instance, Some(&cluster.context)).await?;
            proxies.remove().await?;
            anyhow::Ok(format!("{} objects are gone", gone.len()))
        };
        self.tell(removed.await);
    }

    fn tell(&self, removed: anyhow::Result<String>) {
        let app = self.app;
        match removed {
            Ok(result) => app.progress.done(&result),
            Err(error) => {
                app.progress.failed();
                app.progress.warn(&format!(
                    "it could not be removed ({error}); remove it with: {}",
                    app.session.command("down")
                ));
            }
        }
    }
}
