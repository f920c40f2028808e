//! What a plain scalar of YAML means to kubectl, which reads YAML 1.1 as Go's library of it does: more words and more forms of
//! numbers mean something than in YAML 1.2, and a number that no float holds is text.

use serde_json::{Number, Value};

/// Why a scalar cannot become JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// JSON has no such number: `.inf`, `.nan`.
    NoNumber,
    /// Its tag asks for another type.
    Tag,
}

/// What a scalar without quotes and without a tag means.
pub(super) fn plain(text: &str) -> Result<Value, Unfit> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(true.into());
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(false.into());
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => return Err(Unfit::NoNumber),
        _ => {}
    }
    let number = match text.bytes().next() {
        Some(b'.') => float(text),
        Some(b'+' | b'-' | b'0'..=b'9') => {
            let digits = text.replace('_', "");
            integer(&digits).or_else(|| float(&digits))
        }
        _ => None,
    };
    Ok(number.map_or_else(|| text.into(), Value::Number))
}

/// What a scalar with a tag of YAML's own means (`!!int`).
pub(super) fn tagged(tag: &str, text: &str) -> Result<Value, Unfit> {
    let value = match tag {
        "bool" | "int" | "float" | "null" => plain(text)?,
        // `!!str`, dates, and whatever else there is, stay texts.
        _ => return Ok(text.into()),
    };
    let fits = match tag {
        "bool" => value.is_boolean(),
        "int" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        _ => value.is_null(),
    };
    if fits { Ok(value) } else { Err(Unfit::Tag) }
}

/// The key that a scalar becomes; `None` for null, which JSON cannot have as one.
pub(super) fn key(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) if number.is_f64() => number.as_f64().map(float_key),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An integer in any of the notations that Go reads: `0644` is octal, `0x1F`, `0o17` and `0b11` are what they look like.
fn integer(text: &str) -> Option<Number> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (Some('-'), &text[1..]),
        b'+' => (Some('+'), &text[1..]),
        _ => (None, text),
    };
    let (radix, digits) = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some(two) if two.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    // Rust would take a second sign.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    match sign {
        Some('-') => 0_i64.checked_sub_unsigned(value).map(Number::from),
        Some(_) => i64::try_from(value).ok().map(Number::from),
        None => Some(Number::from(value)),
    }
}

/// A decimal number with a point or an exponent; `None` where it is too large for a float.
fn float(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fits = all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    if !fits || !exponent_fits {
        return None;
    }
    Number::from_f64(text.parse().ok()?)
}

/// A float as a key: the fewest digits that a float of 32 bits needs, as Go writes it.
fn float_key(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "Go writes keys with 32 bits")]
    let short = value as f32;
    let magnitude = short.abs();
    if magnitude == 0.0 || (1e-4..1e6).contains(&magnitude) {
        return short.to_string();
    }
    let text = format!("{short:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text;
    };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each as `kubectl label --local -o json` (1.32) shows it.
    #[test]
    fn a_scalar_means_what_it_means_to_kubectl() {
        for (text, expected) in [
            ("y", json!(true)),
            ("N", json!(false)),
            ("off", json!(false)),
            ("yES", json!("yES")),
            ("~", json!(null)),
            ("0644", json!(420)),
            ("08", json!(8.0)),
            ("0o17", json!(15)),
            ("0b11", json!(3)),
            ("0x1F", json!(31)),
            ("1_000", json!(1000)),
            ("+1", json!(1)),
            ("-0x10", json!(-16)),
            ("000000000000", json!(0)),
            ("1.", json!(1.0)),
            (".5", json!(0.5)),
            ("-.5", json!(-0.5)),
            ("1e3", json!(1000.0)),
            ("1e400", json!("1e400")),
            ("-1e999", json!("-1e999")),
            ("9223372036854775808", json!(9_223_372_036_854_775_808_u64)),
            (
                "123456789012345678901234567890",
                json!(1.234_567_890_123_456_8e29),
            ),
            ("-9223372036854775809", json!(-9.223_372_036_854_776e18)),
            ("12:30:45", json!("12:30:45")),
            ("2026-01-02", json!("2026-01-02")),
            ("1.2.3", json!("1.2.3")),
            ("1e", json!("1e")),
            ("0x", json!("0x")),
            ("+-1", json!("+-1")),
            ("-", json!("-")),
            (".", json!(".")),
            ("..", json!("..")),
            ("1_", json!(1)),
            ("_1", json!("_1")),
            ("=", json!("=")),
            ("<<", json!("<<")),
        ] {
            assert_eq!(plain(text), Ok(expected), "{text}");
        }
        for text in [".inf", "-.INF", ".NaN"] {
            assert_eq!(plain(text), Err(Unfit::NoNumber), "{text}");
        }
    }

    #[test]
    fn a_tag_has_the_last_word_where_the_text_fits_it() {
        assert_eq!(tagged("str", "12"), Ok(json!("12")));
        assert_eq!(tagged("int", "3"), Ok(json!(3)));
        assert_eq!(tagged("float", "3"), Ok(json!(3)));
        assert_eq!(tagged("timestamp", "2026-01-02"), Ok(json!("2026-01-02")));
        assert_eq!(tagged("int", "abc"), Err(Unfit::Tag));
        assert_eq!(tagged("bool", "1"), Err(Unfit::Tag));
    }

    #[test]
    fn keys_are_written_as_go_writes_them() {
        for (text, expected) in [
            ("1.10", Some("1.1")),
            ("0x10", Some("16")),
            ("1e6", Some("1e+06")),
            ("1e21", Some("1e+21")),
            ("0.00001", Some("1e-05")),
            ("yes", Some("true")),
            ("off", Some("false")),
            ("a", Some("a")),
            ("~", None),
        ] {
            assert_eq!(key(plain(text).unwrap()).as_deref(), expected, "{text}");
        }
    }
}
