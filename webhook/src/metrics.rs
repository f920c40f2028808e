//! Prometheus metrics. Every series exists from the start, and no label ever holds anything of a user's.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use irsa_emu_core::plan::{Method, PlanOutcome, SkipReason};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::sts::error::Code;

/// Upper bounds in seconds: a review takes microseconds, one that asks the API server milliseconds.
const BUCKETS: [f64; 12] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 2.5,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Review {
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Result {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct At {
    port: &'static str,
}

/// Makes the values of a label, so that a list of them can never lack one.
macro_rules! values {
    ($(#[$doc:meta])* $name:ident { $($value:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $($value),+
        }

        impl $name {
            const ALL: &[Self] = &[$(Self::$value),+];

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text),+
                }
            }
        }
    };
}

values! {
    /// A port of the process.
    Port { Admission = "admission", Sts = "sts", Health = "health" }
}

values! {
    /// How a look-up of a ServiceAccount at the API server ended.
    LookupResult { Found = "found", Missing = "missing", Failed = "failed" }
}

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Registry,
    reviews: Family<Review, Counter>,
    warnings: Counter,
    review_seconds: Histogram,
    lookups: Family<Result, Counter>,
    exchanges: Family<Result, Counter>,
    ended_connections: Family<At, Counter>,
    restored: Counter,
    leading: Gauge,
    certificate_end: Gauge<i64, AtomicI64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            reviews: Family::default(),
            warnings: Counter::default(),
            review_seconds: Histogram::new(BUCKETS),
            lookups: Family::default(),
            exchanges: Family::default(),
            ended_connections: Family::default(),
            restored: Counter::default(),
            leading: Gauge::default(),
            certificate_end: Gauge::default(),
        };
        metrics.make_every_series();
        metrics.registered()
    }

    fn make_every_series(&self) {
        for (outcome, reason) in reviews() {
            let _ = self.reviews.get_or_create(&Review { outcome, reason });
        }
        for result in LookupResult::ALL.iter().map(|result| result.as_str()) {
            let _ = self.lookups.get_or_create(&Result { result });
        }
        for ended in std::iter::once(Ok(())).chain(Code::ALL.iter().map(|code| Err(*code))) {
            let _ = self.exchanges.get_or_create(&ended_with(ended));
        }
        for port in Port::ALL.iter().map(|port| port.as_str()) {
            let _ = self.ended_connections.get_or_create(&At { port });
        }
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "irsa_emu_admission_reviews",
            "Pods reviewed, by what became of them and why",
            self.reviews.clone(),
        );
        registry.register(
            "irsa_emu_admission_warnings",
            "Probable mistakes reported to authors of Pods",
            self.warnings.clone(),
        );
        registry.register_with_unit(
            "irsa_emu_admission_review",
            "Time from a review's last byte to its response",
            Unit::Seconds,
            self.review_seconds.clone(),
        );
        registry.register(
            "irsa_emu_service_account_lookups",
            "ServiceAccounts requested from the API server, by its response",
            self.lookups.clone(),
        );
        registry.register(
            "irsa_emu_sts_exchanges",
            "AssumeRoleWithWebIdentity requests, by AWS's code",
            self.exchanges.clone(),
        );
        registry.register(
            "irsa_emu_connections_ended",
            "Connections that were ended for another, as their port was full",
            self.ended_connections.clone(),
        );
        registry.register(
            "irsa_emu_keeper_restored",
            "AWS resources that were made, the first time or again",
            self.restored.clone(),
        );
        registry.register(
            "irsa_emu_leading",
            "1 while this replica writes AWS resources and the registration",
            self.leading.clone(),
        );
        registry.register_with_unit(
            "irsa_emu_certificate_not_after",
            "End of the serving certificate, in seconds since 1970",
            Unit::Seconds,
            self.certificate_end.clone(),
        );
        self
    }

    /// One review.
    pub(crate) fn reviewed(&self, outcome: &PlanOutcome, refused: bool, took: Duration) {
        let (outcome, reason, warnings) = match outcome {
            PlanOutcome::Patched { method, warnings, .. } => ("patched", method.as_str(), warnings.len()),
            PlanOutcome::Skipped { reason, warnings } if refused => {
                ("refused", reason.as_str(), warnings.len())
            }
            PlanOutcome::Skipped { reason, warnings } => ("skipped", reason.as_str(), warnings.len()),
            PlanOutcome::Malformed(_) => ("malformed", "not-a-pod", 0),
        };
        self.reviews.get_or_create(&Review { outcome, reason }).inc();
        self.warnings.inc_by(u64::try_from(warnings).unwrap_or_default());
        self.review_seconds.observe(took.as_secs_f64());
    }

    /// A body that is no review.
    pub(crate) fn no_review(&self) {
        let review = Review {
            outcome: "malformed",
            reason: "no-review",
        };
        self.reviews.get_or_create(&review).inc();
    }

    /// One question to the API server.
    pub(crate) fn looked_up(&self, result: LookupResult) {
        let result = result.as_str();
        self.lookups.get_or_create(&Result { result }).inc();
    }

    /// One exchange, and the code of AWS that it ended with if it failed.
    pub(crate) fn exchanged(&self, ended: std::result::Result<(), Code>) {
        self.exchanges.get_or_create(&ended_with(ended)).inc();
    }

    /// A connection that was ended for another.
    pub(crate) fn ended_connection(&self, port: Port) {
        let port = port.as_str();
        self.ended_connections.get_or_create(&At { port }).inc();
    }

    pub(crate) fn made_resource(&self) {
        self.restored.inc();
    }

    pub(crate) fn leading(&self, leading: bool) {
        self.leading.set(i64::from(leading));
    }

    /// The end of the serving certificate in seconds since 1970.
    pub(crate) fn serving_until(&self, end: i64) {
        self.certificate_end.set(end);
    }

    /// All of it in the text form of `OpenMetrics`.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

