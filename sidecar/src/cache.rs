//! Keeps one set of credentials fresh: renewed well before it expires, kept through renewals that fail.

use std::time::Duration;

use rand::RngExt as _;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::args::Settings;
use crate::credentials::Credentials;
use crate::{credentials_file, exchange};

/// Retries begin after this and double up to [`MAX_RETRY`].
const FIRST_RETRY: Duration = Duration::from_millis(200);
const MAX_RETRY: Duration = Duration::from_secs(10);
/// SDKs ask again five minutes before the end, so the credentials are renewed before that.
const RENEW_BEFORE: time::Duration = time::Duration::minutes(10);
/// The wall clock is looked at this often: a laptop that slept has missed what a timer would have told.
const CLOCK_CHECK: Duration = Duration::from_secs(15);

/// What the endpoint can hand out, and what went wrong last.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) problem: Option<String>,
    pub(crate) account: String,
}

pub(crate) fn channel() -> (watch::Receiver<State>, watch::Sender<State>) {
    let (publish, state) = watch::channel(State::default());
    (state, publish)
}

/// Renews for ever. The only writer of the state, so renewals never overlap.
pub(crate) async fn keep_fresh(settings: &Settings, publish: watch::Sender<State>) {
    publish.send_modify(|state| state.account.clone_from(&settings.account));
    let mut retry = FIRST_RETRY;
    loop {
        let pause = match renew(settings, &publish).await {
            Ok(()) => {
                retry = FIRST_RETRY;
                CLOCK_CHECK
            }
            Err(problem) => {
                tracing::warn!(role = settings.role_arn, problem, "no credentials; trying again");
                publish.send_modify(|state| state.problem = Some(problem));
                let pause = jittered(retry);
                retry = (retry * 2).min(MAX_RETRY);
                pause
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Exchanges the token if what is there is due, and publishes the result.
async fn renew(settings: &Settings, publish: &watch::Sender<State>) -> Result<(), String> {
    let due = {
        let state = publish.borrow();
        state
            .credentials
            .as_ref()
            .is_none_or(|credentials| is_due(credentials, OffsetDateTime::now_utc()))
    };
    if !due {
        return Ok(());
    }
    let credentials = exchange::exchange(settings)
        .await
        .map_err(|error| error.to_string())?;
    if settings.write_credentials_file {
        credentials_file::write(&settings.credentials_dir, &credentials)
            .map_err(|error| error.to_string())?;
    }
    tracing::info!(
        role = settings.role_arn,
        expiration = credentials.expiration_text(),
        "credentials"
    );
    publish.send_modify(|state| {
        state.credentials = Some(credentials);
        state.problem = None;
    });
    Ok(())
}

/// Whether credentials are to be renewed: less than ten minutes are left. Whatever clock and emulator say, they
/// are renewed at most once in a [`CLOCK_CHECK`].
fn is_due(credentials: &Credentials, now: OffsetDateTime) -> bool {
    credentials.expiration - now < RENEW_BEFORE
}

/// Between half and all of a pause, so that many Pods do not come back at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::sample;

    #[test]
    fn credentials_are_due_ten_minutes_before_their_end_and_ever_after() {
        let end = OffsetDateTime::UNIX_EPOCH + time::Duration::hours(1);
        let due = |minutes| is_due(&sample(end), end - time::Duration::minutes(minutes));
        assert_eq!(
            [due(60), due(11), due(9), due(0), due(-60)],
            [false, false, true, true, true]
        );
    }

    #[test]
    fn pauses_stay_within_their_bounds() {
        for _ in 0..1000 {
            let pause = jittered(FIRST_RETRY);
            assert!(pause >= FIRST_RETRY / 2 && pause <= FIRST_RETRY, "{pause:?}");
        }
    }
}
