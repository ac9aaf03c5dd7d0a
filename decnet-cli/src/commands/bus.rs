use std::{fs, os::unix::fs::DirBuilderExt};

use decnet_engine::Server;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{bus::BusAddress, command_error::CommandError, context::Context, exit::Exit, interrupt::Signals};

/// Serve the bus that carries events between commands, until Ctrl-C or SIGTERM.
///
/// Every command works without it. With it, `decnet watch` applies a change immediately, and `decnet events` prints every step.
/// The socket, set by --bus, can be used by its user and by the group `decnet`, if that exists. The socket of a dead server is
/// replaced.
///
/// Between machines, a NATS server carries the events instead: with --bus `nats://host:4222` or `tls://host:4222`, and
/// `nats://user:password@host` in `DECNET_BUS`, commands need no `decnet bus`. If the database is on a PostgreSQL server and --bus is not
/// given, that server carries them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet bus\n  \
                        decnet bus --bus /run/decnet/bus.sock")]
pub(crate) struct Arguments {}

/// Serves the bus.
pub(crate) async fn run(_: &Arguments, context: &Context) -> Result<Exit, CommandError> {
    let path = match BusAddress::of(&context.globals)? {
        BusAddress::Socket(path) => path,
        address @ (BusAddress::Nats(_) | BusAddress::Postgres(_)) => {
            let server = address.to_string();
            return Err(CommandError::BusOnServer { server });
        }
    };
    if context.globals.bus.is_none()
        && let Some(folder) = path.parent()
    {
        let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(folder);
        made.map_err(CommandError::writing(folder))?;
    }
    let mut signals = Signals::new()?;
    let server = Server::bind(&path)?;
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        signals.next().await;
        cancel.cancel();
    });
    // Printed only now: a reader of this line may connect immediately.
    let value = json!({"socket": server.path(), "pid": std::process::id()});
    if context.output.json {
        context.output.json_line(&value)?;
    } else {
        context.output.line(format!("serving {}", server.path().display()))?;
    }
    server.serve(stop).await;
    Ok(Exit::Done)
}
