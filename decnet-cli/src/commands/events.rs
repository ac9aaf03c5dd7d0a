mod sink;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use decnet_engine::{
    bus::{
        Pattern, Received,
        unix::{Connection, ConnectionError},
    },
    event::{Envelope, syslog::SyslogWriter},
    host,
};
use decnet_topology::TopologyId;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use self::sink::Sink;
use super::list::Row;
use crate::{
    bus,
    command_error::CommandError,
    context::Context,
    exit::Exit,
    lookup, progress,
    stored_events::{StoredEvents, StoredNow},
    text,
};

/// How often the database is looked into while there is no bus.
const ALONE: Duration = Duration::from_secs(1);
/// How often it is looked into beside the bus, for what a bus may lose.
const BESIDE: Duration = Duration::from_secs(10);

/// Follow what happens: first what there is, then every event, until interrupted.
///
/// With --json a line is an object: a `snapshot`, the events, and `lagged` where some were lost. Without a bus (`decnet bus`) the
/// database is looked into every second, which knows of changes of status and of mutations, but not of steps and deckies.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet events --topology corp\n  \
                        decnet events --json | jq -c 'select(.type == \"decky\").payload'\n  \
                        decnet events --rfc5424 --output decnet.log\n  \
                        decnet events --rfc5424 --output /dev/log")]
pub(crate) struct Arguments {
    /// Only those of one maze: its name, its id, or the beginning of its id.
    #[arg(long)]
    topology: Option<String>,
    /// Print what happens to mazes and deckies as RFC 5424 lines, for a log.
    #[arg(long, conflicts_with = "json")]
    rfc5424: bool,
    /// Append to a file, or send to the socket of a log daemon, instead of printing.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Follows what happens.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let repo = context.repo()?;
    let only = match &arguments.topology {
        Some(text) => Some(lookup::find(repo.as_ref(), text).await?.id),
        None => None,
    };
    let path = bus::path(&context.globals)?;
    let patterns = patterns(only);
    let mut teller = Teller {
        context,
        stored: StoredEvents::new(repo, only),
        syslog: arguments.rfc5424.then(syslog_writer),
        sink: arguments.output.as_deref().map(Sink::open).transpose()?,
    };
    // First to the bus, then to the database: what happens in between is in both, and not in neither.
    let mut connection = join(&path, &patterns).await;
    let snapshot = teller.stored.snapshot().await?;
    teller.snapshot(&snapshot)?;
    if let Err(error) = &connection {
        teller.note(&format!(
            "{}: {error}; the database is looked into instead, every second",
            path.display()
        ));
    }
    loop {
        if let Ok(joined) = connection {
            let error = teller.follow(joined).await?;
            teller.note(&format!("{error}; the database is looked into every second"));
            connection = Err(error);
        } else {
            sleep(ALONE).await;
            connection = join(&path, &patterns).await;
            if connection.is_ok() {
                teller.note("the bus is there");
            }
        }
        // What happened before the bus was joined, or since it was lost.
        teller.catch_up().await?;
    }
}

fn patterns(only: Option<TopologyId>) -> Vec<Pattern> {
    let Some(id) = only else {
        return vec![Pattern::everything()];
    };
    let texts = [format!("topology.{id}.>"), format!("decky.{id}.>")];
    texts.iter().filter_map(|text| Pattern::new(text).ok()).collect()
}

async fn join(path: &Path, patterns: &[Pattern]) -> Result<Connection, ConnectionError> {
    let mut connection = Connection::open(path, &format!("decnet events {}", std::process::id())).await?;
    connection.subscribe(patterns).await?;
    Ok(connection)
}

fn syslog_writer() -> SyslogWriter {
    SyslogWriter::new(&host::name(), &std::process::id().to_string())
}

/// Tells what happens.
struct Teller<'a> {
    context: &'a Context,
    stored: StoredEvents,
    syslog: Option<SyslogWriter>,
    sink: Option<Sink>,
}

/// A line that is no event's.
#[derive(Serialize)]
struct Line<'a, T> {
    v: u32,
    #[serde(rename = "type")]
    kind: &'a str,
    ts: Timestamp,
    payload: T,
}

