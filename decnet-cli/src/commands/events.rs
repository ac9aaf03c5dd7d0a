use decnet_engine::{Envelope, Feed, FeedItem, FeedNotice, SyslogWriter, TopologyNow, host};
use decnet_topology::Sequence;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    bus::BusAddress,
    command_error::CommandError,
    context::Context,
    exit::Exit,
    lines::{FileFlags, Lines},
    lookup, text,
};

/// Print the current state and then every event, until interrupted.
///
/// With --json each line is an object: a `snapshot`, then events, and `lagged` if events were lost. Without a bus (`decnet bus`)
/// the command reads the database every second. It then prints changes of mazes and mutations, but no steps or deckies.
///
/// A change of a maze has a number, `seq` in JSON. --after continues after that number, for a program that was interrupted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet events --topology corp\n  \
                        decnet events --json | jq -c 'select(.type == \"decky\").payload'\n  \
                        decnet events --json --after 4711\n  \
                        decnet events --rfc5424 --output decnet.log\n  \
                        decnet events --rfc5424 --output /dev/log")]
pub(crate) struct Arguments {
    /// Only events of one maze: its name, its id, or the start of its id.
    #[arg(long)]
    topology: Option<String>,
    /// Print the changes after this number instead of the current state. If the database no longer has them, print the state.
    #[arg(long, value_name = "SEQ")]
    after: Option<Sequence>,
    /// Print changes of mazes and deckies as RFC 5424 lines, for a log.
    #[arg(long, conflicts_with = "json")]
    rfc5424: bool,
    #[command(flatten)]
    file: FileFlags,
}

/// Prints the feed.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let repo = context.repo().await?;
    let only = lookup::only(repo.as_ref(), arguments.topology.as_deref()).await?;
    let address = BusAddress::of(&context.globals)?;
    let bus = address.connect("decnet events");
    let mut printer = Printer {
        context,
        syslog: arguments
            .rfc5424
            .then(|| SyslogWriter::new(&host::name(), &std::process::id().to_string())),
        lines: Lines::open(&arguments.file, context.output)?,
    };
    let mut feed = match arguments.after {
        None => {
            let (snapshot, feed) = Feed::open(repo, Some(&bus), only).await?;
            printer.snapshot(&snapshot, feed.sequence())?;
            feed
        }
        Some(after) => {
            let (snapshot, feed) = Feed::resume(repo, Some(&bus), only, after).await?;
            if let Some(snapshot) = snapshot {
                printer.note(&format!(
                    "the database does not have the changes after {after}; the current state follows"
                ));
                printer.snapshot(&snapshot, feed.sequence())?;
            }
            feed
        }
    };
    while let Some(item) = feed.next().await {
        match item? {
            FeedItem::Event {
                envelope,
                name,
                sequence,
            } => printer.event(&envelope, name, sequence)?,
            FeedItem::Lagged(lost) => printer.lagged(lost)?,
            FeedItem::BusLost => printer.note(&format!(
                "no bus at {address}; reading the database every second instead"
            )),
            FeedItem::BusFound => printer.note(&format!("found the bus at {address}")),
            FeedItem::StoreLost(reason) => printer.note(&format!("{reason}; the events wait for it")),
            FeedItem::StoreFound => printer.note("the database is reached again"),
            _ => {}
        }
    }
    Ok(Exit::Done)
}

/// An event with its number in the log of the store.
#[derive(Serialize)]
struct NumberedEvent<'a> {
    #[serde(flatten)]
    envelope: &'a Envelope,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Sequence>,
}

/// Prints a feed.
struct Printer<'a> {
    context: &'a Context,
    syslog: Option<SyslogWriter>,
    lines: Lines,
}

impl Printer<'_> {
    fn event(&mut self, envelope: &Envelope, name: Option<String>, seq: Option<Sequence>) -> Result<(), CommandError> {
        if let Some(writer) = &self.syslog {
            return match writer.named_line(envelope, name.as_deref()) {
                Some(line) => self.lines.put(&line),
                None => Ok(()),
            };
        }
        if self.context.output.json {
            return self.put_json(&NumberedEvent { envelope, seq });
        }
        let Some(line) = envelope.event.describe(self.context.output.verbose > 0) else {
            return Ok(());
        };
        let id = envelope.event.topology().map(decnet_topology::short_id);
        let name = name.or(id).unwrap_or_default();
        let at = text::time(envelope.at);
        self.lines.put(&text::one_line(&format!("{at}  {name}  {line}")))
    }

    fn snapshot(&mut self, snapshot: &[TopologyNow], sequence: Sequence) -> Result<(), CommandError> {
        if self.syslog.is_some() {
            return Ok(());
        }
        let at = Timestamp::now();
        if self.context.output.json {
            return self.put_json(&FeedNotice::snapshot(snapshot, at).sequence(sequence));
        }
        for topology in snapshot {
            let TopologyNow { row, .. } = topology;
            let line = format!("{}  {}  {}", text::time(row.changed_at), row.name, topology.describe());
            self.lines.put(&text::one_line(&line))?;
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
            return self.put_json(&FeedNotice::lagged(lost, at));
        }
        self.lines.put(&format!("{}  {words}", text::time(at)))
    }

    /// Prints a remark about the feed itself on stderr.
    fn note(&self, words: &str) {
        if !self.context.output.quiet {
            crate::output::say(&text::one_line(words));
        }
    }

    fn put_json(&mut self, value: &impl Serialize) -> Result<(), CommandError> {
        self.lines.put(&serde_json::to_string(value)?)
    }
}
