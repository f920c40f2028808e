//! Credentials that stay valid: renewed when they are asked for and half of their life is over.

use std::time::Duration;

use irsa_emu_install::sts::Session;
use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::IdentityError;

/// SDKs give up after a second or two. While there are credentials, a renewal takes no longer than this.
const HASTE: Duration = Duration::from_secs(1);
/// What credentials must have left so that a renewal may be given up.
const ENOUGH: time::Duration = time::Duration::minutes(1);

/// Credentials, and how to get the next ones.
pub struct Fresh<R> {
    current: Mutex<Current>,
    renew: R,
}

struct Current {
    session: Session,
    since: OffsetDateTime,
}

impl Current {
    /// Whether half of their life is over.
    fn is_due(&self, now: OffsetDateTime) -> bool {
        now >= self.since + (self.session.expiration - self.since) / 2
    }
}

impl<R: AsyncFn() -> Result<Session, IdentityError>> Fresh<R> {
    /// These credentials, and those that follow.
    pub fn new(session: Session, now: OffsetDateTime, renew: R) -> Self {
        Self {
            current: Mutex::new(Current { session, since: now }),
            renew,
        }
    }

    /// Credentials that are valid. What went wrong with a renewal goes to `on_trouble` while the old ones still serve.
    pub async fn get(
        &self,
        now: OffsetDateTime,
        on_trouble: &dyn Fn(&IdentityError),
    ) -> Result<Session, IdentityError> {
        // Whoever asks meanwhile waits, and gets what this one got.
        let mut current = self.current.lock().await;
        if !current.is_due(now) {
            return Ok(current.session.clone());
        }
        let renewed = if now + ENOUGH < current.session.expiration {
            tokio::time::timeout(HASTE, (self.renew)())
                .await
                .unwrap_or(Err(IdentityError::Late(HASTE)))
        } else {
            (self.renew)().await
        };
        match renewed {
            Ok(session) => {
                *current = Current {
                    session: session.clone(),
                    since: now,
                };
                Ok(session)
            }
            Err(error) if now < current.session.expiration => {
                on_trouble(&error);
                Ok(current.session.clone())
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use irsa_emu_install::sts::sample;

    use super::*;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn after(minutes: i64) -> OffsetDateTime {
        START + time::Duration::minutes(minutes)
    }

    #[tokio::test]
    async fn credentials_are_renewed_at_half_of_their_life_and_kept_while_that_fails() {
        let (number, works) = (Cell::new(1), Cell::new(true));
        let fresh = Fresh::new(sample("1", after(60)), START, async || {
            if !works.get() {
                return Err(IdentityError::Unreachable("down".into()));
            }
            number.set(number.get() + 1);
            Ok(sample(&number.get().to_string(), after(60 * number.get())))
        });
        let troubles = RefCell::new(Vec::new());
        let get = async |minutes: i64| {
            let on_trouble = |error: &IdentityError| troubles.borrow_mut().push(error.to_string());
            let got = fresh.get(after(minutes), &on_trouble).await;
            got.map(|session| session.access_key_id)
                .map_err(|error| error.to_string())
        };
        assert_eq!(get(0).await.as_deref(), Ok("1"));
        assert_eq!(get(29).await.as_deref(), Ok("1"));
        assert_eq!(get(30).await.as_deref(), Ok("2"), "valid from minute 30 to 120");
        assert_eq!(get(74).await.as_deref(), Ok("2"));
        works.set(false);
        assert_eq!(get(76).await.as_deref(), Ok("2"), "still valid");
        assert_eq!(*troubles.borrow(), ["the STS front cannot be reached: down"]);
        assert_eq!(
            get(120).await,
            Err("the STS front cannot be reached: down".to_owned())
        );
        works.set(true);
        assert_eq!(get(121).await.as_deref(), Ok("3"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_that_hangs_gives_way_while_there_are_credentials() {
        let fresh = Fresh::new(sample("1", after(60)), START, async || {
            std::future::pending().await
        });
        let got = fresh.get(after(40), &|_| ()).await.unwrap();
        assert_eq!(got.access_key_id, "1");
    }
}
