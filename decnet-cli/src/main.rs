//! The `decnet` command: mazes of decoy hosts on Docker.
//!
//! Only this crate touches the environment, the terminal and the user's folders. Data goes to stdout, everything else to
//! stderr; `exit` decides exit codes and hints.

mod attached;
mod bus;
mod cli;
mod columns;
mod command_error;
mod commands;
mod confirm;
mod context;
mod descriptors;
mod destination;
mod details;
mod duration;
mod exit;
mod given_bus;
mod globals;
mod input;
mod interrupt;
mod lines;
mod log;
mod lookup;
mod number;
mod output;
mod past;
mod progress;
mod report;
#[cfg(test)]
mod samples;
mod store;
mod table;
mod text;
mod top;
mod tree;

use std::process::ExitCode;

use command_error::CommandError;
use commands::CommandLine;
use context::Context;
use output::Output;

fn main() -> ExitCode {
    if cli::completion::answered() {
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<_> = std::env::args_os().collect();
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let (cli, maze) = match cli::read(arguments) {
        Ok(read) => read,
        Err(error) => return report::grammar(&error, wants_json).into(),
    };
    let output = Output::new(&cli.globals);
    log::start(&cli.globals, output, cli.command.draws());
    descriptors::raise();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report::failure(&CommandError::Threads(error), maze.as_deref(), output).into(),
    };
    let context = Context::new(cli.globals, output);
    let line = CommandLine {
        grammar: cli::grammar,
        completion: cli::completion::script,
    };
    let result = runtime.block_on(async {
        bus::check(&context.globals)?;
        let result = cli.command.run(&context, line).await;
        context.bus.flush().await;
        result
    });
    // A thread that still waits for stdin or a dead daemon must not delay the exit.
    runtime.shutdown_background();
    match result {
        Ok(exit) => exit.into(),
        Err(error) => report::failure(&error.about(maze.as_deref()), maze.as_deref(), output).into(),
    }
}
