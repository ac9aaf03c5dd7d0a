//! The lines of a stream: printed, appended to a file, or sent to a log daemon.

use std::path::PathBuf;

use decnet_engine::LogSink;

use crate::{command_error::CommandError, output::Output};

/// Where the lines of a stream go.
pub(crate) struct Lines {
    output: Output,
    sink: Option<(LogSink, PathBuf)>,
}

impl Lines {
    /// Opens the file or the socket, if there is one.
    pub(crate) fn open(path: Option<PathBuf>, output: Output) -> Result<Self, CommandError> {
        let sink = match path {
            Some(path) => Some((LogSink::open(&path).map_err(CommandError::writing(&path))?, path)),
            None => None,
        };
        Ok(Self { output, sink })
    }

    /// Writes one line.
    pub(crate) fn put(&mut self, line: &str) -> Result<(), CommandError> {
        match &mut self.sink {
            Some((sink, path)) => sink.put(line).map_err(CommandError::writing(&*path)),
            None => self.output.data(&format!("{line}\n")),
        }
    }
}
