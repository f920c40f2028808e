//! A program that still makes a cluster although the run that started it is gone.

use std::path::Path;

use crate::local::family::Family;

/// The process that makes a cluster right now, if the system reports it (Linux).
#[must_use]
pub fn creator(family: Family, cluster: &str) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|process| process.file_name().to_string_lossy().parse::<u32>().ok())
        .find(|id| {
            let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            creates(&line, family, cluster)
        })
}

/// Whether a command line, as the kernel keeps it, creates this cluster.
fn creates(line: &[u8], family: Family, cluster: &str) -> bool {
    let line = String::from_utf8_lossy(line);
    let words: Vec<&str> = line.split('\0').collect();
    let wanted: &[&str] = match family {
        Family::Kind => &["create", "cluster", "--name", cluster],
        Family::K3d => &["cluster", "create", cluster],
    };
    // The first word may be the interpreter of a script.
    words.iter().take(2).enumerate().any(|(at, word)| {
        let is_program = Path::new(word)
            .file_name()
            .is_some_and(|name| name == family.program());
        is_program && words[at + 1..].starts_with(wanted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_program_that_makes_this_cluster_is_meant() {
        let line = |words: &[&str]| words.join("\0").into_bytes();
        let kind = line(&[
            "/usr/bin/kind",
            "create",
            "cluster",
            "--name",
            "a",
            "--config",
            "-",
            "",
        ]);
        assert!(creates(&kind, Family::Kind, "a"));
        assert!(!creates(&kind, Family::Kind, "b"));
        assert!(!creates(&kind, Family::K3d, "a"));
        let script = line(&["/bin/sh", "/opt/k3d", "cluster", "create", "a", ""]);
        assert!(creates(&script, Family::K3d, "a"));
        assert!(!creates(&line(&["vi", "kind", "create"]), Family::Kind, "a"));
        assert!(!creates(b"", Family::Kind, "a"));
    }
}
