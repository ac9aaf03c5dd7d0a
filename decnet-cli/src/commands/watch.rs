use std::time::Duration;

use decnet_engine::watch::{WatchOptions, watch};

use super::deploy::Work;
use crate::{command_error::CommandError, context::Context, exit::Exit, interrupt, progress::Teller};

/// Keep all mazes as they should be: make what is queued, mend what broke.
///
/// It runs until it is interrupted; then it finishes what was begun and gives back what it holds.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often everything is looked at, beside what events say: 10s, 1m.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = crate::cli::read_duration)]
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
    let teller = tokio::spawn(tell(engine.subscribe(&[Pattern::everything()]), context.output));
    context.output.note("watching; Ctrl-C stops");
    let result = watch(&engine, &options, &cancel).await;
    teller.abort();
    result?;
    Ok(Exit::Done)
}

/// Says what happens: a line an event for people, the events themselves for programs.
async fn tell(mut events: Subscription, output: Output) {
    while let Some(received) = events.recv().await {
        match received {
            Received::Event(envelope) if output.json => {
                let _ = output.json_line(&envelope);
            }
            Received::Event(envelope) => {
                if let Some(line) = told(envelope.event()) {
                    output.note(line);
                }
            }
            Received::Lagged(_) => {}
        }
    }
}
