mod changes;
mod file;

use std::path::PathBuf;

use decnet_engine::{
    CancellationToken, DeckyState, DeployOptions, Engine, EngineError, Inspection, Operation, Outcome, Prepared,
    SettingsChange, own_images,
};
use decnet_topology::{DmzEgress, LogDriver, LogOption, PublishRule, Report as Findings, RuleSet, TopologyId};
use serde::Serialize;

use self::changes::ChangeReport;
use super::{apply, plan};
use crate::{
    command_error::CommandError, context::Context, exit::Exit, globals::EngineFlags, input::MazeFile, interrupt,
    lookup, output::Style, progress::ProgressReporter, table,
};

/// Deploy a maze on Docker, in any state.
///
/// With -f, the maze of a file is stored and deployed. If the maze runs and differs from the file, the command shows the difference
/// as mutations and asks before it applies them in one go. Deckies that do not differ are not touched.
///
/// On Ctrl-C or a failure, the deploy of a new maze is undone. Changes of a running maze are stored first; an interrupted one is
/// continued by `decnet watch` or the next command.
#[derive(Debug, clap::Args)]
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
    /// Leave the passwords of visitors out of the logs, or put them in again with `=false`; stored with the maze. A change
    /// recreates the built-in services.
    #[arg(long, value_name = "BOOLEAN", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    hide_passwords: Option<bool>,
    /// Options for work on Docker.
    #[command(flatten)]
    work: Work,
}

/// Options for work on Docker.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Work {
    /// Only print the plan.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Allow running containers to be recreated.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) engine: EngineFlags,
}

/// The outcome of an operation as JSON.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    #[serde(flatten)]
    change: Option<ChangeReport<'a>>,
    deckies: &'a [DeckyState],
}

/// Deploys a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let Arguments {
        topology,
        file,
        yes,
        publish,
        dmz_egress,
        log_driver,
        log_opt,
        hide_passwords,
        work,
    } = arguments;
    let file = match file {
        Some(path) => Some(apply::read(context, &path, RuleSet::deploy())?),
        None => None,
    };
    let catalog = context.catalog()?;
    let repo = context.repo()?;
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
    let engine = context.engine_on(repo, catalog, work.engine.clone()).await?;
    let row = match (found, &file) {
        (None, Some(file)) => return file::run(context, &engine, file, change, &work, yes).await,
        (Some(row), _) => row,
        (None, None) => return Err(CommandError::Usage("give a maze, or a file with -f".into())),
    };
    let settings = Some(change.apply_to(&row.settings)).filter(|settings| *settings != row.settings);
    let options = DeployOptions::default().force(work.force).settings(settings);
    if work.dry_run {
        return plan::dry_run(context, &engine, row.id, Operation::Deploy(options)).await;
    }
    deploy(context, &engine, row.id, options, None).await
}

/// Deploys a stored maze, which may be that of a file.
async fn deploy(
    context: &Context,
    engine: &Engine,
    id: TopologyId,
    options: DeployOptions,
    file: Option<&MazeFile>,
) -> Result<Exit, CommandError> {
    let stored = engine.repo().load(id).await?;
    let services = own_images(&stored.topology, &context.catalog()?.with_stored(&stored.row.catalog));
    let exit = execute(context, engine, async |cancel| engine.deploy(id, options, cancel).await)
        .await
        .map_err(|error| located(file, error))?;
    hint_at_own_images(context, &services);
    Ok(exit)
}

/// Gives the findings their places in the file, if the maze is that of a file.
fn located(file: Option<&MazeFile>, error: CommandError) -> CommandError {
    match (file, error) {
        (Some(file), CommandError::Maze { findings } | CommandError::Mutated { findings }) => {
            file.refused(Findings::new(findings))
        }
        (_, error) => error,
    }
}

/// Notes that services with their own images need `decnet watch`.
fn hint_at_own_images(context: &Context, services: &[String]) {
    if let Some(first) = services.first() {
        context.output.note(format!(
            "hint: {} (first: {first}). After a restart of the daemon such a service may stay exited; \
             `decnet watch` as a service (contrib/decnet-watch.service) starts it again",
            crate::text::count(
                services.len(),
                "service has its own image",
                "services have their own images"
            )
        ));
    }
}

/// Executes an operation on Docker: prints its progress, interrupts it at a signal, and prints the outcome with the deckies.
pub(crate) async fn execute(
    context: &Context,
    engine: &Engine,
    operation: impl AsyncFnOnce(&CancellationToken) -> Result<Outcome, EngineError>,
) -> Result<Exit, CommandError> {
    execute_shown(context, engine, None, operation).await
}

/// Does the same with an operation whose plan was shown: the JSON output contains it.
async fn execute_shown(
    context: &Context,
    engine: &Engine,
    shown: Option<&Prepared>,
    operation: impl AsyncFnOnce(&CancellationToken) -> Result<Outcome, EngineError>,
) -> Result<Exit, CommandError> {
    let cancel = interrupt::catch()?;
    let reporter = ProgressReporter::start(engine, context.output);
    let result = operation(&cancel).await;
    reporter.end().await;
    let outcome = result?;
    let Inspection { stored, deckies, .. } = engine.inspect(outcome.row.id).await?;
    let row = &outcome.row;
    let reason = outcome.reason.as_deref();
    if context.output.json {
        context.output.json(&Report {
            outcome: &outcome,
            change: shown.map(ChangeReport::of),
            deckies: &deckies,
        })?;
    } else {
        context
            .output
            .data(&table::deckies(&deckies, true, DeckyState::address_text))?;
        let style = if reason.is_none() { Style::Good } else { Style::Warning };
        let status = context.output.paint(style, row.status.as_str());
        let changed = match outcome.changed {
            0 => "nothing to do".into(),
            changed => crate::text::count(changed, "change", "changes"),
        };
        if !context.output.quiet {
            let line = format!(
                "{} is {status}: {changed}",
                crate::text::one_line(stored.row.name.as_str())
            );
            crate::output::say(&line);
        }
        for warning in &outcome.warnings {
            context.output.note(warning.to_string());
        }
        for volume in &outcome.kept_volumes {
            context.output.note(format!(
                "kept volume {volume}; `docker volume rm {volume}` removes it with its data"
            ));
        }
        if let Some(reason) = reason {
            context.output.note(format!("  {reason}"));
        }
    }
    // The maze does not match its desired state yet.
    Ok(if reason.is_some() { Exit::Failed } else { Exit::Done })
}
