use std::{fs, path::PathBuf};

use crate::{command_error::CommandError, context::Context, exit::Exit};

/// Write the manual pages, one for each command, into a folder.
///
/// For example `decnet man /usr/local/share/man/man1`, and then `man decnet-deploy`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The folder. It is created if it does not exist.
    folder: PathBuf,
}

/// Writes the manual pages, and says where.
pub(crate) fn run(arguments: &Arguments, grammar: clap::Command, context: &Context) -> Result<Exit, CommandError> {
    let folder = &arguments.folder;
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(grammar, folder))
        .map_err(|source| CommandError::Write {
            path: folder.clone(),
            source,
        })?;
    context
        .output
        .note(format!("the manual pages are in {}", folder.display()));
    Ok(Exit::Done)
}
