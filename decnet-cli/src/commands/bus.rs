use std::{fs, os::unix::fs::DirBuilderExt};

use decnet_engine::bus::unix::Server;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{bus, command_error::CommandError, context::Context, exit::Exit};

/// Serve the bus on which commands tell each other what happens, until it is ended by Ctrl-C or SIGTERM.
///
/// Every command does its work without it; with it `decnet watch` takes up a change at once, and `decnet events` knows of every
/// step. Its socket, given by --bus, is for its user and for the group `decnet`, where there is one. One that a dead server left is
/// taken over.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

/// Serves the bus.
pub(crate) async fn run(_: &Arguments, context: &Context) -> Result<Exit, CommandError> {
    let path = bus::path(&context.globals)?;
    if context.globals.bus.is_none()
        && let Some(folder) = path.parent()
    {
        let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(folder);
        made.map_err(|source| CommandError::Write {
            path: folder.into(),
            source,
        })?;
    }
    let wrong = |source| CommandError::Signals { source };
    let mut interrupts = signal(SignalKind::interrupt()).map_err(wrong)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(wrong)?;
    let mut hangups = signal(SignalKind::hangup()).map_err(wrong)?;
    let server = Server::bind(&path)?;
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {}
            _ = hangups.recv() => {}
        }
        cancel.cancel();
    });
    // Said once it is so: whoever reads it may connect.
    let value = json!({"socket": server.path(), "pid": std::process::id()});
    if context.output.json {
        context.output.json_line(&value)?;
    } else {
        context.output.line(format!("serving {}", server.path().display()))?;
    }
    server.serve(stop).await;
    Ok(Exit::Done)
}
