//! The text of a file: UTF-8, or UTF-16 with a byte order mark, as kubectl takes it.

/// Why bytes are no text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// It is UTF-16 or UTF-32, and kubectl does not read it either.
    #[error("it is {0}, which kubectl does not read: save it as UTF-8")]
    Other(&'static str),
    /// It begins as UTF-16, and goes on as something else.
    #[error("it begins as {0} and is not: save it as UTF-8")]
    Broken(&'static str),
}

/// The text of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// The text, without a byte order mark.
    pub(super) text: String,
    /// Whether UTF-8 with a byte order mark was read.
    pub(super) has_mark: bool,
    /// The first line with bytes that are not UTF-8. kubectl reads each of these as U+FFFD.
    pub(super) replaced_in: Option<usize>,
}

/// Reads bytes as text.
pub(super) fn decode(bytes: &[u8]) -> Result<Decoded, EncodingError> {
    let utf16 = |name, bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        match String::from_utf16(&units) {
            Ok(text) if rest.is_empty() => Ok(Decoded {
                text,
                has_mark: false,
                replaced_in: None,
            }),
            _ => Err(EncodingError::Broken(name)),
        }
    };
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Err(EncodingError::Other("UTF-32")),
        [0xff, 0xfe, rest @ ..] => utf16("UTF-16 (little endian)", rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16("UTF-16 (big endian)", rest, u16::from_be_bytes),
        [0, 0, 0, 1..=255, ..] | [1..=255, 0, 0, 0, ..] => {
            Err(EncodingError::Other("UTF-32 without a byte order mark"))
        }
        [1..=255, 0, 1..=255, 0, ..] | [0, 1..=255, 0, 1..=255, ..] => {
            Err(EncodingError::Other("UTF-16 without a byte order mark"))
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => Ok(utf8(rest, true)),
        rest => Ok(utf8(rest, false)),
    }
}

fn utf8(bytes: &[u8], has_mark: bool) -> Decoded {
    let replaced_in = std::str::from_utf8(bytes).err().map(|error| {
        let before = &bytes[..error.valid_up_to()];
        before.split(|byte| *byte == b'\n').count()
    });
    Decoded {
        text: String::from_utf8_lossy(bytes).into_owned(),
        has_mark,
        replaced_in,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        "\u{feff}"
            .encode_utf16()
            .chain(text.encode_utf16())
            .flat_map(bytes)
            .collect()
    }

    #[test]
    fn text_is_read_in_the_encodings_of_kubectl() {
        let text = "a: é😀\r\n";
        for (bytes, has_mark) in [
            (text.as_bytes().to_vec(), false),
            (["\u{feff}", text].concat().into_bytes(), true),
            (utf16(text, u16::to_le_bytes), false),
            (utf16(text, u16::to_be_bytes), false),
        ] {
            let decoded = decode(&bytes).unwrap();
            assert_eq!((decoded.text.as_str(), decoded.has_mark), (text, has_mark));
            assert_eq!(decoded.replaced_in, None);
        }
        assert_eq!(decode(b"").unwrap().text, "");
    }

    #[test]
    fn what_kubectl_does_not_read_is_named() {
        let utf32: Vec<u8> = "a: b".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let marked = [&[0xff, 0xfe, 0, 0], &utf32[..]].concat();
        let (little, big) = (utf16("a: b", u16::to_le_bytes), utf16("a: b", u16::to_be_bytes));
        for (bytes, name) in [
            (&utf32[..], "UTF-32 without"),
            (&marked, "UTF-32"),
            (&little[2..], "UTF-16 without"),
            (&big[2..], "UTF-16 without"),
            (&little[..5], "UTF-16 (little endian)"),
            (&[0xfe, 0xff, 0xd8, 0x00], "UTF-16 (big endian)"),
        ] {
            let error = decode(bytes).unwrap_err().to_string();
            assert!(
                error.contains(name) && error.contains("save it as UTF-8"),
                "{error}"
            );
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_read_as_kubectl_reads_them() {
        let decoded = decode(b"a: 1\nb: \xe4\n").unwrap();
        assert_eq!(
            (decoded.text.as_str(), decoded.replaced_in),
            ("a: 1\nb: \u{fffd}\n", Some(2))
        );
    }
}
