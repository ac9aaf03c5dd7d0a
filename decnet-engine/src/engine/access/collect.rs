//! Commands whose end is awaited, with their whole output.

use std::{convert::Infallible, future, time::Duration};

use decnet_topology::TopologyId;
use futures_util::StreamExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;

use super::{DeckyAnswer, Entered, ExecOptions};
use crate::{
    engine::{Engine, EngineError},
    runtime::{CommandOutput, RunningCommand, RuntimeError},
};

/// The default limit of the output in bytes.
const OUTPUT: usize = 64 << 20;

/// The input of a command whose end is awaited, and its limits.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct CollectOptions {
    /// Its input; none if it has no input.
    pub input: Option<Vec<u8>>,
    /// How long to wait for its end; none for no limit.
    pub timeout: Option<Duration>,
    /// The largest number of bytes of its output, with its errors. The default is 64 MiB.
    pub max_output: usize,
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self {
            input: None,
            timeout: None,
            max_output: OUTPUT,
        }
    }
}

impl CollectOptions {
    /// Sets its input.
    pub fn input(mut self, input: impl Into<Option<Vec<u8>>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets how long to wait for its end.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// Sets the largest number of bytes of its output, with its errors.
    pub fn max_output(mut self, bytes: usize) -> Self {
        self.max_output = bytes;
        self
    }
}

/// Why nobody waits for a command any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandEnd {
    /// It exited with this status. A verb exits with 1 if the target does not answer.
    Exited(i64),
    /// It had more output than allowed. It keeps running.
    TooMuchOutput,
    /// It did not end in time. It keeps running.
    TimedOut,
    /// The caller cancelled. It keeps running.
    Cancelled,
}

/// A command that ended, or that nobody waits for any longer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// Why nobody waits for it any longer.
    pub end: CommandEnd,
    /// Whether a program was started. No daemon can end it: if it did not exit, it keeps running until it has read its input, or for
    /// as long as its container.
    pub started: bool,
    /// Its output until then. An intruder in the container may control it.
    pub stdout: Vec<u8>,
    /// Its errors until then.
    pub stderr: Vec<u8>,
    /// The answer, if the command was a verb. The output is its description.
    pub answer: Option<DeckyAnswer>,
}

impl Collected {
    /// Keeps a piece of output up to the limit, and returns whether all of it was kept.
    fn keep(&mut self, piece: CommandOutput, limit: usize) -> bool {
        let left = limit.saturating_sub(self.stdout.len() + self.stderr.len());
        let (bytes, kept) = match piece {
            CommandOutput::Stdout(bytes) => (bytes, &mut self.stdout),
            CommandOutput::Stderr(bytes) => (bytes, &mut self.stderr),
        };
        kept.extend_from_slice(&bytes[..bytes.len().min(left)]);
        bytes.len() <= left
    }

    fn answered(&mut self, answer: DeckyAnswer) -> CommandEnd {
        for line in answer.describe() {
            self.stdout.extend(line.bytes().chain([b'\n']));
        }
        let status = i64::from(!answer.is_success());
        self.answer = Some(answer);
        CommandEnd::Exited(status)
    }

    /// Passes the input, and reads the output until its end.
    async fn read(
        &mut self,
        command: RunningCommand,
        bytes: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<CommandEnd, RuntimeError> {
        let RunningCommand {
            mut input,
            mut output,
            control,
        } = command;
        self.started = true;
        let feed = async move {
            if let Some(bytes) = bytes {
                // The command may end before it has read all of it.
                let _ = input.write_all(&bytes).await;
                let _ = input.shutdown().await;
            }
            // The input is held until the end: without it, the connection of some daemons would end.
            let end = future::pending::<Infallible>().await;
            drop(input);
            end
        };
        let read = async {
            while let Some(piece) = output.next().await {
                if !self.keep(piece?, limit) {
                    return Ok(CommandEnd::TooMuchOutput);
                }
            }
            control.exit_code().await.map(CommandEnd::Exited)
        };
        tokio::select! {
            end = read => end,
            never = feed => match never {},
        }
    }
}

impl Engine {
    /// Runs a command in a decky as [`enter`](Self::enter) does, and waits for its end.
    ///
    /// Output that is too long, a timeout and a cancellation are not errors: what was read until then is returned. No daemon can end
    /// a program in a container, so it keeps running then; its input ends.
    ///
    /// # Errors
    ///
    /// Those of [`enter`](Self::enter), and those of the runtime while the output is read.
    pub async fn exec_and_wait(
        &self,
        id: TopologyId,
        options: ExecOptions,
        collect: CollectOptions,
        cancel: &CancellationToken,
    ) -> Result<Collected, EngineError> {
        let CollectOptions {
            input,
            timeout,
            max_output,
        } = collect;
        let options = options.input(input.is_some());
        let mut collected = Collected {
            end: CommandEnd::Cancelled,
            started: false,
            stdout: Vec::new(),
            stderr: Vec::new(),
            answer: None,
        };
        let work = async {
            Ok::<_, EngineError>(match self.enter(id, options).await? {
                Entered::Answer(answer) => collected.answered(answer),
                Entered::Command(command) => collected.read(command, input, max_output).await?,
            })
        };
        let end = tokio::select! {
            biased;
            () = cancel.cancelled() => CommandEnd::Cancelled,
            end = work => end?,
            () = pause(timeout) => CommandEnd::TimedOut,
        };
        Ok(Collected { end, ..collected })
    }
}

/// Waits for the timeout; without one, forever.
async fn pause(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => future::pending().await,
    }
}
