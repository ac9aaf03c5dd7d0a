use std::{
    io::{self, IsTerminal as _, Write as _},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    str::FromStr,
};

use bytesize::ByteSize;
use decnet_engine::{CopyOptions, CopyReport};
use decnet_topology::DeckyPart;
use futures_util::StreamExt as _;

use crate::{command_error::CommandError, context::Context, exit::Exit, interrupt, lookup, number::positive, text};

/// Copy files out of a service with its own image.
///
/// If DEST is a folder, the copy is put into it; otherwise it gets that name. An intruder may control the files: nothing is written
/// outside of DEST, links that lead out of the copy, devices and pipes are skipped, and no file is executable. Files in memory (tmpfs)
/// cannot be copied; `decnet exec` prints them. Built-in services keep no files; `decnet logs` has the names and digests of uploads.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet cp corp web-01.shop:/var/log/shop ./evidence\n  \
                        decnet cp corp web-01.shop:/etc/passwd passwd\n  \
                        decnet cp corp web-01.shop:/srv - | tar -t")]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the start of its id.
    topology: String,
    /// The file or folder: the decky, its service if several have their own images, and the path in the container.
    #[arg(value_name = "DECKY[.SERVICE]:PATH")]
    source: CopySource,
    /// Where to copy to; - is a tar archive on stdout, as the container has it.
    #[arg(value_name = "DEST")]
    destination: PathBuf,
    /// The largest size of the copy: 100MB, 4GiB.
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    max_size: ByteSize,
    /// The largest number of files and folders.
    #[arg(long, value_name = "N", default_value = "100000", value_parser = positive::<NonZeroUsize>)]
    max_files: NonZeroUsize,
    /// Replace files that exist.
    #[arg(long)]
    force: bool,
}

/// A file or folder of a container.
#[derive(Debug, Clone)]
struct CopySource {
    part: DeckyPart,
    path: String,
}

impl FromStr for CopySource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (part, path) = text
            .split_once(':')
            .ok_or("files are copied out of a container: DECKY.SERVICE:/path")?;
        let part = part
            .parse()
            .map_err(|error| format!("`{part}` is not a decky or a service: {error}"))?;
        let path = path.to_owned();
        Ok(Self { part, path })
    }
}

/// Copies files.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let CopySource { part, path } = arguments.source;
    let to_stdout = arguments.destination == Path::new("-");
    if to_stdout && io::stdout().is_terminal() {
        let text = "stdout is a terminal: redirect the archive to a file or a program, or give a destination";
        return Err(CommandError::Usage(text.into()));
    }
    let engine = context.engine_on_demand().await?;
    let id = lookup::find(engine.repo().as_ref(), &arguments.topology).await?.id;
    let options = CopyOptions::new(part, path)
        .max_bytes(arguments.max_size.as_u64())
        .max_files(arguments.max_files.get())
        .force(arguments.force);
    if to_stdout {
        let mut pieces = engine.archive(id, options).await?;
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            let mut stdout = io::stdout().lock();
            stdout
                .write_all(&piece)
                .and_then(|()| stdout.flush())
                .map_err(CommandError::Stdout)?;
        }
        return Ok(Exit::Done);
    }
    let cancel =
        interrupt::catch_to_finish("interrupted: removing the incomplete copy; interrupt again to exit immediately")?;
    let report = engine.copy_out(id, options, &arguments.destination, &cancel).await?;
    print(context, &report)?;
    let is_empty = report.files + report.folders + report.links == 0;
    Ok(if is_empty { Exit::Failed } else { Exit::Done })
}

fn print(context: &Context, report: &CopyReport) -> Result<(), CommandError> {
    if context.output.json {
        return context.output.json(report);
    }
    let files = text::count(report.files, "file", "files");
    let size = ByteSize(report.bytes);
    context
        .output
        .note(format!("copied {files} ({size}) to {}", report.destination.display()));
    for entry in &report.skipped_entries {
        context.output.note(format!("skipped: {entry}"));
    }
    let more = report.skipped - report.skipped_entries.len();
    if more > 0 {
        context.output.note(format!("skipped {more} more"));
    }
    Ok(())
}
