//! Colour: whether, and which.

use std::ffi::OsString;

use irsa_emu_core::paint::Paint;

use crate::options::words::ColorMode;

/// The code of a terminal.
fn code(paint: Paint) -> &'static str {
    match paint {
        Paint::Good => "32",
        Paint::Warn => "33",
        Paint::Bad => "31;1",
        Paint::Strong => "1",
        Paint::Dim => "2",
    }
}

/// Paints a text, or leaves it.
pub(super) fn painted(on: bool, paint: Paint, text: &str) -> String {
    if on {
        format!("\x1b[{}m{text}\x1b[0m", code(paint))
    } else {
        text.to_owned()
    }
}

/// Whether to paint: the flag decides, then `NO_COLOR`, then `CLICOLOR_FORCE`, then the terminal.
pub(super) fn is_wanted(
    mode: ColorMode,
    is_terminal: bool,
    variable: impl Fn(&str) -> Option<OsString>,
) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    match mode {
        ColorMode::Always => true,
        ColorMode::Never => false,
        ColorMode::Auto if is_set("NO_COLOR") => false,
        ColorMode::Auto if is_set("CLICOLOR_FORCE") && variable("CLICOLOR_FORCE") != Some("0".into()) => true,
        ColorMode::Auto => is_terminal && variable("TERM") != Some("dumb".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_precedes_the_variables_and_these_the_terminal() {
        use ColorMode::{Always, Auto, Never};
        for (mode, terminal, variables, expected) in [
            (Auto, true, &[][..], true),
            (Auto, false, &[], false),
            (Auto, true, &[("TERM", "dumb")], false),
            (Auto, true, &[("NO_COLOR", "1")], false),
            (Auto, true, &[("NO_COLOR", "")], true),
            (Auto, false, &[("CLICOLOR_FORCE", "1")], true),
            (Auto, false, &[("CLICOLOR_FORCE", "0")], false),
            (Auto, false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
            (Auto, true, &[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], true),
            (Always, false, &[("NO_COLOR", "1")], true),
            (Never, true, &[("CLICOLOR_FORCE", "1")], false),
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            };
            assert_eq!(
                is_wanted(mode, terminal, variable),
                expected,
                "{mode:?} {terminal} {variables:?}"
            );
        }
    }
}
