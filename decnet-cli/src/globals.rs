//! The global flags.

use std::{path::PathBuf, time::Duration};

use clap::{
    ArgAction, Args,
    builder::{OsStringValueParser, TypedValueParser as _},
};

use crate::{duration::read_duration, given_bus::GivenBus, number::workers};

/// The flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    #[arg(
        help = "The database: a file, or postgres://user:password@host/database [default: decnet/decnet.db in the user's data folder]"
    )]
    #[arg(long, global = true, value_name = "FILE|URL")]
    pub(crate) db: Option<PathBuf>,
    #[arg(
        help = "The Docker daemon: unix:///path or tcp://host:port [default: $DOCKER_HOST, else the selected context, else the local socket]"
    )]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) host: Option<String>,
    /// TOML files of services and archetypes, separated by commas. Their entries are added to the built-in ones, or override them; those
    /// of later files override those of earlier ones. A maze keeps the entries that it uses.
    #[arg(long, global = true, value_name = "FILES", value_delimiter = ',')]
    pub(crate) catalog: Vec<PathBuf>,
    #[arg(
        help = "The bus that carries events between commands: a socket, or nats://host:port or tls://host:port [default: `NOTIFY` of the database if it is on a PostgreSQL server, else decnet/bus.sock in the user's runtime folder]"
    )]
    #[arg(long, global = true, value_name = "BUS", alias = "socket", value_parser = OsStringValueParser::new().map(GivenBus::from))]
    pub(crate) bus: Option<GivenBus>,
    /// The timeout for one answer of Docker: 30s, 2m; a bare number is seconds.
    #[arg(long, global = true, value_name = "TIME", value_parser = read_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print more on stderr; repeat for more detail.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Print only errors on stderr.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// When to use colours: auto (on terminals, unless `NO_COLOR` is set), always or never.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true
    )]
    pub(crate) color: ColorChoice,
}

/// How many containers a command changes at the same time.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Workers {
    /// How many containers to change at the same time [default: twice the daemon's processors].
    #[arg(long, value_name = "NUMBER", value_parser = workers)]
    pub(crate) max_workers: Option<u16>,
}

/// The options of an engine, in addition to the global flags.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct EngineFlags {
    #[command(flatten)]
    pub(crate) workers: Workers,
    /// The decoy program to use instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    pub(crate) decoy: Option<PathBuf>,
}

impl From<Workers> for EngineFlags {
    fn from(workers: Workers) -> Self {
        Self { workers, decoy: None }
    }
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On terminals.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// Returns whether a terminal gets colours.
    pub(crate) fn on_terminal(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            // https://no-color.org: set and not empty.
            Self::Auto => std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }
}
