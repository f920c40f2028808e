//! Ten thousand requests to the STS front that mean harm.

use std::time::{Duration, Instant};

use irsa_emu_test_support::hostile::{self, Role, Target};
use irsa_emu_test_support::issuer::Issuer;

use crate::world::{World, role};

const REQUESTS: usize = 10_000;
/// What the process may grow by, in KiB; its limit in the cluster is 128 MiB.
const GROWTH: u64 = 32 * 1024;
/// ServiceAccounts that the refused tokens speak for: `good`, `other` and one that cannot be.
const SUBJECTS: usize = 3;
/// Events: five of the roles that the first of these asks for, which the attackers choose, one for the rest of them, and one
/// of each other subject.
const EVENTS: usize = 8;
/// What it may write on average for each request, in bytes.
const LOG: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hostile_requests_leave_the_front_as_it_was() {
    let mut world = World::start().await;
    let good = world.token("good");
    let (status, answer) = world.exchange(&role("good"), &good).await;
    assert_eq!(status, 200, "{answer}\n{}", world.webhook.log().unwrap());
    let (before, log) = (
        world.webhook.resident().unwrap(),
        world.webhook.log().unwrap().len(),
    );
    let (keys, events) = (world.api.asked("/jwks"), world.api.asked("/events"));

    let knowledge = Role {
        arn: role("other-foreign"),
        good_token: good.clone(),
        bad_tokens: bad_tokens(&world),
    };
    let target = Target::new(world.sts, REQUESTS);
    let began = Instant::now();
    let attack = tokio::task::spawn_blocking(move || hostile::on_the_front(&target, &knowledge));
    let (report, held) = attack.await.unwrap().unwrap();
    let asked = Instant::now();
    let (status, answer) = world.exchange(&role("good"), &good).await;
    let at_once = asked.elapsed();
    let took = began.elapsed();
    drop(held);

    let (after, most) = (
        world.webhook.resident().unwrap(),
        world.webhook.most_resident().unwrap(),
    );
    let written = world.webhook.log().unwrap().split_off(log);
    let keys = world.api.asked("/jwks") - keys;
    let events = world.api.asked("/events") - events;
    let created = world.api.asked("POST /apis/events.k8s.io");
    println!(
        "{report}\nresident KiB: {before} before, {most} at most, {after} after; {} bytes of log, {keys} fetches of the \
         keys, {events} writes of {created} Events; a good exchange then took {at_once:?}",
        written.len()
    );
    assert!(world.webhook.is_running().unwrap(), "{written}");
    assert!(!written.contains("panicked"), "{written}");
    assert_eq!(status, 200, "{answer}");
    assert!(at_once < Duration::from_secs(1), "{at_once:?}");
    assert_eq!(
        world.emulator.exchanges(),
        2,
        "somebody got credentials: {report}"
    );
    assert_eq!(report.unanswered, 0, "{report}");
    assert!(most < before + GROWTH, "{before} KiB grew to {most}");
    assert!(
        written.len() < REQUESTS * LOG,
        "{} bytes of log:\n{}",
        written.len(),
        &written[..5000]
    );
    let seconds = usize::try_from(took.as_secs()).unwrap();
    assert!(keys <= 1 + seconds / 10, "{keys} fetches of the keys in {took:?}");
    assert!(
        events <= SUBJECTS * 10 * (1 + seconds / 10),
        "{events} writes of Events in {took:?}"
    );
    assert!(created <= EVENTS, "{created} Events in {took:?}");
}

/// Tokens that the cluster signed and that count no more or not yet, or are for somebody else; and one of another cluster.
fn bad_tokens(world: &World) -> Vec<String> {
    let claims = Issuer::claims("n", "other");
    let number = |name: &str| claims[name].as_i64().unwrap();
    let changed = |name: &str, value: serde_json::Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        world.issuer.sign(&claims).unwrap()
    };
    vec![
        Issuer::new().unwrap().sign(&claims).unwrap(),
        changed("exp", (number("exp") - 7200).into()),
        changed("nbf", (number("nbf") + 600).into()),
        changed("iss", "https://oidc.eks.us-east-1.amazonaws.com/id/0".into()),
        changed("aud", "sts.amazonaws.com".into()),
        changed("aud", serde_json::json!(["https://kubernetes.default.svc"])),
        changed("sub", "system:serviceaccount:n:".into()),
        changed("sub", "system:serviceaccount:../../secrets:x".into()),
        changed("exp", serde_json::json!(1e300)),
        changed(
            "kubernetes.io",
            serde_json::json!({"serviceaccount": {"name": "other", "uid": "uid-of-an-earlier-one"}}),
        ),
    ]
}
