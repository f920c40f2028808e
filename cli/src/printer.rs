//! The only writer of stdout and stderr: data goes to stdout, talk to stderr.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::MultiProgress;

use crate::args::{ColorMode, ProgressMode};
use crate::error::CliError;

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

/// Writes to stdout and stderr. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Printer {
    mode: ProgressMode,
    color_out: bool,
    color_err: bool,
    lines: Arc<MultiProgress>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Printer {
    /// A printer for this terminal, or for no terminal.
    #[must_use]
    pub fn new(color: ColorMode, progress: ProgressMode) -> Self {
        let terminal = |is: bool| is && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let (out, err) = (
            terminal(std::io::stdout().is_terminal()),
            terminal(std::io::stderr().is_terminal()),
        );
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let paints = |is_terminal: bool| match color {
            ColorMode::Always => true,
            ColorMode::Never => false,
            ColorMode::Auto => is_terminal && !no_color,
        };
        let mode = match progress {
            ProgressMode::Auto if err && std::env::var_os("CI").is_none() => ProgressMode::Tty,
            ProgressMode::Auto => ProgressMode::Plain,
            chosen => chosen,
        };
        let (color_out, color_err) = (paints(out), paints(err));
        Self {
            mode,
            color_out,
            color_err,
            lines: Arc::new(MultiProgress::new()),
            warnings: Arc::default(),
        }
    }

    /// Whether progress may redraw a line.
    #[must_use]
    pub fn redraws(&self) -> bool {
        self.mode == ProgressMode::Tty
    }

    /// Whether only errors are wanted.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.mode == ProgressMode::Quiet
    }

    /// The lines that progress redraws.
    #[must_use]
    pub fn lines(&self) -> &MultiProgress {
        &self.lines
    }

    /// Writes a line of data to stdout.
    pub fn data(&self, text: &str) {
        self.lines.suspend(|| {
            // A reader that has gone (`| head`) wants no more, and that is no failure of ours.
            let _ = writeln!(std::io::stdout(), "{text}");
        });
    }

    /// Writes a line of talk to stderr.
    pub fn talk(&self, text: &str) {
        if !self.is_quiet() {
            self.always(text);
        }
    }

    /// Writes a warning to stderr.
    pub fn warn(&self, text: &str) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.push(text.to_owned());
        drop(warnings);
        self.talk(&format!("{} {text}", self.paint_err(Paint::Warn, "warning:")));
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
        self.always(&format!(
            "{} {}",
            self.paint_err(Paint::Bad, "error:"),
            error.render()
        ));
    }

    /// Paints a part of a line of data.
    #[must_use]
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        painted(self.color_out, paint, text)
    }

    /// Paints a part of a line of talk.
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

fn painted(on: bool, paint: Paint, text: &str) -> String {
    if on {
        format!("\x1b[{}m{text}\x1b[0m", paint.code())
    } else {
        text.to_owned()
    }
}
