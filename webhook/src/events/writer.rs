//! Writes Events. kube's own recorder takes what has the same reason for the same, and keeps the first note: a second
//! refusal, for another reason in words, would show the words of the first.

use std::time::Instant;

use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::memory::{Memory, Step};
use super::told::Told;

/// Who writes them.
const REPORTER: &str = "irsa-emu-webhook";
/// The longest name of an object.
const LONGEST_NAME: usize = 253;

pub(super) struct Writer {
    client: Client,
    memory: Memory,
}

impl Writer {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            memory: Memory::default(),
        }
    }

    /// Writes what is reported as an Event, or into an existing one.
    pub(super) async fn write(&mut self, told: &Told) -> kube::Result<()> {
        match self.memory.step(told, Instant::now()) {
            Step::Nothing => Ok(()),
            Step::Create { note } => self.create(told, note).await,
            Step::Count { note, name, count } => match self.count(told, &name, count).await {
                // Somebody deleted it, or all of its Namespace.
                Err(kube::Error::Api(status)) if status.code == 404 => self.create(told, note).await,
                Err(error) => Err(error),
                Ok(()) => {
                    self.memory.wrote(told, &note, &name, count, Instant::now());
                    Ok(())
                }
            },
        }
    }

    async fn create(&mut self, told: &Told, note: String) -> kube::Result<()> {
        let event = event(told, &note, Timestamp::now());
        self.api(told).create(&PostParams::default(), &event).await?;
        let name = event.metadata.name.unwrap_or_default();
        self.memory.wrote(told, &note, &name, 1, Instant::now());
        Ok(())
    }

    async fn count(&self, told: &Told, name: &str, count: i32) -> kube::Result<()> {
        let series = EventSeries {
            count,
            last_observed_time: MicroTime(Timestamp::now()),
        };
        let patch = Patch::Merge(json!({"series": series}));
        self.api(told)
            .patch(name, &PatchParams::default(), &patch)
            .await
            .map(drop)
    }

    fn api(&self, told: &Told) -> Api<Event> {
        let namespace = told.object.namespace.as_deref().unwrap_or("default");
        Api::namespaced(self.client.clone(), namespace)
    }
}

/// The Event of something that is reported for the first time.
fn event(told: &Told, note: &str, now: Timestamp) -> Event {
    Event {
        metadata: ObjectMeta {
            namespace: told.object.namespace.clone(),
            name: Some(name(told.object.name.as_deref().unwrap_or(REPORTER), now)),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        type_: Some(told.type_.as_str().to_owned()),
        reason: Some(told.reason.clone()),
        note: Some(note.to_owned()),
        action: Some(told.action.clone()),
        regarding: Some(told.object.clone()),
        reporting_controller: Some(REPORTER.to_owned()),
        reporting_instance: Some(REPORTER.to_owned()),
        ..Event::default()
    }
}

/// The name of an Event: that of its object, as far as it fits, and the time.
fn name(object: &str, now: Timestamp) -> String {
    let time = format!(".{:x}", now.as_nanosecond());
    // Names of objects are ASCII.
    let fits = object.get(..LONGEST_NAME - time.len()).unwrap_or(object);
    let fits = fits.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    format!("{fits}{time}")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::http::{Request, Response};
    use kube::client::Body;
    use serde_json::Value;

    use super::super::tests::told;
    use super::*;

    /// What an API server was sent: method, path and body.
    type Sent = Arc<Mutex<Vec<(String, String, Value)>>>;

    /// A writer at an API server that knows no Event whose note is `lost`.
    fn writer() -> (Writer, Sent) {
        let sent = Sent::default();
        let seen = Arc::clone(&sent);
        let service = tower::service_fn(move |request: Request<Body>| {
            let seen = Arc::clone(&seen);
            async move {
                let (parts, body) = request.into_parts();
                let body = serde_json::from_slice::<Value>(&body.collect_bytes().await.unwrap()).unwrap();
                let is_lost = parts.method == "PATCH" && parts.uri.path().contains("/lost.");
                let (code, answer) = if is_lost {
                    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404});
                    (404, status)
                } else {
                    (
                        200,
                        json!({"metadata": {"name": "x"}, "eventTime": "2026-01-01T00:00:00.000000Z"}),
                    )
                };
                let line = (parts.method.to_string(), parts.uri.path().to_owned(), body);
                seen.lock().unwrap().push(line);
                let body = Body::from(answer.to_string().into_bytes());
                Ok::<_, std::convert::Infallible>(Response::builder().status(code).body(body).unwrap())
            }
        });
        (Writer::new(Client::new(service, "n")), sent)
    }

    #[tokio::test]
    async fn another_note_of_the_same_reason_is_written_and_the_same_one_counted() {
        let (mut writer, sent) = writer();
        for note in ["no annotation", "no annotation", "no trust"] {
            writer.write(&told("app", note)).await.unwrap();
        }
        let sent = sent.lock().unwrap();
        assert_eq!(sent.len(), 3, "{sent:?}");
        let (first, second, third) = (&sent[0], &sent[1], &sent[2]);
        let events = "/apis/events.k8s.io/v1/namespaces/n/events";
        assert_eq!((&*first.0, &*first.1), ("POST", events));
        assert_eq!(
            (
                &first.2["note"],
                &first.2["reason"],
                &first.2["regarding"]["name"]
            ),
            (&json!("no annotation"), &json!("AccessDenied"), &json!("app"))
        );
        let name = first.2["metadata"]["name"].as_str().unwrap();
        assert_eq!((&*second.0, &*second.1), ("PATCH", &*format!("{events}/{name}")));
        assert_eq!(second.2["series"]["count"], 2);
        // Kubernetes takes no change of anything else.
        assert_eq!(second.2.as_object().unwrap().len(), 1);
        assert_eq!((&*third.0, &third.2["note"]), ("POST", &json!("no trust")));
    }

    #[tokio::test]
    async fn an_event_that_was_deleted_is_written_anew() {
        let (mut writer, sent) = writer();
        for _ in 0..2 {
            writer.write(&told("lost", "a")).await.unwrap();
        }
        let sent = sent.lock().unwrap();
        let methods: Vec<&str> = sent.iter().map(|(method, ..)| method.as_str()).collect();
        assert_eq!(methods, ["POST", "PATCH", "POST"]);
    }

    #[test]
    fn the_name_of_an_event_is_one_that_kubernetes_accepts() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        assert_eq!(name("app", now), "app.18d75b8423f30000");
        let long = format!("{}.{}", "a".repeat(235), "b".repeat(17));
        let name = name(&long, now);
        assert!(
            name.len() <= LONGEST_NAME && name.starts_with(&"a".repeat(235)),
            "{name}"
        );
        assert!(!name.contains(".."), "{name}");
    }
}
