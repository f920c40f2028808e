//! `make boundaries`: the imports of this workspace.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let wrong = irsa_emu_imports::check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
    let mut out = std::io::stderr();
    for line in &wrong {
        writeln!(out, "{line}")?;
    }
    if !wrong.is_empty() {
        writeln!(
            out,
            "imports run down tests/imports/layers.txt only, and never in a circle: {} findings",
            wrong.len()
        )?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
