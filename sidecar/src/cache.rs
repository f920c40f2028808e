//! Keeps one set of credentials fresh: renewed well before it expires, kept through renewals that fail.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};

use crate::args::Settings;
use crate::credentials::Credentials;
use crate::credentials_file;
use crate::exchange::{self, TIMEOUT};

/// Retries begin after this and double up to [`MAX_RETRY`].
const FIRST_RETRY: Duration = Duration::from_millis(200);
const MAX_RETRY: Duration = Duration::from_secs(10);
/// SDKs ask again five minutes before the end, so the credentials are renewed before that.
const RENEW_BEFORE: time::Duration = time::Duration::minutes(10);
/// The wall clock is looked at this often: a timer does not run while a laptop sleeps.
const CLOCK_CHECK: Duration = Duration::from_secs(15);
/// Who asks for credentials that have ended waits this long for new ones; SDKs give up after a second at the least.
const RENEWAL_WAIT: Duration = Duration::from_millis(800);

/// What the endpoint can hand out, and what went wrong last.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) problem: Option<String>,
    pub(crate) account: String,
}

impl State {
    /// The credentials, unless they have ended.
    pub(crate) fn valid_at(&self, now: OffsetDateTime) -> Option<&Credentials> {
        self.credentials
            .as_ref()
            .filter(|credentials| credentials.is_valid_at(now))
    }
}

/// What the renewals publish, as the endpoint sees it.
#[derive(Clone)]
pub(crate) struct Cache {
    state: watch::Receiver<State>,
    wanted: Arc<Notify>,
}

/// Where the renewals publish. There is one only, so they never overlap.
pub(crate) struct Publisher {
    state: watch::Sender<State>,
    wanted: Arc<Notify>,
}

pub(crate) fn channel() -> (Cache, Publisher) {
    let (publish, state) = watch::channel(State::default());
    let wanted = Arc::new(Notify::new());
    let cache = Cache {
        state,
        wanted: Arc::clone(&wanted),
    };
    (
        cache,
        Publisher {
            state: publish,
            wanted,
        },
    )
}

impl Cache {
    /// What there is. Where it has ended although nothing went wrong, as after a sleep of the machine, it is renewed
    /// first.
    pub(crate) async fn state(&mut self) -> State {
        let settled =
            |state: &State| state.problem.is_some() || state.valid_at(OffsetDateTime::now_utc()).is_some();
        if !settled(&self.state.borrow()) {
            self.wanted.notify_one();
            let _ = tokio::time::timeout(RENEWAL_WAIT, self.state.wait_for(settled)).await;
        }
        self.state.borrow().clone()
    }
}

/// Renews without end.
pub(crate) async fn keep_fresh(settings: &Settings, publisher: Publisher) {
    let Publisher { state, wanted } = publisher;
    state.send_modify(|state| state.account.clone_from(&settings.account));
    let mut retry = FIRST_RETRY;
    let mut schedule = Schedule::default();
    loop {
        let now = OffsetDateTime::now_utc();
        if !schedule.is_due(now) {
            let _ = tokio::time::timeout(schedule.pause(now), wanted.notified()).await;
            continue;
        }
        let left = schedule.left(now);
        match renew(settings, &state, share(left, TIMEOUT)).await {
            Ok(end) => {
                retry = FIRST_RETRY;
                schedule = Schedule::of(OffsetDateTime::now_utc(), end);
            }
            Err(problem) => {
                tracing::warn!(role = settings.role_arn, problem, "no credentials; trying again");
                state.send_modify(|state| state.problem = Some(problem));
                tokio::time::sleep(jittered(share(left, retry))).await;
                retry = (retry * 2).min(MAX_RETRY);
            }
        }
    }
}

/// Exchanges the token, publishes the result, and reports when it ends.
async fn renew(
    settings: &Settings,
    state: &watch::Sender<State>,
    timeout: Duration,
) -> Result<OffsetDateTime, String> {
    let credentials = exchange::exchange(settings, timeout)
        .await
        .map_err(|error| error.to_string())?;
    let end = credentials.expiration;
    if !credentials.is_valid_at(OffsetDateTime::now_utc()) {
        return Err(format!(
            "the credentials from STS ended at {} already: its clock differs from this machine's",
            credentials.expiration_text()
        ));
    }
    if settings.write_credentials_file {
        credentials_file::write(&settings.credentials_dir, &credentials)
            .map_err(|error| error.to_string())?;
    }
    tracing::info!(
        role = settings.role_arn,
        expiration = credentials.expiration_text(),
        "credentials"
    );
    state.send_modify(|state| {
        state.credentials = Some(credentials);
        state.problem = None;
    });
    Ok(end)
}

