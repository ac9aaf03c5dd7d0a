//! The commands: one file each, with its arguments and its `run`.

mod agent;
mod apply;
mod archetypes;
mod bus;
mod capture;
mod completions;
mod compose;
mod cp;
mod create;
mod db;
mod delete;
mod deploy;
mod doctor;
mod events;
mod exec;
mod generate;
mod graph;
mod hash;
mod host;
mod import;
mod init;
mod list;
mod logs;
mod man;
mod mutate;
mod mutations;
mod next_ip;
mod next_subnet;
mod plan;
mod reap;
mod reconcile;
mod restart;
mod schema;
mod serve;
mod services;
mod show;
mod teardown;
mod token;
mod top;
mod validate;
mod verify;
mod watch;

use clap::Subcommand;
use clap_complete::Shell;

use crate::{command_error::CommandError, context::Context, exit::Exit};

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(init::Arguments),
    Generate(Box<generate::Arguments>),
    Import(import::Arguments),
    Validate(validate::Arguments),
    Schema(schema::Arguments),
    Apply(apply::Arguments),
    Create(create::Arguments),
    List(list::Arguments),
    #[command(visible_alias = "inspect")]
    Show(show::Arguments),
    Top(top::Arguments),
    Graph(graph::Arguments),
    Hash(hash::Arguments),
    Plan(plan::Arguments),
    Deploy(deploy::Arguments),
    #[command(visible_alias = "destroy")]
    Teardown(teardown::Arguments),
    Reconcile(reconcile::Arguments),
    Restart(restart::Arguments),
    Verify(verify::Arguments),
    Delete(delete::Arguments),
    Reap(reap::Arguments),
    Compose(compose::Arguments),
    Events(events::Arguments),
    Logs(logs::Arguments),
    Exec(exec::Arguments),
    Cp(cp::Arguments),
    Capture(capture::Arguments),
    Bus(bus::Arguments),
    Serve(serve::Arguments),
    Token(token::Arguments),
    Agent(agent::Arguments),
    Host(host::Arguments),
    Services(services::Arguments),
    Archetypes(archetypes::Arguments),
    Mutate(Box<mutate::Arguments>),
    Mutations(mutations::Arguments),
    Watch(watch::Arguments),
    NextSubnet(next_subnet::Arguments),
    NextIp(next_ip::Arguments),
    Doctor(doctor::Arguments),
    Db(db::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

/// The command line as a whole, for commands that describe it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommandLine {
    /// Returns the grammar.
    pub(crate) grammar: fn() -> clap::Command,
    /// Returns the completion script of a shell.
    pub(crate) completion: fn(Shell) -> String,
}

impl Command {
    /// Returns whether the command draws on the whole terminal.
    pub(crate) const fn draws(&self) -> bool {
        matches!(self, Self::Top(_))
    }

    /// Runs the command.
    pub(crate) async fn run(self, context: &Context, line: CommandLine) -> Result<Exit, CommandError> {
        match self {
            Self::Init(arguments) => init::run(&arguments, context),
            Self::Import(arguments) => import::run(&arguments, context),
            Self::Generate(arguments) => generate::run(*arguments, context).await,
            Self::Validate(arguments) => validate::run(arguments, context).await,
            Self::Schema(arguments) => schema::run(&arguments, context),
            Self::Apply(arguments) => apply::run(arguments, context).await,
            Self::Create(arguments) => create::run(arguments, context).await,
            Self::List(arguments) => list::run(arguments, context).await,
            Self::Show(arguments) => show::run(arguments, context).await,
            Self::Top(arguments) => Box::pin(top::run(arguments, context)).await,
            Self::Graph(arguments) => graph::run(arguments, context).await,
            Self::Hash(arguments) => hash::run(arguments, context).await,
            Self::Plan(arguments) => plan::run(arguments, context).await,
            Self::Deploy(arguments) => Box::pin(deploy::run(arguments, context)).await,
            Self::Teardown(arguments) => teardown::run(arguments, context).await,
            Self::Reconcile(arguments) => reconcile::run(arguments, context).await,
            Self::Restart(arguments) => Box::pin(restart::run(arguments, context)).await,
            Self::Verify(arguments) => verify::run(arguments, context).await,
            Self::Delete(arguments) => delete::run(arguments, context).await,
            Self::Reap(arguments) => reap::run(arguments, context).await,
            Self::Compose(arguments) => compose::run(arguments, context).await,
            Self::Events(arguments) => events::run(arguments, context).await,
            Self::Logs(arguments) => logs::run(arguments, context).await,
            Self::Exec(arguments) => Box::pin(exec::run(arguments, context)).await,
            Self::Cp(arguments) => Box::pin(cp::run(arguments, context)).await,
            Self::Capture(arguments) => Box::pin(capture::run(arguments, context)).await,
            Self::Bus(arguments) => bus::run(&arguments, context).await,
            Self::Serve(arguments) => serve::run(arguments, context).await,
            Self::Token(arguments) => token::run(arguments, context),
            Self::Agent(arguments) => agent::run(arguments, context).await,
            Self::Host(arguments) => Box::pin(host::run(arguments, context)).await,
            Self::Services(arguments) => services::run(&arguments, context),
            Self::Archetypes(arguments) => archetypes::run(&arguments, context),
            Self::Mutate(arguments) => mutate::run(*arguments, context).await,
            Self::Mutations(arguments) => mutations::run(arguments, context).await,
            Self::Watch(arguments) => watch::run(arguments, context).await,
            Self::NextSubnet(arguments) => next_subnet::run(arguments, context).await,
            Self::NextIp(arguments) => next_ip::run(arguments, context).await,
            Self::Doctor(arguments) => doctor::run(&arguments, context).await,
            Self::Db(arguments) => db::run(arguments, context).await,
            Self::Completions(arguments) => completions::run(&arguments, line.completion, context),
            Self::Man(arguments) => man::run(&arguments, (line.grammar)(), context),
        }
    }
}
