//! Commands in services with images of their own.

use decnet_topology::{DeckyPart, TopologyId};
use serde::Serialize;

use super::{AccessError, DeckyAnswer, DeckyVerb};
use crate::{
    engine::{Engine, EngineError},
    runtime::{CommandRequest, RunningCommand, TerminalSize},
};

/// The options of a command in a decky.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct ExecOptions {
    /// The service, or the decky if it has one service with an image of its own.
    pub part: DeckyPart,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Whether it gets an input.
    pub input: bool,
    /// The size of its terminal; none if it has no terminal.
    pub terminal: Option<TerminalSize>,
}

impl ExecOptions {
    /// Returns the options of a command without input and terminal.
    pub fn new(part: DeckyPart, command: impl IntoIterator<Item: Into<String>>) -> Self {
        Self {
            part,
            command: command.into_iter().map(Into::into).collect(),
            input: false,
            terminal: None,
        }
    }

    /// Sets whether it gets an input.
    pub fn input(mut self, input: bool) -> Self {
        self.input = input;
        self
    }

    /// Gives it a terminal.
    pub fn terminal(mut self, terminal: impl Into<Option<TerminalSize>>) -> Self {
        self.terminal = terminal.into();
        self
    }
}

/// What can be run in a decky.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExecChoices {
    /// The built-in verbs: their usage.
    pub verbs: Vec<&'static str>,
    /// The services with images of their own, as `decky.service`: any program of the image runs there.
    pub services: Vec<String>,
}

/// What a command in a decky is.
#[derive(Debug)]
pub enum Entered {
    /// A verb, with its answer.
    Answer(DeckyAnswer),
    /// A program of a service with an image of its own.
    Command(RunningCommand),
}

impl Engine {
    /// Runs a command in a decky: a verb (see [`DeckyVerb`]), or a program of a service with an image of its own.
    ///
    /// The first word is a verb if it is the name of one, unless the part names a service with an image of its own, which may have
    /// such a program.
    ///
    /// # Errors
    ///
    /// Those of [`ask`](Self::ask) and [`exec`](Self::exec).
    pub async fn enter(&self, id: TopologyId, options: ExecOptions) -> Result<Entered, EngineError> {
        let decky = options.part.decky.clone();
        // A service that is named may have its own `ping`.
        if options.part.service.is_none()
            && let Some(verb) = DeckyVerb::parse(&options.command)?
        {
            return self.ask(id, &decky, &verb).await.map(Entered::Answer);
        }
        let command = options.command.clone();
        match self.exec(id, options).await {
            Err(EngineError::Access(built_in @ AccessError::BuiltIn { .. })) => {
                let verb = DeckyVerb::parse(&command)?.ok_or(built_in)?;
                self.ask(id, &decky, &verb).await.map(Entered::Answer)
            }
            Err(EngineError::Access(no_image @ AccessError::NoOwnImage { .. })) => {
                Err(DeckyVerb::meant(&command).unwrap_or(no_image).into())
            }
            running => running.map(Entered::Command),
        }
    }

    /// Runs a command in a service with an image of its own, as the user and with the limits of the service.
    ///
    /// The engine waits for nothing: the caller reads the output to its end, and then asks for the exit code. An intruder in the
    /// container may have replaced any program, so its output must not be trusted. If the future or the result is dropped, the
    /// command goes on.
    ///
    /// # Errors
    ///
    /// [`EngineError::Access`] for a built-in service, which has no programs (see [`ask`](Self::ask)), and for one that does not
    /// run. A program that does not exist is not an error: its exit code is 127.
    pub async fn exec(&self, id: TopologyId, options: ExecOptions) -> Result<RunningCommand, EngineError> {
        let ExecOptions {
            part,
            command,
            input,
            terminal,
        } = options;
        if command.is_empty() {
            return Err(AccessError::NoCommand.into());
        }
        let maze = self
            .running_maze(id, "entered", |maze| maze.find_part(&part).map(|_| ()))
            .await?;
        let (part, container) = maze.own_image(&part)?;
        maze.running(&part, &container)?;
        let request = CommandRequest {
            instance: maze.instance,
            container,
            command,
            input,
            terminal,
        };
        Ok(maze.runtime.run_command(request).await?)
    }

    /// Returns what can be run in a decky.
    pub async fn exec_choices(&self, id: TopologyId, part: &DeckyPart) -> Result<ExecChoices, EngineError> {
        let maze = self
            .running_maze(id, "entered", |maze| maze.find_part(part).map(|_| ()))
            .await?;
        let own = maze.own_images(part)?;
        let named = |one: &&DeckyPart| part.service.is_none() || part.service == one.service;
        Ok(ExecChoices {
            verbs: DeckyVerb::USAGES.to_vec(),
            services: own.iter().filter(named).map(ToString::to_string).collect(),
        })
    }
}
