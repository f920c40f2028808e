//! The form of what AWS and Kubernetes call by name.

/// Whether a text has the form of an AWS account id: twelve digits.
#[must_use]
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text has the form of an AWS region, such as `us-gov-west-1`.
#[must_use]
pub fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number =
        |part: &str| matches!(part.len(), 1 | 2) && part.bytes().all(|byte| byte.is_ascii_digit());
    let Some((number, words)) = parts.split_last() else {
        return false;
    };
    text.len() <= 32 && words.len() >= 2 && words.iter().all(is_word) && is_number(number)
}

/// Whether a text is a KMS key id that the emulator can look up: a UUID, or the id of a multi-Region key, in lower case.
#[must_use]
pub fn is_key_id(text: &str) -> bool {
    let is_hex = |text: &str, length: usize| {
        let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        text.len() == length && text.bytes().all(digits)
    };
    if let Some(digits) = text.strip_prefix("mrk-") {
        return is_hex(digits, 32);
    }
    let lengths = [8, 4, 4, 4, 12];
    let groups: Vec<&str> = text.split('-').collect();
    let mut pairs = groups.iter().zip(lengths);
    groups.len() == lengths.len() && pairs.all(|(group, length)| is_hex(group, length))
}

/// Whether Kubernetes takes a text as the name of an object: a DNS subdomain (RFC 1123).
#[must_use]
pub fn is_dns_subdomain(text: &str) -> bool {
    let is_edge = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let is_inner = |byte: u8| is_edge(Some(byte)) || byte == b'-';
    let is_label = |label: &str| {
        is_edge(label.bytes().next()) && is_edge(label.bytes().last()) && label.bytes().all(is_inner)
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_regions_and_key_ids_are_those_of_aws() {
        assert!(is_account("123456789012"));
        for text in ["", "12345678901", "12345678901x", "1234567890123"] {
            assert!(!is_account(text), "{text}");
        }
        for text in ["us-east-1", "eu-central-2", "us-gov-west-1", "eusc-de-east-1"] {
            assert!(is_region(text), "{text}");
        }
        for text in [
            "",
            "us",
            "us-east",
            "US-EAST-1",
            "us--1",
            "us-east-1;",
            "a-b-c d",
            "us-east-1a",
            "eu-west-x",
        ] {
            assert!(!is_region(text), "{text}");
        }
        assert!(is_key_id("f4f7a2e2-c5c6-ea6d-dc42-526ef280e794"));
        assert!(is_key_id("mrk-1234abcd12ab34cd56ef1234567890ab"));
        for text in [
            "",
            "mrk-12",
            "F4F7A2E2-C5C6-EA6D-DC42-526EF280E794",
            "f4f7a2e2c5c6ea6ddc42526ef280e794",
        ] {
            assert!(!is_key_id(text), "{text}");
        }
    }

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        for text in ["vault", "a", "my-app.x", "0"] {
            assert!(is_dns_subdomain(text), "{text}");
        }
        let long = "a".repeat(254);
        for text in ["", "-a", "a-", "a..b", ".a", "A", "a/b", "a b", "é", &long] {
            assert!(!is_dns_subdomain(text), "{text}");
        }
    }
}
