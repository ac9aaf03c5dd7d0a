//! What may be typed: the global flags, the commands, and the environment behind every flag.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, builder::FalseyValueParser};

use crate::{command_error::CommandError, commands};

/// Mazes of decoy hosts: draw one, check it, raise it on Docker, take it down without a trace.
#[derive(Debug, Parser)]
#[command(
    name = "decnet",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true,
    max_term_width = 110,
    after_help = "Flags are environment variables too: --db is DECNET_DB, --dry-run of deploy is DECNET_DEPLOY_DRY_RUN.\n\
                  Exit codes: 0 done, 1 failed, 2 usage, 3 invalid, 4 conflict, 5 Docker out of reach, 6 rolled back, \
                  130 interrupted."
)]
pub(crate) struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// The database [default: decnet/decnet.db in the user's data folder].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    #[arg(
        help = "The Docker daemon: unix:///path or tcp://host:port [default: $DOCKER_HOST, else the context in use, else the local socket]"
    )]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) host: Option<String>,
    /// A TOML file of services and archetypes that are added to the built-in ones, or override them.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) catalog: Option<PathBuf>,
    /// The socket of the bus on which events are told [default: decnet/bus.sock in the user's runtime folder].
    #[arg(long, global = true, value_name = "SOCKET", alias = "socket")]
    pub(crate) bus: Option<PathBuf>,
    /// How long Docker may take for one answer: 30s, 2m; a bare number is seconds.
    #[arg(long, global = true, value_name = "TIME", value_parser = read_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Print JSON for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say more on stderr; twice and thrice even more.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say nothing on stderr but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// When to colour: auto (on terminals, unless `NO_COLOR` is set), always or never.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(crate) color: ColorChoice,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On terminals.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Everything that can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Generate(Box<commands::generate::Arguments>),
    Validate(commands::validate::Arguments),
    Schema(commands::schema::Arguments),
    Apply(commands::apply::Arguments),
    Create(commands::create::Arguments),
    List(commands::list::Arguments),
    #[command(visible_alias = "inspect")]
    Show(commands::show::Arguments),
    Graph(commands::graph::Arguments),
    Hash(commands::hash::Arguments),
    Plan(commands::plan::Arguments),
    Deploy(commands::deploy::Arguments),
    #[command(visible_alias = "destroy")]
    Teardown(commands::teardown::Arguments),
    Reconcile(commands::reconcile::Arguments),
    Verify(commands::verify::Arguments),
    Delete(commands::delete::Arguments),
    Reap(commands::reap::Arguments),
    Compose(commands::compose::Arguments),
    Events(commands::events::Arguments),
    Bus(commands::bus::Arguments),
    Services(commands::services::Arguments),
    Archetypes(commands::archetypes::Arguments),
    Mutate(Box<commands::mutate::Arguments>),
    Mutations(commands::mutations::Arguments),
    Watch(commands::watch::Arguments),
    NextSubnet(commands::next_subnet::Arguments),
    NextIp(commands::next_ip::Arguments),
    Doctor(commands::doctor::Arguments),
    Db(commands::db::Arguments),
    Completions(commands::completions::Arguments),
}

/// Returns the command line's grammar, with an environment variable behind every flag.
pub(crate) fn grammar() -> clap::Command {
    with_environment(Cli::command(), "DECNET")
}

/// Reads the command line and the environment.
pub(crate) fn read(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Cli, clap::Error> {
    let mut matches = grammar().try_get_matches_from(arguments)?;
    Cli::from_arg_matches_mut(&mut matches)
}

/// Lets flags come from variables that begin with a prefix, and those of subcommands from variables that name the subcommand too.
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

/// Flags that delete what nobody can restore: they have to be typed each time.
const NEVER_FROM_ENVIRONMENT: [&str; 1] = ["DECNET_DB_RESET_FORCE"];

/// Names the environment variable of a flag, or what those of a subcommand begin with.
fn variable(prefix: &str, name: &str) -> String {
    format!("{prefix}_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// Reads `30s`, `2m`, `1m30s` or a bare number of seconds.
pub(crate) fn read_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time like 30s, 2m or 90");
    let duration = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let signed: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
        Duration::try_from(signed).map_err(|_| wrong())?
    };
    if duration.is_zero() {
        Err("must be more than nothing".into())
    } else {
        Ok(duration)
    }
}

impl Command {
    /// Does it.
    pub(crate) async fn run(self, context: &crate::context::Context) -> Result<crate::exit::Exit, CommandError> {
        match self {
            Self::Generate(arguments) => commands::generate::run(*arguments, context).await,
            Self::Validate(arguments) => commands::validate::run(arguments, context).await,
            Self::Schema(arguments) => commands::schema::run(&arguments, context),
            Self::Apply(arguments) => commands::apply::run(arguments, context).await,
            Self::Create(arguments) => commands::create::run(arguments, context).await,
            Self::List(arguments) => commands::list::run(arguments, context).await,
            Self::Show(arguments) => commands::show::run(arguments, context).await,
            Self::Graph(arguments) => commands::graph::run(arguments, context).await,
            Self::Hash(arguments) => commands::hash::run(arguments, context).await,
            Self::Plan(arguments) => commands::plan::run(arguments, context).await,
            Self::Deploy(arguments) => commands::deploy::run(arguments, context).await,
            Self::Teardown(arguments) => commands::teardown::run(arguments, context).await,
            Self::Reconcile(arguments) => commands::reconcile::run(arguments, context).await,
            Self::Verify(arguments) => commands::verify::run(arguments, context).await,
            Self::Delete(arguments) => commands::delete::run(arguments, context).await,
            Self::Reap(arguments) => commands::reap::run(arguments, context).await,
            Self::Compose(arguments) => commands::compose::run(arguments, context).await,
            Self::Events(arguments) => commands::events::run(arguments, context).await,
            Self::Bus(arguments) => commands::bus::run(&arguments, context).await,
            Self::Services(arguments) => commands::services::run(&arguments, context),
            Self::Archetypes(arguments) => commands::archetypes::run(&arguments, context),
            Self::Mutate(arguments) => commands::mutate::run(*arguments, context).await,
            Self::Mutations(arguments) => commands::mutations::run(arguments, context).await,
            Self::Watch(arguments) => commands::watch::run(arguments, context).await,
            Self::NextSubnet(arguments) => commands::next_subnet::run(arguments, context).await,
            Self::NextIp(arguments) => commands::next_ip::run(arguments, context).await,
            Self::Doctor(arguments) => commands::doctor::run(&arguments, context).await,
            Self::Db(arguments) => commands::db::run(arguments, context).await,
            Self::Completions(arguments) => commands::completions::run(&arguments, context),
        }
    }
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

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(read_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(read_duration("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(read_duration("1m30s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "0", "-1", "-5s", "soon"] {
            assert!(read_duration(wrong).is_err(), "{wrong}");
        }
    }
}
