use bollard::{
    container::LogOutput,
    exec::{CreateExecOptions, StartExecResults},
};
use decnet_decoy::protocol::KEEPER;
use futures_util::{TryStreamExt, pin_mut};

use super::Docker;
use crate::{naming::ContainerName, runtime::RuntimeError};

/// How much output is kept of each stream. The rest is dropped.
const LARGEST_OUTPUT: usize = 16 << 20;

/// The user of a command in a base.
#[derive(Debug, Clone, Copy)]
pub(super) enum User {
    /// Root, with the capabilities of the container.
    Root,
    /// A user without capabilities, and the only one that may write the kept files of a base.
    Keeper,
}

impl User {
    fn as_docker(self) -> String {
        let id = match self {
            Self::Root => 0,
            Self::Keeper => KEEPER,
        };
        format!("{id}:{id}")
    }
}

/// The result of a command in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExecOutput {
    /// The exit code.
    pub(super) code: i64,
    /// The output on stdout.
    pub(super) stdout: Vec<u8>,
    /// The output on stderr.
    pub(super) stderr: Vec<u8>,
}

impl ExecOutput {
    /// Returns the output as text for people, stderr first.
    pub(super) fn text(&self) -> String {
        let printed = [&self.stderr, &self.stdout].map(|text| String::from_utf8_lossy(text).trim().to_owned());
        printed.join(" ").trim().to_owned()
    }
}

impl Docker {
    /// Runs a command in one of our containers and waits for its end.
    pub(super) async fn run_in(
        &self,
        name: &ContainerName,
        id: &str,
        command: &[String],
    ) -> Result<ExecOutput, RuntimeError> {
        self.run_as(name, id, User::Root, command).await
    }

    /// Runs a command as a user in one of our containers and waits for its end.
    pub(super) async fn run_as(
        &self,
        name: &ContainerName,
        id: &str,
        user: User,
        command: &[String],
    ) -> Result<ExecOutput, RuntimeError> {
        let asked = format!("run a command in {name}");
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            user: Some(user.as_docker()),
            ..CreateExecOptions::default()
        };
        let created = self.ask(&asked, self.client.create_exec(id, options)).await?;
        let started = self.ask(&asked, self.client.start_exec(&created.id, None)).await?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        if let StartExecResults::Attached { output, .. } = started {
            let pieces = self.follow(&asked, output);
            pin_mut!(pieces);
            while let Some(piece) = pieces.try_next().await? {
                let (kept, piece) = match piece {
                    LogOutput::StdErr { message } => (&mut stderr, message),
                    LogOutput::StdOut { message } | LogOutput::Console { message } => (&mut stdout, message),
                    LogOutput::StdIn { .. } => continue,
                };
                let room = LARGEST_OUTPUT.saturating_sub(kept.len());
                kept.extend_from_slice(&piece[..piece.len().min(room)]);
            }
        }
        let ended = self.ask(&asked, self.client.inspect_exec(&created.id)).await?;
        let code = ended.exit_code.ok_or_else(|| RuntimeError::Gone {
            what: format!("the exit code of a command in {name}"),
        })?;
        Ok(ExecOutput { code, stdout, stderr })
    }
}
