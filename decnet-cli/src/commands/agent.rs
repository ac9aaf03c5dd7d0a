use std::{
    io::{self, Read as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use decnet_engine::{
    AgentFolder, AgentLogs, AgentMaster, AgentOptions, AgentPlace, Credentials, JoinError, JoinToken, LogTarget,
    PeerError, agent, check_address,
};
use decnet_topology::{Name, SqliteRepo};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::{TcpListener, lookup_host};

use crate::{
    command_error::CommandError, context::Context, duration::read_duration, exit::Exit, interrupt::catch_to_finish,
    store,
};

const EXAMPLES: &str = "Examples:
  decnet agent --join - --name host-1 --master 10.0.0.5:7379 < token
  decnet agent
  decnet agent --join - --join-only --name host-1 --master 10.0.0.5:7379 < token
  decnet agent --listen 10.0.0.7:7378 --logs /var/log/decnet/visits.jsonl
  decnet agent --orphan-after 24h";

/// Serve the Docker of this host to the masters of a fleet, until Ctrl-C or SIGTERM.
///
/// At the first start, the host joins the fleet with a token of its master: --join, --name and --master. The token works once. Later starts
/// need none of these flags. With --join-only it joins and exits, so that a service starts the agent. Whom this host trusts and its own key
/// are in the folder of its state, which only its owner may use.
///
/// The agent answers masters only, over TLS. It sends a heartbeat to its master every ten seconds, which also renews its certificate. A
/// start deploys nothing, and needs no Docker.
///
/// If the host was revoked, it says so and exits with status 3. What runs here keeps running; with --orphan-after, the agent waits for that
/// time, and removes it first.
///
/// It stops after open requests and operations: an interrupted deploy is undone. A second signal exits immediately.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Join the fleet with this token first; `-` reads it from the standard input.
    #[arg(long, value_name = "TOKEN", requires_all = ["name", "master"])]
    join: Option<String>,
    /// Join the fleet and exit. Give --listen and --address here too if the agent will have them.
    #[arg(long, requires = "join")]
    join_only: bool,
    /// The name of this host, for which the token was made.
    #[arg(long, value_name = "NAME", requires = "join")]
    name: Option<Name>,
    /// The address of the master's listener for agents.
    #[arg(long, value_name = "HOST:PORT", requires = "join")]
    master: Option<String>,
    /// The address at which masters reach this agent [default: that of --listen, on the network of the master].
    #[arg(long, value_name = "HOST:PORT", requires = "join")]
    address: Option<String>,
    /// The address and the port to listen on; port 0 is any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:7378")]
    listen: SocketAddr,
    /// The folder of its state [default: `agent` in the folder of the database].
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Where the logs of mazes go that the master pushes to this host, as for `decnet logs --to`.
    #[arg(long, value_name = "TARGET")]
    logs: Option<LogTarget>,
    /// Remove everything that masters made on this host if no master answers for this long: 24h, 90m. Off by default. If a master comes
    /// back later, it deploys its mazes again.
    #[arg(long, value_name = "TIME", value_parser = read_silence)]
    orphan_after: Option<Duration>,
}

/// Serves the agent.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let Arguments {
        join,
        join_only,
        name,
        master,
        address,
        listen,
        state,
        logs,
        orphan_after,
    } = arguments;
    let folder = AgentFolder::open(match state {
        Some(path) => path,
        None => store::data_folder()?.join("agent"),
    })?;
    let cannot = |source| CommandError::Listen {
        address: listen,
        source,
    };
    // A host that only joins leaves the port to its agent.
    let listener = if join_only {
        None
    } else {
        Some(TcpListener::bind(listen).await.map_err(cannot)?)
    };
    let listening = match &listener {
        Some(listener) => listener.local_addr().map_err(cannot)?,
        None => listen,
    };
    if let (Some(token), Some(name), Some(master)) = (join, name, master) {
        check_address(&master).map_err(JoinError::from)?;
        let address = match address {
            Some(address) => address,
            None => seen_from(&master, listening).await?,
        };
        let place = AgentPlace::new(master, address);
        folder.check_room()?;
        let credentials = agent::join(&read(&token)?, &name, &place, Timestamp::now()).await?;
        folder.save(&credentials, &place)?;
        context.output.note(format!(
            "{} has joined the fleet of {}",
            credentials.identity().info().subject.name(),
            place.master
        ));
    }
    let Some((credentials, place)) = folder.load()? else {
        return Err(CommandError::NotJoined {
            folder: folder.path().into(),
        });
    };
    let Some(listener) = listener else {
        return joined(context, &credentials, &place);
    };
    let store = SqliteRepo::open(folder.store()).map_err(|source| CommandError::AgentStore {
        path: folder.store(),
        source,
    })?;
    let engine = context.engine_of_agent(Arc::new(store))?;
    let logs = logs.map(|target| AgentLogs::new(target).cursor(folder.cursor()));
    let stop = catch_to_finish("stopping: finishing requests and undoing operations")?;
    let options = AgentOptions::default()
        .stop(stop)
        .folder(folder)
        .master(AgentMaster::new(place.clone()))
        .logs(logs)
        .orphan_after(orphan_after);
    let server = agent::serve(engine, credentials.clone(), options, listener);
    report(context, &credentials, &place, listening)?;
    match server.await {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(error.into()),
    }
}

