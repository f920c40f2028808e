//! One request and what is done after it.

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};
use url::form_urlencoded::byte_serialize;

/// What an attacker does once.
pub(super) struct Shot {
    pub(super) kind: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) then: Then,
}

/// What it does when it has sent its bytes.
#[derive(Clone, Copy)]
pub(super) enum Then {
    /// Waits for the response.
    Read,
    /// Closes at once.
    HangUp,
    /// Keeps the connection open, and does nothing.
    Hold,
}

impl Shot {
    pub(super) fn read(kind: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(kind, bytes, Then::Read)
    }

    pub(super) fn new(kind: &'static str, bytes: impl Into<Vec<u8>>, then: Then) -> Self {
        let bytes = bytes.into();
        Self { kind, bytes, then }
    }
}

/// A form as a whole request.
pub(super) fn post(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: sts\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A form with these values, encoded.
pub(super) fn form(pairs: &[(&str, &[u8])]) -> Vec<u8> {
    let pair =
        |(name, value): &(&str, &[u8])| format!("{name}={}", byte_serialize(value).collect::<String>());
    pairs.iter().map(pair).collect::<Vec<_>>().join("&").into_bytes()
}

/// So many bytes of anything, at least one.
pub(super) fn noise(random: &mut StdRng, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; random.random_range(1..=most)];
    random.fill_bytes(&mut bytes);
    bytes
}

/// One of several.
pub(super) fn one_of<'a, T: ?Sized>(random: &mut StdRng, several: &[&'a T]) -> &'a T {
    several[random.random_range(0..several.len())]
}
