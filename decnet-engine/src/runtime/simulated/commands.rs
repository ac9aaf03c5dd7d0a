//! Commands in simulated containers, and files of theirs.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};

use super::{Simulated, containers};
use crate::{
    naming::ContainerName,
    observe::Activity,
    runtime::{
        ArchivePieces, CommandControl, CommandOutput, CommandOutputs, CommandRequest, CopyRequest, RunningCommand,
        RuntimeError, TerminalSize,
    },
};

/// The exit code of a program that does not exist.
const NOT_FOUND: i64 = 127;

/// A simulated command that ended.
struct Ended(i64);

#[async_trait]
impl CommandControl for Ended {
    async fn resize(&self, _: TerminalSize) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn exit_code(&self) -> Result<i64, RuntimeError> {
        Ok(self.0)
    }
}

impl Simulated {
    /// Puts a file or folder into a container of any kind: the tar archive that a copy of the path returns.
    pub fn put_archive(&self, name: &ContainerName, path: &str, archive: Vec<u8>) {
        let archives = &mut self.lock().world.archives;
        archives.insert((name.clone(), path.to_owned()), archive);
    }

    /// Runs a command. The simulation knows four programs: `cat`, which prints its input, `echo`, which prints its arguments,
    /// `exit`, which ends with a code, and `sleep`, which waits for seconds.
    pub(super) async fn start_command(&self, request: CommandRequest) -> Result<RunningCommand, RuntimeError> {
        self.reach().await?;
        let name = &request.container;
        {
            let inner = self.lock();
            let found = inner.world.container_of(request.instance, name)?;
            if found.activity != Activity::Running {
                return Err(containers::not_running(name));
            }
        }
        let (input, theirs) = duplex(1 << 16);
        let words: Vec<&str> = request.command.iter().map(String::as_str).collect();
        let once = |piece| stream::once(async move { Ok(piece) }).boxed();
        let (output, code): (CommandOutputs, i64) = match words.as_slice() {
            ["cat"] if request.input => (echo(theirs), 0),
            ["cat"] => (stream::empty().boxed(), 0),
            ["echo", words @ ..] => (once(CommandOutput::Stdout(format!("{}\n", words.join(" ")).into())), 0),
            ["exit", code] => (stream::empty().boxed(), code.parse().unwrap_or(2)),
            ["sleep", seconds] => (sleep(seconds.parse().unwrap_or(0)), 0),
            words => {
                let program = words.first().copied().unwrap_or_default();
                let said = format!("{program}: executable file not found\n");
                (once(CommandOutput::Stderr(said.into())), NOT_FOUND)
            }
        };
        Ok(RunningCommand {
            input: Box::pin(input),
            output,
            control: Arc::new(Ended(code)),
        })
    }

    pub(super) fn read_archive(&self, request: CopyRequest) -> ArchivePieces<'_> {
        let read = async move {
            self.reach().await?;
            let inner = self.lock();
            let name = &request.container;
            inner.world.container_of(request.instance, name)?;
            let archive = inner.world.archives.get(&(name.clone(), request.path.clone()));
            archive.cloned().ok_or_else(|| RuntimeError::NoSuchPath {
                container: name.to_string(),
                path: request.path.clone(),
            })
        };
        stream::once(read).boxed()
    }
}

/// Ends after some seconds, without output.
fn sleep(seconds: u64) -> CommandOutputs {
    let slept = tokio::time::sleep(Duration::from_secs(seconds));
    stream::once(slept).filter_map(async |()| None).boxed()
}

/// Returns what comes in.
fn echo(input: DuplexStream) -> CommandOutputs {
    let read = async |mut input: DuplexStream| {
        let mut buffer = vec![0; 1 << 12];
        let length = input.read(&mut buffer).await.unwrap_or(0);
        buffer.truncate(length);
        (length > 0).then_some((Ok(CommandOutput::Stdout(buffer)), input))
    };
    stream::unfold(input, read).boxed()
}
