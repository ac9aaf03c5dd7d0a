//! A command in a container.

use std::{fmt, pin::Pin, sync::Arc};

use async_trait::async_trait;
use decnet_topology::InstanceId;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWrite;

use super::RuntimeError;
use crate::naming::ContainerName;

/// A command to run in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRequest {
    /// The store that the container belongs to.
    pub instance: InstanceId,
    /// The container.
    pub container: ContainerName,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Whether it gets an input; otherwise its input is empty.
    pub input: bool,
    /// The size of its terminal; none if it has no terminal.
    pub terminal: Option<TerminalSize>,
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// The number of columns.
    pub columns: u16,
    /// The number of rows.
    pub rows: u16,
}

/// Output of a command. Its bytes come from a container that an intruder may control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandOutput {
    /// Bytes on the standard output, or on the terminal.
    Stdout(Vec<u8>),
    /// Bytes on the standard error.
    Stderr(Vec<u8>),
}

/// The output of a command, piece by piece. It ends with the command.
pub type CommandOutputs = BoxStream<'static, Result<CommandOutput, RuntimeError>>;

/// The control of a running command.
#[async_trait]
pub trait CommandControl: Send + Sync {
    /// Sets the size of its terminal.
    async fn resize(&self, size: TerminalSize) -> Result<(), RuntimeError>;

    /// Returns its exit code. It must have ended. A shell's convention: 127 if the program does not exist, 126 if it cannot run.
    async fn exit_code(&self) -> Result<i64, RuntimeError>;
}

/// A command that runs in a container.
///
/// If it is dropped, the command goes on, and its input ends.
pub struct RunningCommand {
    /// Its input. Shutting it down ends the input.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    /// Its output.
    pub output: CommandOutputs,
    /// Its control.
    pub control: Arc<dyn CommandControl>,
}

impl fmt::Debug for RunningCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningCommand").finish_non_exhaustive()
    }
}
