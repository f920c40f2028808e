//! The keeper at an emulator that chooses the ids of keys itself, or does not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

const WANTED: &str = "f4f7a2e2-c5c6-ea6d-dc42-526ef280e794";

/// A KMS: the states of its keys by id, how many it has made, and whether it takes the id that it is asked for.
#[derive(Default)]
struct Kms {
    keys: BTreeMap<String, &'static str>,
    made: usize,
    takes_ids: bool,
    refuses_deletion: bool,
    /// Its responses have no body.
    returns_nothing: bool,
}

type Shared = Arc<Mutex<Kms>>;

async fn answer(State(kms): State<Shared>, headers: HeaderMap, body: String) -> (StatusCode, String) {
    let mut kms = kms.lock().unwrap();
    if kms.returns_nothing {
        return (StatusCode::OK, String::new());
    }
    let request: Value = serde_json::from_str(&body).unwrap();
    let action = headers["x-amz-target"].to_str().unwrap().rsplit('.').next();
    let asked = request["KeyId"].as_str().unwrap_or_default().to_owned();
    let missing = || {
        let error = json!({"__type": "NotFoundException", "message": "no such key"});
        (StatusCode::BAD_REQUEST, error.to_string())
    };
    let answer = match action.unwrap() {
        "CreateKey" => {
            kms.made += 1;
            let id = if kms.takes_ids {
                request["Tags"][0]["TagValue"].as_str().unwrap().to_owned()
            } else {
                format!("00000000-0000-4000-8000-{:012}", kms.made)
            };
            kms.keys.insert(id.clone(), "Enabled");
            json!({"KeyMetadata": {"KeyId": id, "KeyState": "Enabled"}})
        }
        "DescribeKey" => match kms.keys.get(&asked) {
            Some(state) => json!({"KeyMetadata": {"KeyId": asked, "KeyState": state}}),
            None => return missing(),
        },
        "ScheduleKeyDeletion" if kms.refuses_deletion => {
            let error = json!({"__type": "UnsupportedOperationException", "message": "never"});
            return (StatusCode::BAD_REQUEST, error.to_string());
        }
        "ScheduleKeyDeletion" => {
            kms.keys.insert(asked.clone(), "PendingDeletion");
            json!({"KeyId": asked})
        }
        other => unreachable!("{other}"),
    };
    (StatusCode::OK, answer.to_string())
}

/// An emulator with this KMS.
async fn emulator(kms: &Shared) -> Emulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(Arc::clone(kms));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Emulator::new(&url)
}

fn recipe() -> Recipe {
    let spec = json!({"account": "123456789012", "region": "us-east-1", "kms": {"keys": [{"id": WANTED}]}});
    let mut recipe = Recipe::new("r", serde_json::from_value(spec).unwrap());
    recipe.metadata.generation = Some(1);
    recipe
}

/// One look, and what is written down of it.
async fn look(emulator: &Emulator, recipe: &mut Recipe, instead: &mut MadeInstead) {
    let seed = KeySeed::from([7; irsa_emu_core::recipe::SEED_BYTES]);
    let kept = look_after(emulator, Some(&seed), "issuer", recipe, &[], instead).await;
    let now = time::OffsetDateTime::UNIX_EPOCH;
    recipe.status = Some(status::next(
        recipe,
        &RecipeState::Kept(kept.unwrap()),
        Some("http://e"),
        now,
    ));
}

fn made_instead(recipe: &Recipe) -> Option<&str> {
    recipe.status.as_ref()?.resources[0].made_instead.as_deref()
}

#[tokio::test]
async fn a_key_of_another_id_is_deleted_again_and_told_and_no_second_one_is_made() {
    let kms = Shared::default();
    let (emulator, mut recipe) = (emulator(&kms).await, recipe());
    let mut instead = MadeInstead::default();
    for _ in 0..3 {
        look(&emulator, &mut recipe, &mut instead).await;
        let first = "00000000-0000-4000-8000-000000000001";
        assert_eq!(made_instead(&recipe), Some(first));
        assert_eq!(kms.lock().unwrap().made, 1);
        assert_eq!(kms.lock().unwrap().keys[first], "PendingDeletion");
        let status = recipe.status.as_ref().unwrap();
        assert!(!status.is_ready(1));
        let message = status.message().unwrap();
        assert!(
            message.contains(&format!("id {first} instead of {WANTED}"))
                && message.contains("will be deleted"),
            "{message}"
        );
    }
    // Another leader knows it from the status.
    look(&emulator, &mut recipe, &mut MadeInstead::default()).await;
    assert_eq!(kms.lock().unwrap().made, 1);
    // A Recipe that changed is tried.
    recipe.metadata.generation = Some(2);
    look(&emulator, &mut recipe, &mut instead).await;
    look(&emulator, &mut recipe, &mut instead).await;
    assert_eq!(kms.lock().unwrap().made, 2);
    // So is an emulator that has lost its memory: this one takes the id.
    *kms.lock().unwrap() = Kms {
        takes_ids: true,
        ..Kms::default()
    };
    look(&emulator, &mut recipe, &mut instead).await;
    assert_eq!((kms.lock().unwrap().made, made_instead(&recipe)), (1, None));
    assert!(recipe.status.as_ref().unwrap().is_ready(2));
}

#[tokio::test]
async fn a_key_that_cannot_be_deleted_is_told_and_its_deletion_tried_again() {
    let kms = Shared::default();
    kms.lock().unwrap().refuses_deletion = true;
    let (emulator, mut recipe) = (emulator(&kms).await, recipe());
    let mut instead = MadeInstead::default();
    for _ in 0..2 {
        look(&emulator, &mut recipe, &mut instead).await;
        let message = recipe.status.as_ref().unwrap().message().unwrap().to_owned();
        assert!(
            message
                .contains("could not be deleted (ScheduleKeyDeletion: UnsupportedOperationException: never)"),
            "{message}"
        );
    }
    kms.lock().unwrap().refuses_deletion = false;
    look(&emulator, &mut recipe, &mut instead).await;
    assert_eq!(kms.lock().unwrap().made, 1);
    assert!(
        kms.lock()
            .unwrap()
            .keys
            .values()
            .all(|state| *state == "PendingDeletion")
    );
}

#[tokio::test]
async fn a_response_without_a_body_shows_no_key() {
    let kms = Shared::default();
    kms.lock().unwrap().returns_nothing = true;
    let (emulator, mut recipe) = (emulator(&kms).await, recipe());
    look(&emulator, &mut recipe, &mut MadeInstead::default()).await;
    let status = recipe.status.as_ref().unwrap();
    assert!(!status.is_ready(1));
    let message = status.message().unwrap();
    assert!(
        message.ends_with("DescribeKey: the emulator returned no key"),
        "{message}"
    );
    assert_eq!(kms.lock().unwrap().made, 0);
}
