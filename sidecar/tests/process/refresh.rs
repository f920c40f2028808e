//! The real sidecar against an STS whose credentials live for seconds, and which fails, stalls and goes away.

use std::time::{Duration, Instant};

use irsa_emu_test_support::emulator::{Answer, Behaviour, Emulator};

use crate::world::{Sidecar, any_address};

/// Containers of the Pod that ask at once.
const CLIENTS: usize = 64;

/// Every second exchange fails in some way.
const TROUBLE: [Answer; 8] = [
    Answer::Credentials,
    Answer::Unavailable,
    Answer::Credentials,
    Answer::Silence,
    Answer::Credentials,
    Answer::Garbage,
    Answer::Credentials,
    Answer::Denied,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_an_error_while_credentials_expire_and_sts_fails() {
    let behaviour = Behaviour::new(Duration::from_secs(5), &TROUBLE);
    let emulator = Emulator::start(any_address(), behaviour.clone()).await.unwrap();
    let address = emulator.address;
    let sidecar = Sidecar::start(address, "first");
    sidecar.until_ready().await;

    let end = Instant::now() + Duration::from_secs(21);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let client = sidecar.client();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while Instant::now() < end {
                    seen.push(client.credentials().await?);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Ok::<_, String>(seen)
            })
        })
        .collect();

    // The kubelet replaces the token, and the old one is worth nothing from then on.
    tokio::time::sleep(Duration::from_secs(6)).await;
    sidecar.rotate_token("second");
    *behaviour.token.lock().unwrap() = Some("second".to_owned());
    // The emulator restarts.
    tokio::time::sleep(Duration::from_secs(4)).await;
    drop(emulator);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let _emulator = Emulator::start(address, behaviour.clone()).await.unwrap();

    let mut keys = std::collections::BTreeSet::new();
    let mut answers = 0;
    for client in clients {
        let seen = client
            .await
            .unwrap()
            .unwrap_or_else(|why| panic!("{why}\n{}", sidecar.log()));
        answers += seen.len();
        keys.extend(seen);
    }
    println!(
        "{answers} answers, {} credentials, {} exchanges, at most {} KiB resident",
        keys.len(),
        behaviour.exchanges(),
        sidecar.process.most_resident().unwrap()
    );
    assert!(keys.len() >= 5, "renewed only {} times", keys.len());
    assert!(
        behaviour.exchanges() < 60,
        "{} exchanges: renewals are not one at a time",
        behaviour.exchanges()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_after_the_machine_slept_gets_fresh_credentials_at_once() {
    let behaviour = Behaviour::new(Duration::from_secs(3), &[Answer::Credentials]);
    let emulator = Emulator::start(any_address(), behaviour).await.unwrap();
    let sidecar = Sidecar::start(emulator.address, "token");
    sidecar.until_ready().await;
    for _ in 0..3 {
        sidecar.freeze(Duration::from_secs(4)).await;
        let client = sidecar.client();
        let asks = (0..CLIENTS).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.credentials().await })
        });
        for ask in asks.collect::<Vec<_>>() {
            ask.await
                .unwrap()
                .unwrap_or_else(|why| panic!("{why}\n{}", sidecar.log()));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_credentials_are_never_handed_out_and_come_back_with_sts() {
    let behaviour = Behaviour::new(Duration::from_secs(2), &[Answer::Credentials]);
    let emulator = Emulator::start(any_address(), behaviour.clone()).await.unwrap();
    let address = emulator.address;
    let sidecar = Sidecar::start(address, "token");
    sidecar.until_ready().await;
    drop(emulator);
    let gone = Instant::now();
    let refused = loop {
        // The time of the request: on a busy machine the response may be read late.
        let asked = gone.elapsed();
        match sidecar.client().credentials().await {
            Err(why) => break why,
            Ok(_) => assert!(asked < Duration::from_secs(3), "they were good for two seconds"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(
        refused.starts_with("503") && refused.contains("cannot be reached"),
        "{refused}"
    );
    let _emulator = Emulator::start(address, behaviour).await.unwrap();
    let back = Instant::now();
    while sidecar.client().credentials().await.is_err() {
        assert!(back.elapsed() < Duration::from_mins(1), "{}", sidecar.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
