//! Of the Pods that something is wrong with, the first.

use crate::checks::engine::{Trouble, Verdict, fine, nothing};
use crate::checks::surroundings::pods::{Pod, Pods};
use crate::remedy::Remedy;

/// What is wrong with a Pod: the message, and the command that fixes it.
pub(super) type Wrong = (String, String);

/// The first Pod with which something is wrong, and how many more there are.
pub(super) fn judge(pods: &Pods, wrong: impl Fn(&Pod) -> Option<Wrong>) -> Verdict {
    if pods.list.is_empty() {
        return nothing("no Pod runs in the Namespaces that are looked at; see -n and -A");
    }
    let mut found = pods.list.iter().filter_map(|pod| Some((pod, wrong(pod)?)));
    let Some((pod, (message, fix))) = found.next() else {
        return fine(format!("{} Pod(s)", pods.list.len()));
    };
    let more = match found.count() {
        0 => String::new(),
        count => format!(" (and {count} more)"),
    };
    let trouble = Trouble::new(format!("{message}{more}"), fix).about(pod.title());
    Err(match &pod.workload {
        Some(workload) => trouble.repaired_by(Remedy::Restart(workload.clone())),
        None => trouble,
    })
}
