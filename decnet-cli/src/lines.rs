//! The lines of a stream: printed, appended to a file, or sent to a log daemon.

use std::{num::NonZeroU32, path::PathBuf};

use bytesize::ByteSize;
use decnet_engine::{LogRotation, LogSink};

use crate::{command_error::CommandError, number::positive, output::Output};

/// The flags for a file of lines.
#[derive(Debug, clap::Args)]
pub(crate) struct FileFlags {
    /// Append to a file, or send to the socket of a log daemon, instead of printing.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Start a new file before one is larger: 100MB, 64MiB. FILE becomes FILE.1, and so on.
    #[arg(long, value_name = "SIZE", requires = "output")]
    rotate_size: Option<ByteSize>,
    /// Keep N old files.
    #[arg(long, value_name = "N", requires = "rotate_size", default_value = "10", value_parser = positive::<NonZeroU32>)]
    rotate_keep: NonZeroU32,
}

impl FileFlags {
    /// Returns the rotation of the file.
    pub(crate) fn rotation(&self) -> Option<LogRotation> {
        let size = self.rotate_size?;
        Some(LogRotation::new(size.as_u64(), self.rotate_keep))
    }
}

/// Where the lines of a stream go.
pub(crate) struct Lines {
    output: Output,
    sink: Option<(LogSink, PathBuf)>,
}

impl Lines {
    /// Opens the file or the socket, if there is one.
    pub(crate) fn open(flags: &FileFlags, output: Output) -> Result<Self, CommandError> {
        let sink = match &flags.output {
            Some(path) => {
                let sink = LogSink::open(path).map_err(CommandError::writing(path))?;
                Some((sink.rotating(flags.rotation()), path.clone()))
            }
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
