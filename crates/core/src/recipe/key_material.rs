//! Key material that can be made again: derived from one secret per install and the key's ARN.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;

/// Length of the seed in bytes.
pub const SEED_BYTES: usize = 32;

/// Domain of the derivation, so that the same seed can serve other purposes later without sharing bytes.
const DOMAIN: &[u8] = b"irsa-emu.dev/kms-key-material/v1";

/// The secret of an install from which the material of all its KMS keys is derived.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySeed([u8; SEED_BYTES]);

impl KeySeed {
    /// Takes a seed of exactly [`SEED_BYTES`] bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl From<[u8; SEED_BYTES]> for KeySeed {
    fn from(bytes: [u8; SEED_BYTES]) -> Self {
        Self(bytes)
    }
}

impl KeySeed {
    /// The seed itself, to be kept in its Secret and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySeed(***)")
    }
}

/// The 32 bytes of a symmetric key: HKDF-SHA256 (RFC 5869) over the seed, with the key's ARN as info. A multi-Region key
/// has the same material in every region, as on AWS.
#[must_use]
pub fn derive_key_material(seed: &KeySeed, key_arn: &str) -> [u8; 32] {
    let mut parts: Vec<&str> = key_arn.split(':').collect();
    let info = match parts[..] {
        ["arn", _, "kms", _, _, resource] if resource.starts_with("key/mrk-") => {
            parts[3] = "";
            parts.join(":")
        }
        _ => key_arn.to_owned(),
    };
    let mut material = [0; 32];
    // Fails only above 255 blocks of output; 32 bytes are one block.
    let expanded = Hkdf::<Sha256>::new(Some(DOMAIN), &seed.0).expand(info.as_bytes(), &mut material);
    debug_assert!(expanded.is_ok());
    material
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:us-east-1:123456789012:key/f4f7a2e2-c5c6-ea6d-dc42-526ef280e794";

    #[test]
    fn the_same_seed_and_arn_always_give_the_same_material() {
        let seed = KeySeed::new(&[7; 32]).unwrap();
        // Computed once by an independent HKDF; a changed derivation would make every ciphertext of every install unreadable.
        let hex = derive_key_material(&seed, ARN)
            .map(|byte| format!("{byte:02x}"))
            .concat();
        assert_eq!(
            hex,
            "283df3603f739c935a84d0f7f5e2e5b7107c4b7cd2fdbd3dd453d3972b71055b"
        );
    }

    #[test]
    fn another_seed_or_another_key_gives_other_material() {
        let (a, b) = (KeySeed::new(&[7; 32]).unwrap(), KeySeed::new(&[8; 32]).unwrap());
        assert_ne!(derive_key_material(&a, ARN), derive_key_material(&b, ARN));
        assert_ne!(
            derive_key_material(&a, ARN),
            derive_key_material(&a, &ARN.replace("us-east-1", "eu-west-1"))
        );
    }

    #[test]
    fn a_multi_region_key_has_the_same_material_in_every_region_and_in_no_other_account() {
        let seed = KeySeed::new(&[7; 32]).unwrap();
        let of = |region: &str, account: &str| {
            let arn = format!("arn:aws:kms:{region}:{account}:key/mrk-1234abcd12ab34cd56ef1234567890ab");
            derive_key_material(&seed, &arn)
        };
        assert_eq!(of("us-east-1", "123456789012"), of("eu-west-1", "123456789012"));
        assert_ne!(of("us-east-1", "123456789012"), of("us-east-1", "210987654321"));
    }

    #[test]
    fn a_seed_of_another_length_is_refused_and_none_is_printed() {
        assert_eq!(KeySeed::new(&[0; 31]), None);
        assert_eq!(format!("{:?}", KeySeed::new(&[7; 32])), "Some(KeySeed(***))");
    }
}
