//! Clusters: which one is meant, whether it is safe to touch, and how one is made.

pub mod choice;
pub mod config_file;
pub mod drift;
pub mod existing;
pub mod family;
pub mod host_port;
pub mod k3d;
pub mod kind;
pub mod nodes;
pub mod orphan;
pub mod ownership;
pub mod port;
pub mod provider;
pub mod proxies;
pub mod proxy;
pub mod tool;

use std::path::Path;

use self::existing::ExistingProvider;
use self::family::Family;
use self::k3d::K3dProvider;
use self::kind::KindProvider;
use self::provider::ClusterProvider;
use crate::exec::CommandRunner;
use crate::kubernetes::kubeconfig::Kubeconfigs;

/// The cluster that an install makes for itself.
#[must_use]
pub fn own<'a>(
    family: Family,
    cluster: &str,
    runner: &'a dyn CommandRunner,
    kubeconfig: Option<&Path>,
) -> Box<dyn ClusterProvider + 'a> {
    match family {
        Family::Kind => Box::new(KindProvider::new(cluster, runner, kubeconfig)),
        Family::K3d => Box::new(K3dProvider::new(
            cluster,
            runner,
            &Kubeconfigs::in_force(kubeconfig),
        )),
    }
}

/// A cluster that was there before.
#[must_use]
pub fn existing<'a>(context: &str) -> Box<dyn ClusterProvider + 'a> {
    Box::new(ExistingProvider::new(context))
}
