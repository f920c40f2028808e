//! Numbers, dates and addresses as policies write them.

use std::cmp::Ordering;
use std::net::IpAddr;

/// A comparison of two ordered values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    /// Whether a value of the request that stands so to the policy's is wanted.
    pub(super) fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering == Ordering::Equal,
            Self::Less => ordering == Ordering::Less,
            Self::LessOrEqual => ordering != Ordering::Greater,
            Self::Greater => ordering == Ordering::Greater,
            Self::GreaterOrEqual => ordering != Ordering::Less,
        }
    }
}

/// An integer or decimal number.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Whether an address lies in a range, or is the one address where no prefix is written
/// ("IAM JSON policy elements: Condition operators", section "IP address condition operators").
pub(super) fn in_range(address: &str, range: &str) -> Option<bool> {
    let address: IpAddr = address.parse().ok()?;
    let (network, prefix) = match range.split_once('/') {
        Some((network, prefix)) => (network, Some(prefix.parse::<u32>().ok()?)),
        None => (range, None),
    };
    let (left, right, width) = match (address, network.parse().ok()?) {
        (IpAddr::V4(left), IpAddr::V4(right)) => {
            (u128::from(left.to_bits()), u128::from(right.to_bits()), 32_u32)
        }
        (IpAddr::V6(left), IpAddr::V6(right)) => (left.to_bits(), right.to_bits(), 128),
        _ => return Some(false),
    };
    let host_bits = width.checked_sub(prefix.unwrap_or(width))?;
    // A shift by all 128 bits is no shift in Rust, but leaves nothing to compare.
    let network_part = |bits: u128| bits.checked_shr(host_bits).unwrap_or(0);
    Some(network_part(left) == network_part(right))
}

/// A moment in nanoseconds since 1970: one of W3C's profile of ISO 8601, or seconds since 1970
/// ("IAM JSON policy elements: Condition operators", section "Date condition operators").
///
/// Four digits are a year, as the profile has it; a longer number is seconds.
pub(super) fn moment(text: &str) -> Option<i128> {
    const SECOND: i128 = 1_000_000_000;
    let digits = text.strip_prefix('-').unwrap_or(text);
    if text.len() != 4 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Some(i128::from(text.parse::<i64>().ok()?) * SECOND);
    }
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let year = fixed(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |text| fixed(text, 2))?;
    let day = parts.next().map_or(Some(1), |text| fixed(text, 2))?;
    if parts.next().is_some() || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let days = days_since_1970(year, month, day);
    let nanoseconds = match time {
        // A time stands only behind a full date.
        Some(time) if date.len() == 10 => time_of_day(time)?,
        Some(_) => return None,
        None => 0,
    };
    Some(i128::from(days) * 86_400 * SECOND + nanoseconds)
}

/// `hh:mm`, `hh:mm:ss` or `hh:mm:ss.s` and its zone, as nanoseconds since midnight in UTC.
fn time_of_day(text: &str) -> Option<i128> {
    let (clock, east) = if let Some(clock) = text.strip_suffix('Z') {
        (clock, 0)
    } else {
        let sign_at = text.rfind(['+', '-'])?;
        let (hours, minutes) = text[sign_at + 1..].split_once(':')?;
        let (hours, minutes) = (fixed(hours, 2)?, fixed(minutes, 2)?);
        if hours > 23 || minutes > 59 {
            return None;
        }
        let sign = if text[sign_at..].starts_with('+') { 1 } else { -1 };
        (&text[..sign_at], sign * (hours * 3600 + minutes * 60))
    };
    let mut parts = clock.splitn(3, ':');
    let (hours, minutes) = (fixed(parts.next()?, 2)?, fixed(parts.next()?, 2)?);
    let (seconds, fraction) = match parts.next() {
        None => (0, 0),
        Some(text) => match text.split_once('.') {
            None => (fixed(text, 2)?, 0),
            Some((seconds, fraction)) => (fixed(seconds, 2)?, nanoseconds(fraction)?),
        },
    };
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60 + seconds - east;
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(fraction))
}

/// A number of exactly so many digits.
fn fixed(text: &str, digits: usize) -> Option<i64> {
    let all_digits = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    all_digits.then(|| text.parse().ok()).flatten()
}

/// The digits behind a decimal point, as nanoseconds; what is finer is cut.
fn nanoseconds(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{text:0<9}").get(..9)?.parse().ok()
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Whole years since the year 1 and their leap days; year 0 is one year before it.
    let before = |year: i64| {
        let past = year - 1;
        past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400)
    };
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    before(year) - before(1970) + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_the_w3c_writes_them() {
        for (text, seconds) in [
            ("1970", 0),
            ("1970-02", 31 * 86_400),
            ("1970-01-02", 86_400),
            ("1970-01-01T00:01Z", 60),
            ("2020-01-01T00:00:01Z", 1_577_836_801),
            ("2020-01-01T01:00:01+01:00", 1_577_836_801),
            ("2019-12-31T22:30:01-01:30", 1_577_836_801),
            ("2000-02-29", 951_782_400),
            ("0000-03-01", -62_162_035_200),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
            ("1577836801", 1_577_836_801),
            ("-60", -60),
        ] {
            assert_eq!(moment(text), Some(seconds * 1_000_000_000), "{text}");
        }
        assert_eq!(moment("1970-01-01T00:00:00.25Z"), Some(250_000_000));
        assert_eq!(moment("1970-01-01T00:00:00.0000000019Z"), Some(1));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "-",
            "soon",
            "2020-1-1",
            "2020-13",
            "2021-02-29",
            "2020-01-00",
            "2020-01-01T00:00",
            "2020-01-01T24:00Z",
            "2020-01T00:00Z",
            "2020-01-01T00:00:00.Z",
            "2020-01-01T00:00+1:0",
            "2020-01-01-01",
            "99999999999999999999",
            "2020-01-01T00:00:00é",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_lie_in_ranges() {
        for (address, range, expected) in [
            ("203.0.113.7", "203.0.113.0/24", Some(true)),
            ("203.0.114.7", "203.0.113.0/24", Some(false)),
            ("203.0.113.7", "203.0.113.7", Some(true)),
            ("203.0.113.8", "203.0.113.7", Some(false)),
            ("203.0.113.8", "0.0.0.0/0", Some(true)),
            ("2001:db8:1234:5678::9", "2001:DB8:1234:5678::/64", Some(true)),
            ("2001:db8::", "::/0", Some(true)),
            ("2001:db8::", "0.0.0.0/0", Some(false)),
            ("203.0.113.7", "203.0.113.0/33", None),
            ("203.0.113.7", "here", None),
            ("here", "203.0.113.0/24", None),
        ] {
            assert_eq!(in_range(address, range), expected, "{address} {range}");
        }
    }

    #[test]
    fn numbers_are_finite() {
        assert_eq!(number("1.50"), Some(1.5));
        for text in ["", "x", "inf", "NaN"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
