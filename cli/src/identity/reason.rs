//! Why STS refused: the Event that the STS front writes where AWS gives no reason.

use std::time::Duration;

use irsa_emu_core::contract::WEBHOOK;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ListParams;
use kube::{Api, Client};
use time::OffsetDateTime;

use super::account::AccountName;

/// Events are written in the background: how often to look, and how long to wait between two looks.
const LOOKS: u32 = 15;
const PAUSE: Duration = Duration::from_millis(150);
/// How far the clocks of this machine and of the cluster may be apart.
const SKEW: time::Duration = time::Duration::seconds(2);
/// An exchange that is repeated ten times within ten seconds is reported no further: then an Event of this age serves.
const RECENT: time::Duration = time::Duration::seconds(15);

/// The reason of a refusal at this time, where one is found.
pub(super) async fn of(
    client: &Client,
    account: &AccountName,
    role: &str,
    since: OffsetDateTime,
) -> Option<String> {
    let events = Api::<Event>::namespaced(client.clone(), &account.namespace);
    let params = ListParams::default().fields("reason=AccessDenied");
    for look in 1..=LOOKS {
        // Who may not read Events gets no reason.
        let found = events.list(&params).await.ok()?.items;
        let oldest = since - if look == LOOKS { RECENT } else { SKEW };
        if let Some(reason) = newest(&found, account, role, oldest) {
            return Some(reason);
        }
        tokio::time::sleep(PAUSE).await;
    }
    None
}

/// The note of the newest Event about this ServiceAccount and role, unless all are too old.
fn newest(events: &[Event], account: &AccountName, role: &str, oldest: OffsetDateTime) -> Option<String> {
    let oldest = i64::try_from(oldest.unix_timestamp_nanos() / 1_000_000).ok()?;
    let is_meant = |event: &&Event| {
        let regarding = event.regarding.as_ref();
        event.reporting_controller.as_deref() == Some(WEBHOOK)
            && event.reason.as_deref() == Some("AccessDenied")
            && regarding.and_then(|object| object.name.as_deref()) == Some(&account.name)
    };
    let told = events.iter().filter(is_meant).filter_map(|event| {
        let note = event.note.as_deref()?.strip_prefix(role)?.strip_prefix(": ")?;
        let last = last_seen(event)?;
        (last >= oldest).then_some((last, note))
    });
    told.max_by_key(|(last, _)| *last)
        .map(|(_, note)| note.to_owned())
}

/// When an Event was last observed, in milliseconds since 1970.
fn last_seen(event: &Event) -> Option<i64> {
    let series = event.series.as_ref().map(|series| &series.last_observed_time);
    let MicroTime(time) = series.or(event.event_time.as_ref())?;
    Some(time.as_millisecond())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_event_of_this_refusal_is_the_reason() {
        let event = |name: &str, note: &str, at: &str, again: Option<&str>| -> Event {
            let mut event = json!({
                "metadata": {"name": "e"}, "reason": "AccessDenied", "note": note, "eventTime": at,
                "regarding": {"kind": "ServiceAccount", "namespace": "shop", "name": name},
                "reportingController": "irsa-emu-webhook",
            });
            if let Some(again) = again {
                event["series"] = json!({"count": 2, "lastObservedTime": again});
            }
            serde_json::from_value(event).unwrap()
        };
        let account = AccountName::parse("shop/app").unwrap();
        let at = |minute: u8| format!("2026-01-01T00:{minute:02}:00.000000Z");
        let events = [
            event("app", "arn:a: first", &at(1), Some(&at(9))),
            event("app", "arn:a: second", &at(5), None),
            event("app", "arn:ab: of another role", &at(10), None),
            event("other", "arn:a: of another", &at(10), None),
        ];
        let oldest = |minute: i64| {
            OffsetDateTime::from_unix_timestamp(1_767_225_600).unwrap() + time::Duration::minutes(minute)
        };
        let found = |events: &[Event], minute| newest(events, &account, "arn:a", oldest(minute));
        assert_eq!(found(&events, 4).as_deref(), Some("first"), "it was seen again");
        assert_eq!(found(&events[1..], 4).as_deref(), Some("second"));
        assert_eq!(found(&events[1..], 6), None, "too old");
        assert_eq!(found(&events[2..], 0), None, "of others");
    }
}
