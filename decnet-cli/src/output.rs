//! Output: data to stdout, everything else to stderr.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::{
    command_error::CommandError,
    globals::{ColorChoice, Globals},
    text,
};

/// The output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Whether to print JSON.
    pub(crate) json: bool,
    /// Whether to print only errors on stderr.
    pub(crate) quiet: bool,
    /// The verbosity on stderr.
    pub(crate) verbose: u8,
    /// Whether stderr is coloured.
    pub(crate) color: bool,
}

impl Output {
    /// Reads the flags and the environment.
    pub(crate) fn new(globals: &Globals) -> Self {
        let color = match globals.color {
            ColorChoice::Auto => io::stderr().is_terminal() && globals.color.on_terminal(),
            chosen => chosen.on_terminal(),
        };
        Self {
            json: globals.json,
            quiet: globals.quiet,
            verbose: globals.verbose,
            color,
        }
    }

    /// Prints text on stdout unchanged.
    #[expect(clippy::unused_self, reason = "printing goes through an output")]
    pub(crate) fn data(self, text: &str) -> Result<(), CommandError> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(CommandError::Stdout)
    }

    /// Prints one line on stdout.
    pub(crate) fn line(self, line: impl AsRef<str>) -> Result<(), CommandError> {
        self.data(&format!("{}\n", text::one_line(line.as_ref())))
    }

    /// Prints a value as indented JSON on stdout.
    pub(crate) fn json(self, value: &impl Serialize) -> Result<(), CommandError> {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        self.data(&text)
    }

    /// Prints a value as one line of JSON on stdout, for streams.
    pub(crate) fn json_line(self, value: &impl Serialize) -> Result<(), CommandError> {
        let mut text = serde_json::to_string(value)?;
        text.push('\n');
        self.data(&text)
    }

    /// Prints a value as JSON, or the text of the closure.
    pub(crate) fn either(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), CommandError> {
        if self.json {
            self.json(value)
        } else {
            self.data(&text::visible(&text()))
        }
    }

    /// Prints a note for people on stderr, unless `--quiet` or `--json` is given.
    pub(crate) fn note(self, text: impl AsRef<str>) {
        if !self.quiet && !self.json {
            say(&text::one_line(text.as_ref()));
        }
    }

    /// Paints text for stderr.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{}m{text}\u{1b}[0m", style.code())
        } else {
            text.into()
        }
    }
}

/// Writes a line on stderr and ignores failures.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A style of text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Style {
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// A hint.
    Hint,
    /// A success.
    Good,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Error => "1;31",
            Self::Warning => "1;33",
            Self::Hint => "1;36",
            Self::Good => "1;32",
        }
    }
}
