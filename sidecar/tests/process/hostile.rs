//! Clients of the same Pod that mean harm.

use std::time::Duration;

use irsa_emu_test_support::emulator::{Answer, Behaviour, Emulator};
use irsa_emu_test_support::hostile::{self, Target};

use crate::world::{Sidecar, any_address};

/// The sidecar's limit is 32 MiB, and it starts with about 5.
const GROWTH: u64 = 8 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hostile_requests_leave_it_as_it_was() {
    let behaviour = Behaviour::new(Duration::from_hours(1), &[Answer::Credentials]);
    let emulator = Emulator::start(any_address(), behaviour.clone()).await.unwrap();
    let mut sidecar = Sidecar::start(emulator.address, "token");
    sidecar.until_ready().await;
    let (before, log) = (sidecar.process.resident().unwrap(), sidecar.log().len());

    let target = Target::new(sidecar.address, 10_000);
    let authorization = sidecar.client().authorization;
    let attack = tokio::task::spawn_blocking(move || hostile::on_the_sidecar(&target, &authorization));
    let (report, held) = attack.await.unwrap().unwrap();
    sidecar.client().credentials().await.unwrap();
    drop(held);

    let (after, most) = (
        sidecar.process.resident().unwrap(),
        sidecar.process.most_resident().unwrap(),
    );
    println!("{report}\nresident KiB: {before} before, {most} at most, {after} after");
    assert!(sidecar.process.is_running().unwrap(), "{}", sidecar.log());
    assert_eq!(report.answered(200), 0, "somebody got credentials: {report}");
    assert!(most < before + GROWTH, "{before} KiB grew to {most}");
    let written = &sidecar.log()[log..];
    assert!(written.len() < 10_000, "{written}");
    assert_eq!(behaviour.exchanges(), 1);
}
