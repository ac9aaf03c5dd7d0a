mod changes;
mod execution;
mod file;
mod placing;
mod work;

use std::path::PathBuf;

use decnet_engine::{DeployOptions, EngineError, Fleet, Operation, RuntimeError, SettingsChange};
use decnet_topology::{DmzEgress, LogDriver, LogOption, PublishRule, RuleSet};

use self::placing::Placing;
pub(crate) use self::{
    execution::{execute, print, print_json, with_progress},
    work::Work,
};
use super::{apply, plan};
use crate::{command_error::CommandError, context::Context, exit::Exit, lookup};

/// Deploy a maze on Docker, in any state.
///
/// With -f, the maze of a file is stored and deployed. If the maze runs and differs from the file, the command shows the difference
/// as mutations and asks before it applies them in one go. Deckies that do not differ are not touched.
///
/// On Ctrl-C or a failure, the deploy of a new maze is undone. Changes of a running maze are stored first; an interrupted one is
/// continued by `decnet watch` or the next command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet deploy corp\n  \
                        decnet deploy -f corp.yaml --publish http=127.0.0.1:8080\n  \
                        decnet deploy corp --hosts east,west --spread\n  \
                        decnet deploy -f corp.yaml --agent east\n  \
                        decnet deploy -f corp.yaml --dry-run")]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the start of its id.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    topology: Option<String>,
    /// Deploy the maze of this file; - is stdin.
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Do not ask before a running maze is changed to match the file. Needed without a terminal.
    #[arg(long, short)]
    yes: bool,
    /// Where gateways publish a service on the host: ssh=2222, http=127.0.0.1:8080, web-01.ssh=2022. May be repeated; stored
    /// with the maze, in addition to earlier rules.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    publish: Vec<PublishRule>,
    /// The traffic from deckies of the DMZ to the outside: none, dns-only, rate-limited or open (the default without a value);
    /// stored with the maze.
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = "open")]
    dmz_egress: Option<DmzEgress>,
    /// Docker's log driver for the containers [default: json-file]; stored with the maze. A change recreates them and deletes their
    /// logs.
    #[arg(long, value_name = "NAME")]
    log_driver: Option<LogDriver>,
    /// An option of the log driver: max-size=50m, or max-size= to remove it. May be repeated; stored with the maze, in addition to
    /// earlier options.
    #[arg(long, value_name = "KEY=VALUE")]
    log_opt: Vec<LogOption>,
    /// Hide the passwords of visitors in the logs; `=false` logs them again. Stored with the maze. A change
    /// recreates the built-in services.
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    hide_passwords: Option<bool>,
    #[command(flatten)]
    placing: Placing,
    /// Options for work on Docker.
    #[command(flatten)]
    work: Work,
}

/// Deploys a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let deployed = Box::pin(deploy(arguments, context)).await;
    match deployed {
        // A daemon that the user chose, or may not use, is not replaced by hosts.
        Err(CommandError::Engine(EngineError::Runtime(error @ RuntimeError::Unreachable { .. })))
            if context.globals.host.is_none() && !error.is_denied() && has_hosts(context).await =>
        {
            let (host, reason) = (Fleet::THIS_MACHINE.to_owned(), error.to_string());
            Err(EngineError::HostUnreachable { host, reason }.into())
        }
        deployed => deployed,
    }
}

/// Returns whether hosts have joined, so that a maze needs no Docker on this machine.
async fn has_hosts(context: &Context) -> bool {
    // The deploy has failed already; a store that does not answer adds nothing.
    let Ok(repo) = context.repo().await else {
        return false;
    };
    lookup::has_hosts(repo.as_ref()).await.unwrap_or(false)
}

async fn deploy(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let Arguments {
        topology,
        file,
        yes,
        publish,
        dmz_egress,
        log_driver,
        log_opt,
        hide_passwords,
        placing,
        work,
    } = arguments;
    let file = match file {
        Some(path) => Some(apply::read(context, &path, RuleSet::deploy())?),
        None => None,
    };
    let catalog = context.catalog()?;
    let repo = context.repo().await?;
    let change = SettingsChange::default()
        .publish(publish)
        .dmz_egress(dmz_egress)
        .log_driver(log_driver)
        .log_options(log_opt)
        .hide_passwords(hide_passwords);
    let found = match &topology {
        Some(topology) => Some(lookup::find(repo.as_ref(), topology).await?),
        None => None,
    };
    let name = match (&found, &file) {
        (Some(row), _) => Some(row.name.clone()),
        (None, Some(file)) => file.draft.header.name.parse().ok(),
        (None, None) => None,
    };
    placing.check(repo.as_ref(), name.as_ref(), found.as_ref()).await?;
    let agent = placing.agent().cloned();
    let change = placing.added_to(change);
    let engine = context
        .engine_on(repo, catalog, work.engine.clone(), found.as_ref())
        .await?;
    let row = match (found, &file) {
        (None, Some(file)) => return Box::pin(file::run(context, &engine, file, (change, agent), &work, yes)).await,
        (Some(row), _) => row,
        (None, None) => return Err(CommandError::Usage("give a maze, or a file with -f".into())),
    };
    let options = DeployOptions::default()
        .force(work.force)
        .settings(change.changed(&row.settings));
    if work.dry_run {
        return plan::dry_run(context, &engine, row.id, Operation::Deploy(options)).await;
    }
    execution::deploy(context, &engine, row.id, options, None).await
}