fn ended_with(ended: std::result::Result<(), Code>) -> Result {
    Result {
        result: ended.map_or_else(Code::as_str, |()| "ok"),
    }
}

/// Every outcome with its reasons.
fn reviews() -> impl Iterator<Item = (&'static str, &'static str)> {
    let patched = Method::ALL.into_iter().map(|method| ("patched", method.as_str()));
    let skipped = SkipReason::ALL
        .into_iter()
        .map(|reason| ("skipped", reason.as_str()));
    patched.chain(skipped).chain([
        ("refused", SkipReason::LookupFailed.as_str()),
        ("malformed", "not-a-pod"),
        ("malformed", "no-review"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_of_series_is_fixed() {
        let metrics = Metrics::new();
        let series = |text: &str| -> Vec<String> {
            text.lines()
                .filter_map(|line| Some(line.split_once("} ")?.0.to_owned()))
                .collect()
        };
        let before = series(&metrics.text());
        let skipped = |reason| PlanOutcome::Skipped {
            reason,
            warnings: vec!["hush".into()],
        };
        for reason in SkipReason::ALL {
            metrics.reviewed(&skipped(reason), false, Duration::from_micros(70));
        }
        metrics.reviewed(&skipped(SkipReason::LookupFailed), true, Duration::ZERO);
        metrics.reviewed(&PlanOutcome::Malformed("hush".into()), false, Duration::ZERO);
        metrics.no_review();
        for result in LookupResult::ALL {
            metrics.looked_up(*result);
        }
        metrics.exchanged(Ok(()));
        for code in Code::ALL {
            metrics.exchanged(Err(*code));
        }
        metrics.ended_connection(Port::Health);
        let text = metrics.text();
        assert_eq!(series(&text), before);
        assert!(
            text.contains("irsa_emu_admission_reviews_total{outcome=\"skipped\",reason=\"host-network\"} 1"),
            "{text}"
        );
        assert!(!text.contains("hush"), "{text}");
    }
}
