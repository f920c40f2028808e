//! When certificates are made, renewed and forgotten. Decides only, by the wall clock: a laptop sleeps.

use time::{Duration, OffsetDateTime};

use super::authority::{
    BACKDATE, Pems, add_authority, first, forget_old_authorities, make, renew_leaf, trusts, validity,
};

/// A certificate is renewed so long before its end.
const RENEW_LEAF: Duration = Duration::days(30);
/// An authority is replaced so long before its end.
const RENEW_AUTHORITY: Duration = Duration::days(365);
/// Every replica and the registration know a change after this.
pub(super) const OVERLAP: Duration = Duration::minutes(10);

/// What to do about the Secret.
pub(super) enum Step {
    /// It is good: serve this.
    Use(Pems),
    /// It is to be this.
    Write(Pems),
}

/// The next step. `stored` is what the Secret holds, if that can be used; `own` is what this replica serves.
pub(super) fn next(stored: Option<Pems>, own: Option<&Pems>, now: OffsetDateTime) -> anyhow::Result<Step> {
    let Some(pems) = stored else {
        // Deleted or damaged under a running webhook: nobody has to learn a new authority.
        return match own {
            Some(own) if trusts(own.ca_bundle.as_bytes(), &own.certificate, now) => {
                Ok(Step::Write(own.clone()))
            }
            _ => Ok(Step::Write(make(now)?)),
        };
    };
    let signer = first(&pems.ca_bundle);
    let (Some((signer_from, signer_end)), Some((leaf_from, leaf_end))) =
        (validity(signer), validity(&pems.certificate))
    else {
        return Ok(Step::Write(make(now)?));
    };
    if signer_end < now {
        return Ok(Step::Write(make(now)?));
    }
    if signer_end < now + RENEW_AUTHORITY {
        return Ok(Step::Write(add_authority(&pems, now)?));
    }
    let signer_is_known = now - (signer_from + BACKDATE) >= OVERLAP;
    let signed_by_it = trusts(signer.as_bytes(), &pems.certificate, now);
    let trusted = signed_by_it || trusts(pems.ca_bundle.as_bytes(), &pems.certificate, now);
    let due = !signed_by_it || leaf_end < now + RENEW_LEAF;
    if due && (signer_is_known || !trusted) {
        return Ok(Step::Write(renew_leaf(&pems, now)?));
    }
    let leaf_is_known = now - (leaf_from + BACKDATE) >= OVERLAP;
    if signed_by_it && leaf_is_known && signer != pems.ca_bundle {
        return Ok(Step::Write(forget_old_authorities(&pems)));
    }
    Ok(Step::Use(pems))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap()
    }

    /// What is stored once nothing is left to do at that time.
    fn settle(mut pems: Pems, now: OffsetDateTime) -> (Pems, usize) {
        let mut steps = 0;
        loop {
            match next(Some(pems), None, now).unwrap() {
                Step::Use(pems) => return (pems, steps),
                Step::Write(next) => pems = next,
            }
            steps += 1;
            assert!(steps < 5, "it never settles");
        }
    }

    fn written(step: Step) -> Option<Pems> {
        match step {
            Step::Write(pems) => Some(pems),
            Step::Use(_) => None,
        }
    }

    #[test]
    fn a_fresh_install_settles_at_once_and_keeps_its_certificate_for_two_months() {
        let pems = written(next(None, None, start()).unwrap()).unwrap();
        let (after, steps) = settle(pems.clone(), start() + Duration::days(59));
        assert!(steps == 0 && after == pems);
        let (renewed, steps) = settle(pems.clone(), start() + Duration::days(61));
        assert!(steps == 1 && renewed.ca_bundle == pems.ca_bundle && renewed.certificate != pems.certificate);
    }

    #[test]
    fn a_secret_that_is_gone_comes_back_as_it_was() {
        let own = make(start()).unwrap();
        assert!(written(next(None, Some(&own), start()).unwrap()).unwrap() == own);
        let expired = start() + Duration::days(100);
        assert!(
            written(next(None, Some(&own), expired).unwrap())
                .unwrap()
                .ca_bundle
                != own.ca_bundle
        );
    }

    #[test]
    fn at_no_moment_of_a_change_of_authority_is_a_served_certificate_distrusted() {
        let mut now = start() + Duration::days(3650 - 366);
        let mut pems = renew_leaf(&make(start()).unwrap(), now).unwrap();
        let first_bundle = pems.ca_bundle.clone();
        // A replica and the registration may be behind the Secret by less than the overlap.
        let mut history = vec![(now, pems.clone())];
        let end = now + Duration::days(400);
        while now < end {
            if let Step::Write(next) = next(Some(pems.clone()), None, now).unwrap() {
                pems = next;
                history.push((now, pems.clone()));
            }
            let lagging: Vec<&Pems> = history
                .iter()
                .enumerate()
                .filter(|(index, _)| {
                    history
                        .get(index + 1)
                        .is_none_or(|(replaced, _)| now - *replaced < OVERLAP)
                })
                .map(|(_, (_, pems))| pems)
                .collect();
            for registered in &lagging {
                for served in &lagging {
                    assert!(
                        trusts(registered.ca_bundle.as_bytes(), &served.certificate, now),
                        "{now}"
                    );
                }
            }
            // Finely while something is running, coarsely else.
            let busy = history
                .last()
                .is_some_and(|(when, _)| now - *when < Duration::hours(1));
            now += if busy {
                Duration::minutes(5)
            } else {
                Duration::days(1)
            };
        }
        assert_ne!(pems.ca_bundle, first_bundle);
        assert_eq!(
            first(&pems.ca_bundle),
            pems.ca_bundle,
            "the old authority is forgotten"
        );
    }

    #[test]
    fn a_certificate_that_no_authority_of_the_bundle_signed_is_replaced_at_once() {
        let (pems, other) = (make(start()).unwrap(), make(start()).unwrap());
        let mixed = Pems {
            certificate: other.certificate.clone(),
            key: other.key.clone(),
            ..pems.clone()
        };
        let repaired = written(next(Some(mixed), None, start()).unwrap()).unwrap();
        assert!(trusts(
            repaired.ca_bundle.as_bytes(),
            &repaired.certificate,
            start()
        ));
    }
}
