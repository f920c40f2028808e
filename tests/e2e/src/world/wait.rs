//! Waiting for what a cluster does in its own time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

/// Asks again until there is a response, at most for `seconds`; the error of the last try is reported.
pub(crate) fn eventually<T>(what: &str, seconds: u64, mut ask: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() > deadline => {
                return Err(error.context(format!("{what}: not within {seconds} s")));
            }
            Err(_) => std::thread::park_timeout(Duration::from_millis(300)),
        }
    }
}

/// The text at a JSON pointer.
pub(crate) fn text_at<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    match value.pointer(pointer).and_then(Value::as_str) {
        Some(text) => Ok(text),
        None => bail!("nothing at {pointer} of {value}"),
    }
}
