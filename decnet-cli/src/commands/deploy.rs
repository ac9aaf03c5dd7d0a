use std::path::PathBuf;

use decnet_engine::engine::{DeployOptions, Engine, Inspection, Operation, Outcome};
use decnet_topology::{
    Catalog, DmzEgress, Finding, Topology,
    catalog::ImageSource,
    model::{LogDriver, LogOption},
    publish::PublishRule,
};
use serde::Serialize;

use super::{apply, list::Row, plan};
use crate::{
    command_error::CommandError,
    context::{Context, EngineWishes},
    exit::Exit,
    input::Source,
    interrupt, lookup,
    output::Style,
    progress::ProgressReporter,
    table,
};

/// Raise a maze on Docker, whatever state it is in.
///
/// Ctrl-C or a failure undoes what this run did, and nothing else.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the beginning of its id.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    topology: Option<String>,
    /// Apply this maze file first, and raise what it says; - is stdin.
    #[arg(long, short, value_name = "FILE", conflicts_with = "dry_run")]
    file: Option<PathBuf>,
    /// Where gateways publish a service on the host: ssh=2222, http=127.0.0.1:8080, web-01.ssh=2022. May be repeated; kept
    /// with the maze, beside those given earlier.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    publish: Vec<PublishRule>,
    /// What the deckies of the DMZ may send to the outside: none, dns-only, rate-limited, or, where nothing is named, open;
    /// kept with the maze.
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = "open")]
    dmz_egress: Option<DmzEgress>,
    /// Docker's log driver for the containers [default: json-file]; kept with the maze. A change recreates them, and deletes their
    /// logs.
    #[arg(long, value_name = "NAME")]
    log_driver: Option<LogDriver>,
    /// An option of the log driver: max-size=50m, or max-size= to remove it. May be repeated; kept with the maze, beside those given
    /// earlier.
    #[arg(long, value_name = "KEY=VALUE")]
    log_opt: Vec<LogOption>,
    /// How Docker is worked on.
    #[command(flatten)]
    work: Work,
}

/// How Docker is worked on.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Work {
    /// Only say what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Make running containers anew where that is needed.
    #[arg(long)]
    pub(crate) force: bool,
    /// How many containers are worked on at a time [default: twice the daemon's processors].
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_workers: Option<u16>,
    /// A decoy program other than the one that comes with this command.
    #[arg(long, value_name = "FILE")]
    pub(crate) decoy: Option<PathBuf>,
}

impl Work {
    /// Says it to the engine.
    pub(crate) fn wishes(&self) -> EngineWishes<'_> {
        EngineWishes {
            max_workers: self.max_workers.map(usize::from),
            decoy: self.decoy.as_deref(),
        }
    }
}

/// What came of an operation, for programs.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    changed: usize,
    reason: Option<&'a str>,
    warnings: &'a [Finding],
    deckies: &'a [decnet_engine::engine::DeckyState],
}

/// Raises a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let Arguments {
        topology,
        file,
        publish,
        dmz_egress,
        log_driver,
        log_opt,
        work,
    } = arguments;
    let catalog = context.catalog()?;
    let repo = context.repo()?;
    let row = match (&file, &topology) {
        (Some(file), _) => {
            apply::apply(context, repo.as_ref(), &Source::new(file), None, &publish)
                .await?
                .0
                .row
        }
        (None, topology) => lookup::find(repo.as_ref(), topology.as_deref().unwrap_or_default()).await?,
    };
    let id = row.id;
    let engine = context.engine_on(repo.clone(), catalog.clone(), work.wishes()).await?;
    let mut settings = row.settings.clone();
    settings.publish = settings.publish.with(publish);
    settings.dmz_egress = dmz_egress.unwrap_or(settings.dmz_egress);
    settings.log = settings.log.with(log_driver, log_opt);
    let settings = Some(settings).filter(|settings| *settings != row.settings);
    let options = DeployOptions::default().force(work.force).settings(settings);
    if work.dry_run {
        return plan::show(context, &engine, id, Operation::Deploy(options)).await;
    }
    let sharing = sharing(&repo.load(id).await?.topology, &catalog);
    let cancel = interrupt::catch()?;
    let reporter = ProgressReporter::start(&engine, context.output);
    let result = engine.deploy(id, options, &cancel).await;
    reporter.end().await;
    let exit = say(context, &engine, result?).await?;
    if let Some(first) = sharing.first() {
        context.output.note(format!(
            "hint: {} (first: {first}). After a restart of the daemon such a service may stay exited; \
             `decnet watch` as a service (contrib/decnet-watch.service) starts it again",
            crate::text::count(
                sharing.len(),
                "service has an image of its own",
                "services have images of their own"
            )
        ));
    }
    Ok(exit)
}

/// Lists the services that share the network of their base, and so need it to start before them.
fn sharing(topology: &Topology, catalog: &Catalog) -> Vec<String> {
    let services = topology.deckies().iter().flat_map(|decky| {
        let services = decky.services().iter();
        services.map(move |service| (decky.name(), service))
    });
    let foreign = services.filter(|(_, service)| {
        let entry = catalog.service(service.as_str());
        entry.is_some_and(|entry| entry.image != ImageSource::Builtin)
    });
    foreign.map(|(decky, service)| format!("{decky}.{service}")).collect()
}

/// Says what an operation came to, with the table of deckies.
pub(crate) async fn say(context: &Context, engine: &Engine, outcome: Outcome) -> Result<Exit, CommandError> {
    let Inspection { stored, deckies, .. } = engine.inspect(outcome.row.id).await?;
    let row = &outcome.row;
    let reason = outcome.reason.as_deref();
    if context.output.json {
        context.output.json(&Report {
            row: Row::from(row),
            changed: outcome.changed,
            reason,
            warnings: &outcome.warnings,
            deckies: &deckies,
        })?;
    } else {
        context.output.data(&table::deckies(&deckies, true))?;
        let style = if reason.is_none() { Style::Good } else { Style::Warning };
        let status = context.output.paint(style, row.status.as_str());
        let changed = match outcome.changed {
            0 => "nothing had to be done".into(),
            changed => crate::text::count(changed, "change", "changes"),
        };
        if !context.output.quiet {
            let line = format!(
                "{} ({}) is {status}: {changed}",
                crate::text::one_line(stored.row.name.as_str()),
                row.id
            );
            crate::output::say(&line);
        }
        for warning in &outcome.warnings {
            context.output.note(warning.to_string());
        }
        if let Some(reason) = reason {
            context.output.note(format!("  {reason}"));
        }
    }
    // What was asked for is not there yet.
    Ok(if reason.is_some() { Exit::Failed } else { Exit::Done })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_with_images_of_their_own_are_listed_and_built_in_ones_are_not() {
        let catalog = Catalog::builtin()
            .extend_from_toml("[services.forge]\nports = [\"3000/tcp\"]\nimage = \"forge:1\"")
            .expect("a catalogue");
        let topology = Topology::builder()
            .dmz("dmz", "10.90.0.0/24")
            .decky("web", |decky| decky.on("dmz", "10.90.0.10").services(["http", "forge"]))
            .decky("desk", |decky| decky.on("dmz", "10.90.0.11").services(["ssh"]))
            .build()
            .expect("a topology");
        assert_eq!(sharing(&topology, &catalog), ["web.forge"]);
    }
}