/// When credentials are renewed. Of ones that live shorter than is usual, the second half is left for renewals.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    due: OffsetDateTime,
    end: OffsetDateTime,
}

impl Default for Schedule {
    /// Without credentials: at once.
    fn default() -> Self {
        Self {
            due: OffsetDateTime::UNIX_EPOCH,
            end: OffsetDateTime::UNIX_EPOCH,
        }
    }
}

impl Schedule {
    fn of(now: OffsetDateTime, end: OffsetDateTime) -> Self {
        let margin = RENEW_BEFORE.min((end - now) / 2);
        Self {
            // Whatever the clock and the emulator do, there is a pause between requests to STS.
            due: (end - margin).max(now + FIRST_RETRY),
            end,
        }
    }

    fn is_due(self, now: OffsetDateTime) -> bool {
        now >= self.due
    }

    /// Until the clock is to be looked at again.
    fn pause(self, now: OffsetDateTime) -> Duration {
        Duration::try_from(self.due - now).map_or(Duration::ZERO, |until| until.min(CLOCK_CHECK))
    }

    /// What is left of the credentials.
    fn left(self, now: OffsetDateTime) -> Option<Duration> {
        Duration::try_from(self.end - now)
            .ok()
            .filter(|left| !left.is_zero())
    }
}

/// What one attempt, or the pause before the next, may take: while there are credentials, not so much that none follows
/// in time.
fn share(left: Option<Duration>, usual: Duration) -> Duration {
    left.map_or(usual, |left| usual.min((left / 4).max(FIRST_RETRY)))
}

/// Between half and all of a pause, so that many Pods do not come back at once.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn after(seconds: i64) -> OffsetDateTime {
        START + time::Duration::seconds(seconds)
    }

    #[test]
    fn credentials_are_due_ten_minutes_before_their_end_and_ever_after() {
        let schedule = Schedule::of(START, after(3600));
        let due = |minutes: i64| schedule.is_due(after(60 * minutes));
        assert_eq!(
            [due(0), due(49), due(50), due(60), due(120)],
            [false, false, true, true, true]
        );
        assert!(Schedule::default().is_due(START));
    }

    #[test]
    fn credentials_of_a_short_life_are_due_at_half_of_it() {
        for (life, due) in [(900, 450), (60, 30), (4, 2)] {
            let schedule = Schedule::of(START, after(life));
            assert!(
                !schedule.is_due(after(due - 1)) && schedule.is_due(after(due)),
                "{life}"
            );
        }
    }

    #[test]
    fn credentials_that_end_at_once_are_not_asked_for_without_a_pause() {
        let schedule = Schedule::of(START, START + time::Duration::milliseconds(1));
        assert_eq!(schedule.pause(START), FIRST_RETRY);
    }

    #[test]
    fn the_clock_is_looked_at_often_and_when_something_is_due() {
        let schedule = Schedule::of(START, after(3600));
        assert_eq!(schedule.pause(START), CLOCK_CHECK);
        assert_eq!(schedule.pause(after(2995)), Duration::from_secs(5));
        assert_eq!(schedule.pause(after(9999)), Duration::ZERO);
    }

    #[test]
    fn attempts_leave_time_for_others() {
        let share = |left| super::share(left, TIMEOUT);
        assert_eq!(share(None), TIMEOUT);
        assert_eq!(share(Some(Duration::from_mins(10))), TIMEOUT);
        assert_eq!(share(Some(Duration::from_secs(2))), Duration::from_millis(500));
        assert_eq!(share(Some(Duration::from_millis(1))), FIRST_RETRY);
    }

    #[test]
    fn pauses_stay_within_their_bounds() {
        for _ in 0..1000 {
            let pause = jittered(FIRST_RETRY);
            assert!(pause >= FIRST_RETRY / 2 && pause <= FIRST_RETRY, "{pause:?}");
        }
    }
}