/// Reads how long no master may answer. A number without a unit is seconds, so a short time is a typing error.
fn read_silence(text: &str) -> Result<Duration, String> {
    const SHORTEST: Duration = Duration::from_mins(1);
    match read_duration(text)? {
        short if short < SHORTEST => Err("must be one minute or longer; 24h is usual".into()),
        silence => Ok(silence),
    }
}

/// Says that the agent listens. A reader of this line may connect immediately.
fn report(
    context: &Context,
    credentials: &Credentials,
    place: &AgentPlace,
    listening: SocketAddr,
) -> Result<(), CommandError> {
    if context.output.json {
        let mut shown = shown(credentials, place);
        shown["listening"] = json!(listening);
        shown["pid"] = json!(std::process::id());
        return context.output.json_line(&shown);
    }
    context.output.line(format!(
        "serving the agent of {} at {listening} for the master at {}",
        credentials.identity().info().subject.name(),
        place.master
    ))
}

/// Says as what the host has joined, for programs; people have read it.
fn joined(context: &Context, credentials: &Credentials, place: &AgentPlace) -> Result<Exit, CommandError> {
    if context.output.json {
        context.output.json_line(&shown(credentials, place))?;
    }
    Ok(Exit::Done)
}

fn shown(credentials: &Credentials, place: &AgentPlace) -> Value {
    let identity = credentials.identity();
    let info = identity.info();
    json!({
        "name": info.subject.name(),
        "host": info.subject.host(),
        "master": place.master,
        "address": place.address,
        "certificate_until": info.not_after,
    })
}

/// Reads a token: the text itself, or the standard input.
fn read(text: &str) -> Result<JoinToken, CommandError> {
    let mut read = String::new();
    if text == "-" {
        let input = io::stdin().lock().take(4096).read_to_string(&mut read);
        input.map_err(|source| CommandError::Read {
            path: "-".into(),
            source,
        })?;
    } else {
        text.clone_into(&mut read);
    }
    Ok(read.parse()?)
}

/// Returns the address of this host on the network of the master, with the port that the agent listens on. Nothing is sent to the master.
async fn seen_from(master: &str, listening: SocketAddr) -> Result<String, CommandError> {
    if listening.port() == 0 {
        return Err(CommandError::NoAgentAddress {
            reason: "its port is not known before the agent starts".into(),
        });
    }
    if !listening.ip().is_unspecified() {
        return Ok(listening.to_string());
    }
    let unreachable = |reason: String| {
        JoinError::from(PeerError::Unreachable {
            address: master.into(),
            reason,
        })
    };
    let found = lookup_host(master).await;
    let masters = found.map_err(|source| unreachable(format!("its name has no address: {source}")))?;
    let mut failed = None;
    // An agent that listens at `[::]` is reached by IPv4 too.
    for found in masters.filter(|found| found.is_ipv4() || listening.is_ipv6()) {
        match towards(found) {
            Ok(own) => return Ok(SocketAddr::new(own, listening.port()).to_string()),
            Err(source) => failed = Some(source),
        }
    }
    Err(match failed {
        Some(source) => unreachable(source.to_string()).into(),
        None => CommandError::NoAgentAddress {
            reason: format!("{master} has no IPv4 address, and the agent listens at {listening}"),
        },
    })
}

/// Returns the address of this host from which packets to another one go.
fn towards(found: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match found {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(found)?;
    Ok(socket.local_addr()?.ip())
}
