use std::{io, path::PathBuf};

/// Reports why a command, a copy or a capture is not possible.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum AccessError {
    /// The service is built in.
    #[error("{part} is a built-in service: its container has no programs and keeps no files")]
    BuiltIn {
        /// The service.
        part: String,
    },
    /// No service of the decky has an image of its own.
    #[error("no service of {decky} has an image of its own; its built-in services have no programs and keep no files")]
    NoOwnImage {
        /// The decky.
        decky: String,
    },
    /// Several services of the decky have images of their own.
    #[error("several services of {decky} have images of their own: {}", .services.join(", "))]
    SeveralOwnImages {
        /// The decky.
        decky: String,
        /// The services, as `decky.service`.
        services: Vec<String>,
    },
    /// The decky or the service does not run.
    #[error("{part} {how}")]
    NotRunning {
        /// The decky or the service.
        part: String,
        /// What it does instead, as the end of the sentence.
        how: String,
    },
    /// A command has no word.
    #[error("the command is empty: give a program and its arguments, or a verb like `routes`")]
    NoCommand,
    /// A built-in verb has wrong arguments.
    #[error("{why}; usage: {usage}")]
    InvalidVerb {
        /// What is wrong.
        why: String,
        /// The usage of the verb.
        usage: &'static str,
    },
    /// The path of a copy does not name a file or a folder.
    #[error("`{path}` does not name a file or a folder in the container; give a path like /var/log/app")]
    InvalidPath {
        /// The path.
        path: String,
    },
    /// The destination of a copy exists. Nothing was written.
    #[error("{} exists", .path.display())]
    DestinationExists {
        /// The path.
        path: PathBuf,
    },
    /// The copy has more bytes or files than allowed. A new destination was removed again.
    #[error("the copy has more than {limit}")]
    TooLarge {
        /// The limit, with its unit.
        limit: String,
    },
    /// The archive from the container is not valid. A new destination was removed again.
    #[error("the archive from the container is not valid")]
    InvalidArchive {
        /// The reason.
        source: io::Error,
    },
    /// The packets of a capture could not be written.
    #[error("could not write the packets")]
    #[strum(serialize = "write_packets")]
    Output {
        /// The reason.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("could not write {}", .path.display())]
    #[strum(serialize = "write")]
    Write {
        /// The path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl AccessError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}
