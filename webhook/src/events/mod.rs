//! Events: what people should know of who are not there when it happens. Written in the background, never waited for.

mod memory;
mod told;
mod writer;

use std::sync::Arc;
use std::time::Instant;

use irsa_emu_core::plan::PlanOutcome;
use irsa_emu_core::pod_view::PodView;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use tokio::sync::mpsc;

use crate::throttle::Throttle;
pub(crate) use told::EventType;
use told::Told;
use writer::Writer;

/// Events that wait to be written; more are dropped, as their like will come again.
const WAITING: usize = 128;
/// Kubernetes accepts notes of so many bytes (`events.k8s.io/v1`).
const LONGEST_NOTE: usize = 1024;

/// Where Events are handed in.
#[derive(Clone)]
pub(crate) struct Events {
    waiting: mpsc::Sender<Told>,
    /// Each Event is a write of the API server, and whoever makes mistakes makes them again and again.
    throttle: Arc<Throttle<[String; 4]>>,
}

impl Events {
    /// The sink, and the task that writes what comes in, without end.
    pub(crate) fn new(client: Client) -> (Self, impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let (sender, mut waiting) = mpsc::channel::<Told>(WAITING);
        let mut writer = Writer::new(client);
        let publishing = async move {
            while let Some(told) = waiting.recv().await {
                if let Err(error) = writer.write(&told).await {
                    tracing::warn!(%error, "cannot write an Event");
                }
            }
            Ok(())
        };
        (Self::into(sender), publishing)
    }

    fn into(waiting: mpsc::Sender<Told>) -> Self {
        Self {
            waiting,
            throttle: Arc::default(),
        }
    }

    /// A sink whose Events nobody writes.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self::into(mpsc::channel(1).0)
    }

    /// Reports probable mistakes to the owner of a Pod: warnings of an admission reach `kubectl` only for Pods made by hand.
    pub(crate) fn mistakes(&self, pod: &PodView<'_>, namespace: &str, outcome: &PlanOutcome) {
        let (PlanOutcome::Patched { warnings, .. } | PlanOutcome::Skipped { warnings, .. }) = outcome else {
            return;
        };
        if warnings.is_empty() {
            return;
        }
        if let Some(owner) = owner(pod, namespace) {
            self.write(
                owner,
                EventType::Warning,
                "AWSIdentity",
                "Admission",
                warnings.join("; "),
            );
        }
    }

    /// Reports to a ServiceAccount what became of its request for a role.
    pub(crate) fn exchange(&self, namespace: &str, name: &str, type_: EventType, reason: &str, note: String) {
        let account = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("ServiceAccount".to_owned()),
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            ..ObjectReference::default()
        };
        self.write(account, type_, reason, "AssumeRoleWithWebIdentity", note);
    }

    fn write(&self, object: ObjectReference, type_: EventType, reason: &str, action: &str, note: String) {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let cause = [
            text(&object.kind),
            text(&object.namespace),
            text(&object.name),
            reason.to_owned(),
        ];
        if self.throttle.admit(cause, Instant::now()).is_none() {
            return;
        }
        let told = Told {
            object,
            type_,
            reason: reason.to_owned(),
            action: action.to_owned(),
            note: cut(note),
        };
        // Where the queue is full, the next of its kind reports it again.
        let _ = self.waiting.try_send(told);
    }
}

/// As much of a note as Kubernetes accepts.
fn cut(mut note: String) -> String {
    let mut end = LONGEST_NOTE.min(note.len());
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note.truncate(end);
    note
}

/// The controller that made a Pod.
fn owner(pod: &PodView<'_>, namespace: &str) -> Option<ObjectReference> {
    let owner = pod.controller()?;
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Some(ObjectReference {
        api_version: Some(text(&owner.api_version)?),
        kind: Some(text(&owner.kind)?),
        name: Some(text(&owner.name)?),
        uid: text(&owner.uid),
        namespace: Some(namespace.to_owned()),
        ..ObjectReference::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A refusal of a ServiceAccount.
    pub(super) fn told(name: &str, note: &str) -> Told {
        Told {
            object: ObjectReference {
                kind: Some("ServiceAccount".into()),
                namespace: Some("n".into()),
                name: Some(name.into()),
                ..ObjectReference::default()
            },
            type_: EventType::Warning,
            reason: "AccessDenied".into(),
            action: "AssumeRoleWithWebIdentity".into(),
            note: note.into(),
        }
    }

    #[test]
    fn only_the_controller_of_a_pod_is_its_owner() {
        let pod = json!({"metadata": {"ownerReferences": [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "1"},
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "app-1", "uid": "2", "controller": true}]}});
        let owner = owner(&PodView::of(&pod).unwrap(), "n").unwrap();
        assert_eq!(
            (
                owner.kind.as_deref(),
                owner.name.as_deref(),
                owner.namespace.as_deref()
            ),
            (Some("ReplicaSet"), Some("app-1"), Some("n"))
        );
        for pod in [
            json!({}),
            json!({"metadata": {"ownerReferences": [{"kind": "x"}]}}),
            json!({"metadata": {"ownerReferences": [{"kind": "x", "controller": true}]}}),
        ] {
            assert!(super::owner(&PodView::of(&pod).unwrap(), "n").is_none(), "{pod}");
        }
    }

    #[test]
    fn a_note_is_cut_where_kubernetes_would_refuse_it() {
        let long = cut("é".repeat(2000));
        assert!(long.len() <= LONGEST_NOTE && long.starts_with('é'));
    }
}
