//! The lines that are printed.

use std::fmt::Write as _;
use std::time::Duration;

use crate::load::{Load, Run};
use crate::reviews::Size;
use crate::server::Cpu;

/// Heads the lines.
pub(crate) const HEAD: &str = "server       pod            load               reviews/s  CPU µs/review (user + sys)   p50 µs   p99 µs  p99.9 µs    max µs  RSS MiB  client µs";

/// One run as a line, and one more of what has to be known about it.
pub(crate) fn line(server: &str, size: Size, load: Load, run: &Run) -> String {
    let how = match load {
        Load::Closed { connections: 1 } => "1 connection".to_owned(),
        Load::Closed { connections } => format!("{connections} connections"),
        Load::Open { rate, .. } => format!("{rate}/s, open loop"),
    };
    let count = u32::try_from(run.latencies.len()).unwrap_or(u32::MAX);
    let each = |time: Duration| micros(time) / f64::from(count.max(1));
    let (user, system) = (each(run.server.user), each(run.server.system));
    let mut text = format!(
        "{server:<12} {:<14} {how:<17} {:>10.0} {:>12.1} ({user:>6.1} + {system:>5.1}) {:>8.0} {:>8.0} {:>9.0} {:>9.0} {:>8} {:>10.1}",
        size.name(),
        f64::from(count) / run.elapsed.as_secs_f64(),
        user + system,
        micros(quantile(&run.latencies, 500)),
        micros(quantile(&run.latencies, 990)),
        micros(quantile(&run.latencies, 999)),
        micros(quantile(&run.latencies, 1000)),
        mebibytes(run.resident).trim_end_matches(" MiB"),
        each(run.client.user + run.client.system),
    );
    if matches!(load, Load::Open { .. }) {
        let _ = write!(
            text,
            "\n             of that, before the review was sent: p50 {:.0}, p99 {:.0}, p99.9 {:.0} µs",
            micros(quantile(&run.late, 500)),
            micros(quantile(&run.late, 990)),
            micros(quantile(&run.late, 999)),
        );
        if run.unanswered > 0 {
            let _ = write!(text, "; {} reviews had no answer in time", run.unanswered);
        }
    }
    text
}

/// What the front used.
pub(crate) struct Extra {
    pub(crate) cpu: Cpu,
    pub(crate) resident: u64,
}

/// The times of the responses, shortest first, and how long all took.
pub(crate) struct Times {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
}

/// Heads the lines of exchanges.
pub(crate) const STS_HEAD: &str = "exchange             load              answers/s   p50 µs   p99 µs  added p50  added p99  CPU µs/exchange  RSS MiB";

/// One run of exchanges as a line; what was added to `direct`, where that is what is behind.
pub(crate) fn sts_line(
    name: &str,
    connections: usize,
    times: &Times,
    direct: Option<&Times>,
    extra: Option<&Extra>,
) -> String {
    let count = f64::from(u32::try_from(times.latencies.len()).unwrap_or(u32::MAX));
    let at = |times: &Times, thousandths| micros(quantile(&times.latencies, thousandths));
    let mut text = format!(
        "{name:<20} {:<16} {:>10.0} {:>8.0} {:>8.0}",
        format!(
            "{connections} connection{}",
            if connections == 1 { "" } else { "s" }
        ),
        count / times.elapsed.as_secs_f64(),
        at(times, 500),
        at(times, 990),
    );
    if let (Some(direct), Some(extra)) = (direct, extra) {
        let _ = write!(
            text,
            " {:>10.0} {:>10.0} {:>16.1} {:>8}",
            at(times, 500) - at(direct, 500),
            at(times, 990) - at(direct, 990),
            micros(extra.cpu.user + extra.cpu.system) / count.max(1.0),
            mebibytes(extra.resident).trim_end_matches(" MiB"),
        );
    }
    text
}

/// The time that this many of a thousand do not exceed.
fn quantile(sorted: &[Duration], thousandths: usize) -> Duration {
    let rank = (sorted.len() * thousandths).div_ceil(1000);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// A size in MiB.
pub(crate) fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1024 * 1024);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

/// What the numbers depend on: processors, and how busy they were before.
pub(crate) fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!("{processors} processors, load average {load} before the first line")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_smallest_time_that_enough_do_not_exceed() {
        let times: Vec<Duration> = (1..=1000).map(Duration::from_micros).collect();
        for (thousandths, micros) in [(500, 500), (990, 990), (999, 999), (1000, 1000)] {
            assert_eq!(quantile(&times, thousandths), Duration::from_micros(micros));
        }
        assert_eq!(quantile(&times[..1], 999), Duration::from_micros(1));
        assert_eq!(quantile(&[], 500), Duration::ZERO);
    }

    #[test]
    fn sizes_are_in_mebibytes() {
        assert_eq!(mebibytes(20 * 1024 * 1024), "20.0 MiB");
        assert_eq!(mebibytes(1_638_400), "1.5 MiB");
    }
}
