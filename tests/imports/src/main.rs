//! What the check of imports sees, for a person who cuts circles.
//!
//! `irsa-emu-imports check` prints what `make boundaries` fails on; `irsa-emu-imports circles`, every circle with its imports
//! and the names to move out first; `irsa-emu-imports of FILE`, what a file imports, and who imports it. All read the
//! workspace in the current folder.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, bail};
use irsa_emu_imports::{Imports, Workspace, check, imports, shown};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let here = Path::new(".");
    let mut out = io::stdout().lock();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["check"] => {
            for line in check(here)? {
                writeln!(out, "{line}")?;
            }
        }
        ["circles"] => circles(&imports(&Workspace::read(here)?)?, &mut out)?,
        ["of", file] => of(&imports(&Workspace::read(here)?)?, file, &mut out)?,
        _ => bail!("usage: irsa-emu-imports check | circles | of FILE"),
    }
    Ok(())
}

fn circles(imports: &Imports, out: &mut impl Write) -> io::Result<()> {
    for circle in imports.circles() {
        writeln!(out, "{}", shown(&circle, imports))?;
        for (left, file, name) in imports.cuts(&circle).iter().take(10) {
            writeln!(out, "  without {name} of {file}: {left} files")?;
        }
        for import in imports.within(&circle).all() {
            writeln!(out, "    {import}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn of(imports: &Imports, file: &str, out: &mut impl Write) -> io::Result<()> {
    let mut its = imports
        .all()
        .filter(|import| import.from == file || import.to == file);
    its.try_for_each(|import| writeln!(out, "{import}"))
}
