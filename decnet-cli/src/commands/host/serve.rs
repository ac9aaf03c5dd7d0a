use std::net::SocketAddr;

use decnet_engine::FleetOptions;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    command_error::CommandError,
    context::{Context, open_fleet},
    exit::Exit,
    interrupt::catch_to_finish,
};

/// Serve the listener for agents, until Ctrl-C or SIGTERM: hosts join and send heartbeats.
///
/// It uses TLS with a certificate of the authority in the database. If it is off, mazes run on, and hosts count as unreachable.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet host serve\n  \
                        decnet host serve --listen 10.0.0.5:7379")]
pub(super) struct Arguments {
    /// The address and the port to listen on; port 0 is any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:7379")]
    listen: SocketAddr,
}

/// Serves the listener.
pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let address = arguments.listen;
    let cannot = |source| CommandError::Listen { address, source };
    let fleet = open_fleet(context.repo().await?).await?;
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let listening = listener.local_addr().map_err(cannot)?;
    let stop = catch_to_finish("stopping: finishing requests")?;
    let fingerprint = fleet.authority().fingerprint();
    let options = FleetOptions::default().stop(stop);
    let server = decnet_engine::fleet::serve(fleet, options, listener);
    // Printed only now: a reader of this line may connect immediately.
    if context.output.json {
        let value = json!({
            "listening": listening,
            "authority": fingerprint.to_string(),
            "pid": std::process::id(),
        });
        context.output.json_line(&value)?;
    } else {
        context.output.line(format!("serving hosts at {listening}"))?;
    }
    server.await.map_err(cannot)?;
    Ok(Exit::Done)
}
