use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap_mangen::Man;

use crate::{command_error::CommandError, context::Context, exit::Exit};

/// Write the manual pages, one for each command, into a folder.
///
/// For example `decnet man /usr/local/share/man/man1`, and then `man decnet-deploy`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet man /usr/local/share/man/man1")]
pub(crate) struct Arguments {
    /// The folder. It is created if it does not exist.
    folder: PathBuf,
}

/// Writes the manual pages, and says where.
pub(crate) fn run(arguments: &Arguments, mut grammar: clap::Command, context: &Context) -> Result<Exit, CommandError> {
    let folder = &arguments.folder;
    grammar.build();
    fs::create_dir_all(folder)
        .and_then(|()| write(&grammar, folder))
        .map_err(|source| CommandError::Write {
            path: folder.clone(),
            source,
        })?;
    context
        .output
        .note(format!("the manual pages are in {}", folder.display()));
    Ok(Exit::Done)
}

/// Writes the pages of a command and of its subcommands.
fn write(command: &clap::Command, folder: &Path) -> io::Result<()> {
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        write(subcommand, folder)?;
    }
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    // The generator has no section for examples.
    let page = String::from_utf8_lossy(&page).replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n");
    fs::write(folder.join(man.get_filename()), page)
}