impl Teller<'_> {
    /// Follows the bus until the connection ends; returns why it did.
    async fn follow(&mut self, mut connection: Connection) -> Result<ConnectionError, CommandError> {
        let mut ticks = interval_at(Instant::now() + BESIDE, BESIDE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let received = tokio::select! {
                received = connection.recv() => received,
                _ = ticks.tick() => {
                    self.catch_up().await?;
                    continue;
                }
            };
            match received {
                Ok(Received::Event(envelope)) => {
                    if self.stored.hear(&envelope) {
                        self.event(&envelope)?;
                    }
                }
                Ok(Received::Lagged(lost)) => {
                    self.lagged(lost)?;
                    self.catch_up().await?;
                }
                Err(error) => return Ok(error),
            }
        }
    }

    /// Tells what the database knows and was not told.
    async fn catch_up(&mut self) -> Result<(), CommandError> {
        for envelope in self.stored.news().await? {
            self.event(&envelope)?;
        }
        Ok(())
    }

    fn event(&mut self, envelope: &Envelope) -> Result<(), CommandError> {
        if let Some(writer) = &self.syslog {
            return match writer.line(envelope) {
                Some(line) => self.put(&line),
                None => Ok(()),
            };
        }
        if self.context.output.json {
            return self.put_json(envelope);
        }
        let Some(line) = progress::line(&envelope.event, self.context.output.verbose > 0) else {
            return Ok(());
        };
        let topology = envelope.event.topology();
        let name = topology.and_then(|id| self.stored.name(id).map(ToOwned::to_owned));
        let name = name
            .or_else(|| topology.map(decnet_topology::id::short))
            .unwrap_or_default();
        let at = envelope.at.strftime("%Y-%m-%d %H:%M:%SZ");
        self.put(&text::one_line(&format!("{at}  {name}  {line}")))
    }

    fn snapshot(&mut self, snapshot: &[StoredNow]) -> Result<(), CommandError> {
        if self.syslog.is_some() {
            return Ok(());
        }
        let at = Timestamp::now();
        if self.context.output.json {
            let topologies: Vec<_> = snapshot.iter().map(Topology::from).collect();
            return self.put_json(&Line {
                v: 1,
                kind: "snapshot",
                ts: at,
                payload: json!({ "topologies": topologies }),
            });
        }
        for StoredNow { row, unfinished } in snapshot {
            let at = row.changed_at.strftime("%Y-%m-%d %H:%M:%SZ");
            let waiting = match unfinished.len() {
                0 => String::new(),
                count => format!(", {}", text::count(count, "mutation waits", "mutations wait")),
            };
            let line = format!(
                "{at}  {}  is {}, version {}{waiting}",
                row.name, row.status, row.version
            );
            self.put(&text::one_line(&line))?;
        }
        Ok(())
    }

    fn lagged(&mut self, lost: u64) -> Result<(), CommandError> {
        let words = format!("lagged: {lost} events were lost");
        if self.syslog.is_some() {
            self.note(&words);
            return Ok(());
        }
        let at = Timestamp::now();
        if self.context.output.json {
            return self.put_json(&Line {
                v: 1,
                kind: "lagged",
                ts: at,
                payload: json!({ "lost": lost }),
            });
        }
        self.put(&format!("{}  {words}", at.strftime("%Y-%m-%d %H:%M:%SZ")))
    }

    /// Says something about the following itself, on stderr.
    fn note(&self, words: &str) {
        if !self.context.output.quiet {
            crate::output::say(&text::one_line(words));
        }
    }

    fn put_json(&mut self, value: &impl Serialize) -> Result<(), CommandError> {
        let line = serde_json::to_string(value).map_err(|source| CommandError::Json { source })?;
        self.put(&line)
    }

    fn put(&mut self, line: &str) -> Result<(), CommandError> {
        match &mut self.sink {
            Some(sink) => sink.put(line),
            None => self.context.output.data(&format!("{line}\n")),
        }
    }
}

/// A topology in a snapshot.
#[derive(Serialize)]
struct Topology<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    mutations: Vec<serde_json::Value>,
}

impl<'a> From<&'a StoredNow> for Topology<'a> {
    fn from(stored: &'a StoredNow) -> Self {
        let mutations = stored.unfinished.iter().map(|row| {
            json!({
                "id": row.id,
                "mutation": row.mutation,
                "state": row.state,
                "actor": row.actor,
                "enqueued_at": row.enqueued_at,
            })
        });
        Self {
            row: Row::from(&stored.row),
            mutations: mutations.collect(),
        }
    }
}
