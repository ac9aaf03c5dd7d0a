//! Progress: a bar on a terminal, lines elsewhere.

use std::{io::IsTerminal, time::Duration};

use decnet_engine::{Engine, Envelope, Event, Received, StepState, Subscription};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    output::{Output, say},
    text,
};

/// Prints the progress of an engine until [`end`](Self::end) is called.
#[derive(Debug)]
pub(crate) struct ProgressReporter {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl ProgressReporter {
    /// Starts printing; with `--json` only if `-v` is given, as JSON lines.
    pub(crate) fn start(engine: &Engine, output: Output) -> Self {
        let events = engine.events();
        let stop = CancellationToken::new();
        let task = tokio::spawn(report(events, ProgressOutput::new(output), stop.clone()));
        Self { task, stop }
    }

    /// Prints the remaining events and stops.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        // The task returns nothing.
        let _ = self.task.await;
    }
}

async fn report(mut events: Subscription, mut output: ProgressOutput, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            event = events.recv() => match event {
                Some(Received::Event(envelope)) => output.print(&envelope),
                Some(Received::Lagged(_)) => {}
                None => break,
            },
            () = stop.cancelled() => break,
        }
    }
    output.end();
}

/// The destination of progress.
#[derive(Debug)]
enum ProgressOutput {
    Silent,
    Json { all: bool },
    Lines { verbose: bool },
    Bar(ProgressBar),
}

impl ProgressOutput {
    fn new(output: Output) -> Self {
        let verbose = output.verbose > 0;
        if output.quiet {
            Self::Silent
        } else if output.json {
            Self::Json { all: verbose }
        } else if std::io::stderr().is_terminal() && !verbose {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(style("{spinner} {wide_msg}"));
            bar.enable_steady_tick(Duration::from_millis(120));
            Self::Bar(bar)
        } else {
            Self::Lines { verbose }
        }
    }

    fn print(&mut self, envelope: &Envelope) {
        let event = &envelope.event;
        match self {
            Self::Silent => {}
            Self::Json { all } => {
                // The deletion of logs is always announced, before it happens.
                let deletes_logs = matches!(event, Event::Planned { deleted_logs, .. } if !deleted_logs.is_empty());
                if (*all || deletes_logs)
                    && let Ok(line) = serde_json::to_string(envelope)
                {
                    say(&line);
                }
            }
            // The result is printed at the end.
            Self::Lines { verbose: false }
                if matches!(event, Event::Decky(_) | Event::Edited { .. } | Event::Deleted { .. }) => {}
            Self::Lines { verbose } => {
                if let Some(line) = event.describe(*verbose) {
                    say(&text::one_line(&line));
                }
            }
            Self::Bar(bar) => draw(bar, event),
        }
    }

    fn end(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}

fn draw(bar: &ProgressBar, event: &Event) {
    match event {
        Event::Planned {
            steps, deleted_logs, ..
        } => {
            if let Some(logs) = text::deleted_logs(deleted_logs) {
                bar.suspend(|| say(&logs));
            }
            bar.set_style(style("{spinner} [{bar:30}] {pos}/{len} {elapsed} {wide_msg}"));
            bar.set_length(*steps as u64);
            bar.set_position(0);
        }
        Event::Status { to, .. } => bar.set_message(to.to_string()),
        Event::Step { progress, .. } => {
            let line = text::one_line(&progress.text).into_owned();
            match &progress.state {
                StepState::Started => bar.set_message(progress.undo_mark().to_owned() + &line),
                StepState::Failed { error } => {
                    bar.inc(1);
                    bar.suspend(|| say(&format!("failed: {line}: {}", text::one_line(error))));
                }
                _ if progress.undo => bar.set_position(bar.position().saturating_sub(1)),
                _ => bar.inc(1),
            }
        }
        _ => {}
    }
}
