//! What `doctor --fix` can do: only what is safe to repeat.

use irsa_emu_cluster::kubernetes::workload::Workload;

/// A repair.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// `irsa-emu up`, with the settings that the install has: applies everything again, and loads images.
    Up,
    /// Replaces the Pods of a workload, one after the other.
    Restart(Workload),
}
