//! Colour: whether, and which.

use std::ffi::OsString;

use crate::args::ColorMode;

/// How a piece of text is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Something is as it should be.
    Good,
    /// Something deserves a look.
    Warn,
    /// Something is wrong.
    Bad,
    /// Stands out.
    Strong,
    /// Stands back.
    Dim,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Warn => "33",
            Self::Bad => "31;1",
            Self::Strong => "1",
            Self::Dim => "2",
        }
    }
}

/// Paints a text, or leaves it.
pub(super) fn painted(on: bool, paint: Paint, text: &str) -> String {
    if on {
        format!("\x1b[{}m{text}\x1b[0m", paint.code())
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
