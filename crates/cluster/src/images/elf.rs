//! Reads of an ELF file whether it runs in an image that has nothing else.

/// Why a program cannot run in an image of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ElfProblem {
    /// It is no Linux program.
    #[error("it is not a 64-bit little-endian ELF file (a Linux program)")]
    NotElf,
    /// It is for another machine.
    #[error("it is for an architecture that irsa-emu has no image for (ELF machine {0})")]
    Machine(u16),
    /// It needs a dynamic loader.
    #[error("it is linked dynamically, and the image has no libraries")]
    Dynamic,
}

const PT_INTERP: u32 = 3;

/// The architecture of a static program, as images name it.
pub(super) fn static_architecture(binary: &[u8]) -> Result<&'static str, ElfProblem> {
    // Magic number, 64-bit class, little endian.
    if binary.get(..6) != Some(&[0x7f, b'E', b'L', b'F', 2, 1]) {
        return Err(ElfProblem::NotElf);
    }
    let architecture = match u16_at(binary, 18)? {
        62 => "amd64",
        183 => "arm64",
        other => return Err(ElfProblem::Machine(other)),
    };
    let start = usize::try_from(u64_at(binary, 32)?).map_err(|_| ElfProblem::NotElf)?;
    let (size, count) = (usize::from(u16_at(binary, 54)?), usize::from(u16_at(binary, 56)?));
    for index in 0..count {
        let offset = index
            .checked_mul(size)
            .and_then(|skip| skip.checked_add(start))
            .ok_or(ElfProblem::NotElf)?;
        if u32_at(binary, offset)? == PT_INTERP {
            return Err(ElfProblem::Dynamic);
        }
    }
    Ok(architecture)
}

fn bytes_at<const N: usize>(binary: &[u8], offset: usize) -> Result<[u8; N], ElfProblem> {
    let bytes = offset
        .checked_add(N)
        .and_then(|end| binary.get(offset..end))
        .ok_or(ElfProblem::NotElf)?;
    bytes.try_into().map_err(|_| ElfProblem::NotElf)
}

fn u16_at(binary: &[u8], offset: usize) -> Result<u16, ElfProblem> {
    bytes_at(binary, offset).map(u16::from_le_bytes)
}

fn u32_at(binary: &[u8], offset: usize) -> Result<u32, ElfProblem> {
    bytes_at(binary, offset).map(u32::from_le_bytes)
}

fn u64_at(binary: &[u8], offset: usize) -> Result<u64, ElfProblem> {
    bytes_at(binary, offset).map(u64::from_le_bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An ELF header with one program header of this type.
    pub(in crate::images) fn elf(machine: u16, program_header: u32) -> Vec<u8> {
        let mut binary = vec![0; 64 + 56];
        binary[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
        binary[18..20].copy_from_slice(&machine.to_le_bytes());
        binary[32..40].copy_from_slice(&64u64.to_le_bytes());
        binary[54..56].copy_from_slice(&56u16.to_le_bytes());
        binary[56..58].copy_from_slice(&1u16.to_le_bytes());
        binary[64..68].copy_from_slice(&program_header.to_le_bytes());
        binary
    }

    #[test]
    fn only_static_programs_of_known_machines_pass() {
        assert_eq!(static_architecture(&elf(62, 1)), Ok("amd64"));
        assert_eq!(static_architecture(&elf(183, 2)), Ok("arm64"));
        assert_eq!(static_architecture(&elf(62, PT_INTERP)), Err(ElfProblem::Dynamic));
        assert_eq!(static_architecture(&elf(243, 1)), Err(ElfProblem::Machine(243)));
        assert_eq!(static_architecture(b"#!/bin/sh\n"), Err(ElfProblem::NotElf));
    }

    #[test]
    fn a_header_cut_off_or_lying_is_refused_without_a_panic() {
        let whole = elf(62, 1);
        for length in 0..64 + 4 {
            assert_eq!(
                static_architecture(&whole[..length]),
                Err(ElfProblem::NotElf),
                "{length}"
            );
        }
        let mut lying = whole;
        lying[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(static_architecture(&lying), Err(ElfProblem::NotElf));
    }

    #[test]
    fn this_test_program_is_dynamic() {
        let binary = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        if cfg!(not(target_feature = "crt-static")) {
            assert_eq!(static_architecture(&binary), Err(ElfProblem::Dynamic));
        }
    }
}
