use std::{io, path::PathBuf};

/// The reason why tokens cannot be read or changed.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum TokenError {
    /// The file cannot be read.
    #[error("the tokens {} cannot be read", .path.display())]
    #[strum(serialize = "io")]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("the tokens {} cannot be written", .path.display())]
    #[strum(serialize = "io")]
    Write {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is not a file of tokens.
    #[error("{} is not a file of tokens", .path.display())]
    #[strum(serialize = "tokens_damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: serde_json::Error,
    },
    /// Others than the owner may write to the file, and so make tokens.
    #[error("others than the owner may write to the tokens {}", .path.display())]
    #[strum(serialize = "tokens_exposed")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to another user, who can make tokens.
    #[error("the tokens {} belong to another user, with the id {owner}", .path.display())]
    #[strum(serialize = "tokens_foreign")]
    ForeignOwner {
        /// The file.
        path: PathBuf,
        /// The id of its owner.
        owner: u32,
    },
    /// A name that cannot be the name of an actor.
    #[error("`{}` is not a valid name", .name.escape_debug())]
    #[strum(serialize = "invalid_name")]
    Name {
        /// The name.
        name: String,
    },
    /// No token has that id.
    #[error("no token has the id `{}`", .id.escape_debug())]
    #[strum(serialize = "not_found")]
    NotFound {
        /// The id.
        id: String,
    },
}

impl TokenError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}
