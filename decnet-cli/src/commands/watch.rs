use std::time::Duration;

use decnet_engine::{
    bus::Received,
    event::Event,
    watch::{WatchOptions, watch},
};
use decnet_topology::id;

use crate::{
    command_error::CommandError,
    context::{Context, EngineWishes},
    exit::Exit,
    interrupt,
    output::Output,
};

/// Keep all mazes as they should be: make what is queued, mend what broke.
///
/// It runs until it is interrupted; then it finishes what was begun and gives back what it holds.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often everything is looked at, beside what events say: 10s, 1m.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = crate::duration::read_duration)]
    poll: Duration,
    /// How many containers are worked on at a time [default: twice the daemon's processors].
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    max_workers: Option<u16>,
}

/// Keeps all mazes as they should be until it is interrupted.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let work = EngineWishes {
        max_workers: arguments.max_workers.map(usize::from),
        decoy: None,
    };
    let engine = context.engine(work).await?;
    let cancel = interrupt::catch_saying("stopping: finishing what was begun, and giving back what is held")?;
    let mut options = WatchOptions::default();
    options.poll = arguments.poll;
    let mut events = engine.events();
    let output = context.output;
    let reporter = tokio::spawn(async move {
        while let Some(received) = events.recv().await {
            say(output, &received);
        }
    });
    context.output.note("watching; Ctrl-C stops");
    let result = watch(&engine, &options, &cancel).await;
    // Once the engine is gone so are its events; what it told last is said first.
    drop(engine);
    let _ = reporter.await;
    result?;
    Ok(Exit::Done)
}

/// Says what happens: a line for people, the event itself for programs.
fn say(output: Output, received: &Received) {
    let Received::Event(envelope) = received else { return };
    if output.json {
        // That nobody reads it is no reason to stop.
        let _ = output.json_line(envelope);
        return;
    }
    let (Event::Status { .. } | Event::Mutation { .. }) = &envelope.event else {
        return;
    };
    let name = envelope.event.topology().map(id::short).unwrap_or_default();
    if let Some(line) = envelope.event.describe(false) {
        output.note(format!("{name} {line}"));
    }
}
