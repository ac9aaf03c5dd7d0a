//! Commands in containers, with their input and output.

use std::sync::Arc;

use async_trait::async_trait;
use bollard::{
    container::LogOutput,
    exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults},
};
use futures_util::{StreamExt as _, TryStreamExt as _, future};

use super::{Docker, containers};
use crate::{
    causes::with_causes,
    runtime::{CommandControl, CommandOutput, CommandRequest, RunningCommand, RuntimeError, TerminalSize},
};

/// A command that was started.
struct Started {
    docker: Docker,
    id: String,
    asked: String,
}

impl Docker {
    pub(super) async fn start_command(&self, request: CommandRequest) -> Result<RunningCommand, RuntimeError> {
        let CommandRequest {
            instance,
            container,
            command,
            input,
            terminal,
        } = request;
        let found = self.find_ours(instance, &container).await?;
        if !containers::is_running(&found) {
            return Err(RuntimeError::Conflict {
                reason: format!("container {container} is not running"),
            });
        }
        let id = found.id.as_deref().unwrap_or(container.as_str());
        let asked = format!("run a command in {container}");
        let options = CreateExecOptions {
            attach_stdin: Some(input),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(terminal.is_some()),
            cmd: Some(command),
            ..CreateExecOptions::default()
        };
        let created = self.ask(&asked, self.client.create_exec(id, options)).await?;
        let options = StartExecOptions {
            detach: false,
            tty: terminal.is_some(),
            output_capacity: None,
        };
        let started = self.client.start_exec(&created.id, Some(options));
        let StartExecResults::Attached { output, input } = self.ask(&asked, started).await? else {
            return Err(RuntimeError::Refused {
                reason: format!("{asked}: it was detached"),
            });
        };
        let control = Started {
            docker: self.clone(),
            id: created.id,
            asked: asked.clone(),
        };
        if let Some(size) = terminal {
            // A command that ended already has no terminal.
            let _ = control.resize(size).await;
        }
        let output = output
            .map_err(move |error| RuntimeError::Refused {
                reason: format!("{asked}: {}", with_causes(&error)),
            })
            .try_filter_map(|piece| future::ready(Ok(read(piece))));
        Ok(RunningCommand {
            input,
            output: output.boxed(),
            control: Arc::new(control),
        })
    }
}

/// Reads a piece of output.
fn read(piece: LogOutput) -> Option<CommandOutput> {
    match piece {
        LogOutput::StdErr { message } => Some(CommandOutput::Stderr(message.into())),
        LogOutput::StdOut { message } | LogOutput::Console { message } => Some(CommandOutput::Stdout(message.into())),
        LogOutput::StdIn { .. } => None,
    }
}

#[async_trait]
impl CommandControl for Started {
    async fn resize(&self, size: TerminalSize) -> Result<(), RuntimeError> {
        let options = ResizeExecOptions {
            height: size.rows,
            width: size.columns,
        };
        let request = self.docker.client.resize_exec(&self.id, options);
        Ok(self.docker.ask(&self.asked, request).await?)
    }

    async fn exit_code(&self) -> Result<i64, RuntimeError> {
        let ended = self
            .docker
            .ask(&self.asked, self.docker.client.inspect_exec(&self.id))
            .await?;
        ended.exit_code.ok_or_else(|| RuntimeError::Gone {
            what: format!("the exit code of a command ({})", self.asked),
        })
    }
}
