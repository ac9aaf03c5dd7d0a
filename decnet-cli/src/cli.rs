//! The grammar of the command line, and the environment variable of each flag.

mod advice;
pub(crate) mod completion;
#[cfg(test)]
mod examples;

use std::{ffi::OsString, path::PathBuf};

use clap::{
    ArgAction, ArgMatches, CommandFactory, FromArgMatches, Parser,
    builder::FalseyValueParser,
    error::{ContextKind, ErrorKind},
};

use crate::{commands::Command, globals::Globals};

/// Mazes of decoy hosts: generate, validate and deploy them on Docker, and tear them down completely.
#[derive(Debug, Parser)]
#[command(
    name = "decnet",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true,
    max_term_width = 110,
    after_help = "`decnet help COMMAND` describes a command, with examples.\n\
                  Each flag has an environment variable: --db is DECNET_DB, --dry-run of deploy is DECNET_DEPLOY_DRY_RUN.\n\
                  Exit codes: 0 done, 1 failed, 2 usage, 3 invalid, 4 conflict, 5 Docker or a host unreachable, 6 rolled back, \
                  130 interrupted."
)]
pub(crate) struct Cli {
    /// The flags of every command.
    #[command(flatten)]
    pub(crate) globals: Globals,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Returns the command line's grammar, with an environment variable for every flag.
pub(crate) fn grammar() -> clap::Command {
    with_environment(Cli::command(), "DECNET")
}

/// Reads the command line and the environment. Also returns the maze as the user typed it, if the command takes one.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<(Cli, Option<String>), clap::Error> {
    let arguments = help_as_flag(arguments.into_iter().collect());
    let read = grammar().try_get_matches_from(&arguments).and_then(|mut matches| {
        let maze = maze(&matches);
        Ok((Cli::from_arg_matches_mut(&mut matches)?, maze))
    });
    read.map_err(|error| advice::added(without_environment(error, &arguments), &grammar(), &arguments))
}

/// Turns `decnet help COMMAND` into `decnet COMMAND --help`.
fn help_as_flag(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_some_and(|argument| argument == "help") {
        arguments.remove(1);
        arguments.push("--help".into());
    }
    arguments
}

/// Returns the error of the same command line without the environment, if that has the same fault. Its usage names no flag that the
/// environment sets, and without any argument it is the help.
fn without_environment(error: clap::Error, arguments: &[OsString]) -> clap::Error {
    let Err(other) = Cli::command().try_get_matches_from(arguments) else {
        return error;
    };
    let fault = |error: &clap::Error| (error.kind(), error.get(ContextKind::InvalidArg).cloned());
    let is_help = other.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if is_help || fault(&error) == fault(&other) {
        other
    } else {
        error
    }
}

/// Returns the maze of a command line, as the user typed it.
fn maze(matches: &ArgMatches) -> Option<String> {
    let (_, matches) = matches.subcommand()?;
    let nested = matches.subcommand().map(|(_, matches)| matches);
    let mut candidates = nested.into_iter().chain([matches]);
    candidates.find_map(|matches| {
        let mut ids = ["topology", "maze"].into_iter();
        let named = ids.find_map(|id| matches.try_get_one::<String>(id).ok()?.cloned());
        // Of the commands that take several files, `decnet graph` takes one.
        named.or_else(|| {
            let mut files = matches.try_get_many::<PathBuf>("files").ok()??;
            let first = files.next()?.display().to_string();
            files.next().is_none().then_some(first)
        })
    })
}

/// Gives each flag an environment variable with a prefix. The prefix of a subcommand contains its name.
fn with_environment(command: clap::Command, prefix: &str) -> clap::Command {
    command
        .mut_args(|argument| {
            let Some(long) = argument.get_long().map(ToOwned::to_owned) else {
                return argument;
            };
            if matches!(argument.get_action(), ArgAction::Help | ArgAction::Version) {
                return argument;
            }
            let variable = variable(prefix, &long);
            if NEVER_FROM_ENVIRONMENT.contains(&variable.as_str()) {
                return argument;
            }
            let is_switch = matches!(argument.get_action(), ArgAction::SetTrue);
            let argument = argument.env(variable).hide_env(true);
            if is_switch {
                argument.value_parser(FalseyValueParser::new())
            } else {
                argument
            }
        })
        .mut_subcommands(|subcommand| {
            let prefix = variable(prefix, subcommand.get_name());
            with_environment(subcommand, &prefix)
        })
}

/// Flags that delete data permanently. They are never read from the environment.
const NEVER_FROM_ENVIRONMENT: [&str; 1] = ["DECNET_DB_RESET_FORCE"];

/// Returns the environment variable of a flag, or the prefix of a subcommand.
fn variable(prefix: &str, name: &str) -> String {
    format!("{prefix}_{}", name.to_ascii_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        grammar().debug_assert();
    }

    #[test]
    fn every_flag_has_a_variable_of_its_command() {
        fn check(command: &clap::Command, prefix: &str) {
            for argument in command.get_arguments() {
                let Some(long) = argument.get_long() else { continue };
                if matches!(argument.get_action(), ArgAction::Help | ArgAction::Version) {
                    continue;
                }
                let found = argument.get_env().map(|name| name.to_string_lossy().into_owned());
                let expected = variable(prefix, long);
                let expected = Some(expected).filter(|name| !NEVER_FROM_ENVIRONMENT.contains(&name.as_str()));
                assert_eq!(found, expected, "--{long} of {}", command.get_name());
            }
            for subcommand in command.get_subcommands() {
                check(subcommand, &variable(prefix, subcommand.get_name()));
            }
        }
        check(&grammar(), "DECNET");
    }

    #[test]
    fn no_command_takes_the_name_of_a_global_flag_for_something_else() {
        fn check(command: &clap::Command, globals: &[clap::Id]) {
            for argument in command.get_arguments().filter(|argument| !argument.is_global_set()) {
                assert!(
                    !globals.contains(argument.get_id()),
                    "{} {argument}",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(|command| check(command, globals));
        }
        let grammar = grammar();
        let globals = grammar.get_arguments().filter(|argument| argument.is_global_set());
        let globals: Vec<_> = globals.map(|argument| argument.get_id().clone()).collect();
        assert!(!globals.is_empty());
        check(&grammar, &globals);
    }
}
