//! The only writer of stdout and stderr: data goes to stdout, messages to stderr.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::MultiProgress;
use irsa_emu_core::paint::Paint;
use serde_json::{Value, json};
use terminal_size::{Width, terminal_size_of};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::color::{self, painted};
use super::layout::wrapped;
use crate::console::github;
use crate::error::CliError;
use crate::options::words::{ColorMode, ProgressMode};

/// Writes to stdout and stderr. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Printer {
    mode: ProgressMode,
    color_out: bool,
    color_err: bool,
    width_out: Option<usize>,
    width_err: Option<usize>,
    in_actions: bool,
    lines: Arc<MultiProgress>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Printer {
    /// A printer for this terminal, or for no terminal.
    #[must_use]
    pub fn new(color: ColorMode, progress: ProgressMode) -> Self {
        let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let paints = |is_terminal: bool| color::is_wanted(color, is_terminal, |name| std::env::var_os(name));
        let width = |is: Option<(Width, _)>| {
            is.map(|(Width(width), _)| usize::from(width))
                .or_else(|| std::env::var("COLUMNS").ok()?.parse().ok())
        };
        Self {
            mode: mode(progress, err, |name| std::env::var_os(name)),
            color_out: paints(out),
            color_err: paints(err),
            width_out: width(terminal_size_of(std::io::stdout())),
            width_err: width(terminal_size_of(std::io::stderr())),
            in_actions: github::is_running(),
            lines: Arc::new(MultiProgress::new()),
            warnings: Arc::default(),
        }
    }

    /// How progress is shown; never `Auto`.
    #[must_use]
    pub fn mode(&self) -> ProgressMode {
        self.mode
    }

    /// Whether lines go to the log of GitHub Actions.
    #[must_use]
    pub fn folds(&self) -> bool {
        self.in_actions && self.mode == ProgressMode::Plain
    }

    /// The lines that progress redraws.
    #[must_use]
    pub fn lines(&self) -> &MultiProgress {
        &self.lines
    }

    /// The columns of stdout, where they are known.
    #[must_use]
    pub fn width(&self) -> Option<usize> {
        self.width_out
    }

    /// Writes lines of data to stdout, as they are.
    pub fn data(&self, text: &str) {
        self.lines.suspend(|| {
            // A reader that has gone (`| head`) wants no more, and that is no failure of ours.
            let _ = writeln!(std::io::stdout(), "{text}");
        });
    }

    /// Writes text to stdout to the byte, without a line break of our own.
    pub fn exact(&self, text: &str) {
        self.lines.suspend(|| {
            let mut stdout = std::io::stdout();
            // As above: a reader that has gone wants no more.
            let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        });
    }

    /// Writes lines for people to stdout; what is too long for their terminal is broken.
    pub fn row(&self, text: &str) {
        self.data(&wrapped(text, self.width_out));
    }

    /// Writes a message to stderr.
    pub fn talk(&self, text: &str) {
        match self.mode {
            ProgressMode::Quiet => {}
            ProgressMode::Json => self.event("note", json!({ "text": text.trim_start() })),
            ProgressMode::Auto | ProgressMode::Tty | ProgressMode::Plain => {
                self.always(&wrapped(text, self.width_err));
            }
        }
    }

    /// Writes a warning to stderr.
    pub fn warn(&self, text: &str) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.push(text.to_owned());
        drop(warnings);
        if self.mode == ProgressMode::Json {
            self.event("warning", json!({ "text": text }));
        } else {
            self.talk(&format!("{} {text}", self.paint_err(Paint::Warn, "warning:")));
        }
    }

    /// The warnings written so far.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.warnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Writes an error to stderr.
    pub fn error(&self, error: &CliError) {
        if self.mode == ProgressMode::Json {
            return self.event("error", error.to_json());
        }
        let text = error.render();
        let label = self.paint_err(Paint::Bad, "error:");
        self.always(&wrapped(&format!("{label} {text}"), self.width_err));
        if self.in_actions {
            self.always(&github::error(error.known_as().name(), &text));
        }
    }

    /// Writes an event to stderr: a JSON object on one line.
    pub fn event(&self, name: &str, fields: Value) {
        let mut event = json!({
            "time": OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default(),
            "event": name,
        });
        if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
            event.extend(fields);
        }
        self.always(&event.to_string());
    }

    /// Paints a part of a line of data.
    #[must_use]
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        painted(self.color_out, paint, text)
    }

    /// Paints a part of a message.
    #[must_use]
    pub fn paint_err(&self, paint: Paint, text: &str) -> String {
        painted(self.color_err, paint, text)
    }

    fn always(&self, text: &str) {
        self.lines.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{text}");
        });
    }
}

/// A line that changes is for people at a terminal that can do it.
fn mode(asked: ProgressMode, is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> ProgressMode {
    let redraws = is_terminal && variable("CI").is_none() && variable("TERM") != Some("dumb".into());
    match asked {
        ProgressMode::Auto if redraws => ProgressMode::Tty,
        ProgressMode::Auto => ProgressMode::Plain,
        chosen => chosen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_change_only_where_somebody_sees_it() {
        use ProgressMode::{Auto, Json, Plain, Tty};
        for (asked, terminal, variable, expected) in [
            (Auto, true, None, Tty),
            (Auto, false, None, Plain),
            (Auto, true, Some(("CI", "true")), Plain),
            (Auto, true, Some(("TERM", "dumb")), Plain),
            (Tty, false, Some(("CI", "true")), Tty),
            (Json, true, None, Json),
        ] {
            let found = |name: &str| {
                variable
                    .filter(|(known, _)| *known == name)
                    .map(|(_, value)| value.into())
            };
            assert_eq!(
                mode(asked, terminal, found),
                expected,
                "{asked:?} {terminal} {variable:?}"
            );
        }
    }
}
