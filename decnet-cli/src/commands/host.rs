mod drain;
mod enroll;
mod list;
mod revoke;
mod rotate_ca;
mod serve;
mod show;

use crate::{command_error::CommandError, context::Context, exit::Exit};

/// Manage the hosts that mazes are placed on.
///
/// A host joins with a token: `decnet host enroll` makes it, and `decnet agent` on the host uses it. `decnet host serve` is the listener
/// to which hosts join and send heartbeats. Then `decnet deploy MAZE --spread` or `--hosts` places a maze on them.
///
/// The hosts and the authority of their certificates are in the database. Several machines with one database are masters of the same hosts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet host serve\n  \
                        decnet host enroll east --label public\n  \
                        decnet host list")]
pub(crate) struct Arguments {
    /// The task.
    #[command(subcommand)]
    task: Task,
}

/// Tasks on hosts.
#[derive(Debug, clap::Subcommand)]
enum Task {
    Serve(serve::Arguments),
    Enroll(enroll::Arguments),
    List(list::Arguments),
    Show(show::Arguments),
    Drain(drain::Arguments),
    Revoke(revoke::Arguments),
    RotateCa(rotate_ca::Arguments),
}

/// Runs a task on hosts.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    match arguments.task {
        Task::Serve(arguments) => serve::run(arguments, context).await,
        Task::Enroll(arguments) => enroll::run(arguments, context).await,
        Task::List(arguments) => list::run(arguments, context).await,
        Task::Show(arguments) => show::run(&arguments, context).await,
        Task::Drain(arguments) => drain::run(arguments, context).await,
        Task::Revoke(arguments) => revoke::run(arguments, context).await,
        Task::RotateCa(arguments) => rotate_ca::run(arguments, context).await,
    }
}
